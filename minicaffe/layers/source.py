"""The file or folder that a layer reads data from: that it is named, and what errors about it say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from minicaffe.errors import FileError, MinicaffeError, ParamError
from minicaffe.layers.base import Layer


def check_source(layer: Layer, source: str, field: str, wanted: str) -> None:
    """Refuse a source that is not named. wanted: what it must be."""
    if not source:
        raise layer.error(ParamError, f"is empty, must be {wanted}", field)


@contextmanager
def placing_source_errors(layer: Layer, field: str, path: str = "") -> Iterator[None]:
    """Give the layer's place, and `field` of its settings, to errors inside the `with` that name no layer.

    path: of the file that is read, where it is not the one that the error names.
    """
    try:
        yield
    except MinicaffeError as error:
        if error.layer or error.layer_type:
            raise
        text = f"cannot be used: {error}"
        if isinstance(error, FileError) and not os.path.isabs(path or error.file):
            # There may be no current folder any more.
            with suppress(OSError):
                text += f" (relative paths begin at {os.getcwd()})"
        raise layer.error(type(error), text, field) from error
