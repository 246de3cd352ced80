"""OpenCV, where it is installed: the extra "opencv"."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def opencv() -> Any:
    """The module cv2, or None."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2
