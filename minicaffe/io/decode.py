"""Image files to arrays, as OpenCV gives them to Caffe: uint8, (C, H, W), channels in the order B, G, R.

OpenCV reads where it is installed (the extra "opencv"), Pillow otherwise; the pixels are the same, those of JPEG files
where both were built on one JPEG library. They come as stored: the turning that cameras note (EXIF) is not applied.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from minicaffe.errors import DataError, FileError, reason_of
from minicaffe.io.opencv import opencv
from minicaffe.io.resize import resize

# What blue, green and red count in a grey value, and what is added before the shift. OpenCV leaves PNG to libpng.
_GRAY_SHIFT, _GRAY_WEIGHTS, _GRAY_ROUNDING = 14, (1868, 9617, 4899), 1 << 13
_PNG_GRAY_SHIFT, _PNG_GRAY_WEIGHTS = 15, (3737, 19234, 9797)
_PNG = b"\x89PNG\r\n\x1a\n"
# Where a PNG file's header holds the bits per channel.
_PNG_DEPTH = 24


def load_image_file(
    path: str | bytes | os.PathLike[str], color: bool = True, new_height: int = 0, new_width: int = 0
) -> np.ndarray:
    """The image in a file, uint8 of shape (3, H, W), or (1, H, W) without color; resized where both sizes are given.

    Raises FileError where the file cannot be read, DataError where it holds no image.
    """
    image = decode_image(read_bytes(path), color, path_text(path))
    return resize(image, new_height, new_width) if new_height > 0 and new_width > 0 else image


def read_bytes(path: str | bytes | os.PathLike[str]) -> bytes:
    """All that a file holds. Raises FileError where it cannot be read."""
    with opened(path) as stream:
        return stream.read()


@contextmanager
def opened(path: str | bytes | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to be read; FileError where it cannot be opened, or the reading fails inside the `with`."""
    if b"\0" in os.fsencode(path):
        raise FileError("cannot be the name of a file: it has a zero byte", file=path_text(path))
    try:
        with open(path, "rb") as stream:
            yield stream
    except OSError as error:
        raise FileError(f"cannot be read: {reason_of(error)}", file=path_text(path)) from error


def path_text(path: str | bytes | os.PathLike[str]) -> str:
    """A path to be shown, whatever bytes are in it."""
    name = os.fspath(path)
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


def decode_image(data: bytes | memoryview, color: bool | None, path: str = "", name: str = "") -> np.ndarray:
    """The image in the bytes of a JPEG, PNG, ... file: uint8 of shape (C, H, W), BGR.

    color: True for 3 channels, False for 1 (grey), None for the file's own 1, 3 or 4 (BGR and alpha).
    path, name: where the bytes come from, to be named in errors.
    Raises DataError for what is no image, and for more than 8 bits a channel where color is None.
    """
    try:
        image = _with_opencv(data, color) if opencv() else _with_pillow(bytes(data), color)
    except DataError as error:
        raise DataError(f"{name or 'the file'} {error}", file=path) from error.__cause__
    return np.ascontiguousarray(np.atleast_3d(image).transpose(2, 0, 1))


def _with_opencv(data: bytes | memoryview, color: bool | None) -> np.ndarray:
    cv2 = opencv()
    flags = {True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE, None: cv2.IMREAD_UNCHANGED}[color]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise _no_image("OpenCV") from error
    if image is None:
        raise _no_image("OpenCV")
    if image.dtype != np.uint8:
        raise _too_deep(8 * image.dtype.itemsize)
    return image


def _with_pillow(data: bytes, color: bool | None) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            # Of a JPEG file grey is the luminance as stored, not computed from colours.
            if color is False:
                image.draft("L", None)  # type: ignore[arg-type]
            image.load()
    # Its readers raise whatever a damaged file makes them stumble over: SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
        raise _no_image("Pillow", detail) from error
    png = data.startswith(_PNG)
    depth = data[_PNG_DEPTH] if png else {"I": 32, "F": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)
    if depth > 8 and (color is None or depth > 16):
        raise _too_deep(depth)
    channels = _channels(image)
    if color is None:
        return channels
    if color:
        return channels[..., :3] if channels.shape[2] >= 3 else np.repeat(channels[..., :1], 3, axis=2)
    return _gray(channels, png) if channels.shape[2] >= 3 else channels[..., :1]


def _channels(image: Any) -> np.ndarray:
    """The file's own channels, (H, W, 1, 3 or 4): palettes looked up, transparency as a fourth channel."""
    mode = image.mode
    if mode == "CMYK":
        return _from_cmyk(np.asarray(image))
    if mode.startswith("I"):
        return (np.asarray(image) >> 8).astype(np.uint8)[..., np.newaxis]
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., np.newaxis]
    alpha = mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    rgb = np.asarray(image.convert("RGBA" if alpha else "RGB"))
    return rgb[..., [2, 1, 0, 3] if alpha else [2, 1, 0]]


def _from_cmyk(image: np.ndarray) -> np.ndarray:
    """BGR of what printers lay on, as OpenCV computes it."""
    ink = image.astype(np.int32)
    black = 255 - ink[..., 3:]
    return (black - (ink[..., 2::-1] * black >> 8)).astype(np.uint8)


def _gray(channels: np.ndarray, png: bool) -> np.ndarray:
    shift, weights, rounding = _GRAY_SHIFT, _GRAY_WEIGHTS, _GRAY_ROUNDING
    if png:
        shift, weights, rounding = _PNG_GRAY_SHIFT, _PNG_GRAY_WEIGHTS, 0
    total = channels[..., :3].astype(np.uint32) @ np.array(weights, np.uint32)
    return ((total + rounding) >> shift).astype(np.uint8)[..., np.newaxis]


def _no_image(reader: str, detail: str = "") -> DataError:
    return DataError(f"is no image that {reader} can read{detail}; write it again, as JPEG or PNG, or leave it out")


def _too_deep(bits: int) -> DataError:
    return DataError(f"has {bits} bits a channel, must have 8; convert it, or set force_color or force_gray")
