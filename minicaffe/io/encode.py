"""Arrays to image files, as OpenCV writes them for Caffe: uint8, (C, H, W), channels in the order B, G, R.

OpenCV writes where it is installed (the extra "opencv"), Pillow otherwise. What is read back has the same pixels, after
JPEG where both were built on one JPEG library.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from minicaffe.errors import DataError
from minicaffe.io.opencv import opencv

# Type, as files' names end -> Pillow's name of the format.
_FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "bmp": "BMP",
    "tif": "TIFF",
    "tiff": "TIFF",
    "webp": "WEBP",
}
KINDS = tuple(_FORMATS)
# OpenCV's own: JPEG of quality 95, WebP without loss.
_PILLOW_SETTINGS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}


def encode_image(image: np.ndarray, kind: str) -> bytes:
    """The bytes of an image file. image: uint8 of shape (3, H, W), BGR, or (1, H, W). kind: one of KINDS, in any case.

    Raises DataError for another kind, and for an image that it has no room for.
    """
    kind = kind.lower()
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise DataError(f'cannot be stored as "{kind}"; the types that can be written are {known}')
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    return _with_opencv(pixels, kind) if opencv() else _with_pillow(pixels, kind)


def _with_opencv(pixels: np.ndarray, kind: str) -> bytes:
    cv2 = opencv()
    try:
        done, data = cv2.imencode(f".{kind}", pixels)
    except cv2.error as error:
        raise _no_room(pixels, kind, "OpenCV") from error
    if not done:
        raise _no_room(pixels, kind, "OpenCV")
    return data.tobytes()


def _with_pillow(pixels: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    # Grey without an axis of channels, or R, G, B.
    shown = pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels[..., ::-1])
    stream, name = io.BytesIO(), _FORMATS[kind]
    try:
        Image.fromarray(shown).save(stream, name, **_PILLOW_SETTINGS.get(name, {}))
    # Its writers raise OSError, ValueError, KeyError, ... for sizes that a format cannot have.
    except Exception as error:
        raise _no_room(pixels, kind, "Pillow", f": {error}") from error
    return stream.getvalue()


def _no_room(pixels: np.ndarray, kind: str, writer: str, detail: str = "") -> DataError:
    height, width = pixels.shape[:2]
    text = f"an image of {width} x {height} pixels cannot be stored as {kind} by {writer}{detail}; choose another type"
    return DataError(text)
