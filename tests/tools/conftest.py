"""Fixtures of the tools' tests."""

from cli_kit import as_before

__all__ = ["as_before"]
