"""Errors about a solver's settings, with the place in its file."""

from __future__ import annotations

from minicaffe.errors import MinicaffeError, Origin, ParamError


def setting_error(origin: Origin, field: str, message: str, kind: type[MinicaffeError] = ParamError) -> MinicaffeError:
    """An error that names the solver file, the line of `field`, and the field itself."""
    return kind(message, file=origin.file, line=origin.line_of(field), field=field)
