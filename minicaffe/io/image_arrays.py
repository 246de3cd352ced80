"""Images as pycaffe's scripts hold them: H x W x K, R G B, in [0, 1]. Part of caffe.io."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe.errors import DataError, ParamError
from minicaffe.io.array_checks import ArrayError, image_array, image_size, numeric_array
from minicaffe.io.decode import opened, path_text
from minicaffe.io.resample import ORDERS, resample

# What red, green and blue count in a grey value: as ITU-R BT.709 has it, in the digits of scikit-image.
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
_CROPS = 5


def load_image(filename: str | bytes | os.PathLike[str], color: bool = True) -> np.ndarray:
    """The image in a file: float32 (H, W, 3), R G B in [0, 1]; with color=False (H, W, 1), its luminance.

        luminance = 0.2125 R + 0.7154 G + 0.0721 B

    A grey image is repeated for R, G and B. Alpha is left out of colours; the luminance is that of the image on white.
    16 bits of grey are all used. Of an animation the first picture counts. Neither is the transparency of palettes
    looked at, nor the turning that cameras note (EXIF). So does pycaffe with scikit-image from 0.19 on.
    Raises FileError (an OSError) where the file cannot be read, DataError where it holds no image.
    """
    with opened(filename) as stream:
        try:
            pixels = _pixels(stream)
        # Pillow's readers raise whatever a damaged file makes them stumble over.
        except Exception as error:
            detail = f": {error}" if type(error).__name__ != "UnidentifiedImageError" else ""
            text = f"is no image that Pillow can read{detail}; write it again, as JPEG or PNG"
            raise DataError(text, file=path_text(filename)) from error
    if color:
        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    elif pixels.shape[2] > 1:
        pixels = _luminance(pixels)
    return pixels.astype(np.float32, copy=False)


def _pixels(stream: Any) -> np.ndarray:
    """(H, W, K), float32 or float64: grey, R G B, or R G B and alpha."""
    from PIL import Image

    with Image.open(stream) as image:
        image.load()
        mode = image.mode
        if mode in ("1", "L"):
            return _to_unit(np.asarray(image.convert("L")))
        if mode == "F":
            return np.array(image)[..., np.newaxis]
        if mode.startswith("I"):
            # "I" is how Pillow opens grey PPM files of 16 bits, and before version 11 such PNG files, too.
            deep = mode == "I" and image.format not in ("PNG", "PPM")
            return _to_unit(np.asarray(image).astype(np.int32 if deep else np.uint16))
        # Alpha that was multiplied into the colours has to be divided out first.
        straight = {"La": "LA", "RGBa": "RGBA"}.get(mode)
        alpha = mode in ("LA", "La", "PA", "RGBA", "RGBa")
        image = image.convert(straight) if straight else image
        return _to_unit(np.asarray(image.convert("RGBA" if alpha else "RGB")))


def _luminance(pixels: np.ndarray) -> np.ndarray:
    if pixels.shape[2] == 4:
        pixels = 1 - pixels[..., 3:] * (1 - pixels[..., :3])
    return (pixels @ _LUMINANCE)[..., np.newaxis]


def _to_unit(pixels: np.ndarray) -> np.ndarray:
    """Whole numbers divided by the largest of their type, and an axis of channels where there is none."""
    unit = pixels / np.float64(np.iinfo(pixels.dtype).max)
    return unit if unit.ndim == 3 else unit[..., np.newaxis]


def resize_image(im: np.ndarray, new_dims: Sequence[int] | np.ndarray, interp_order: int = 1) -> np.ndarray:
    """An image (H, W, K) as (height, width, K), float32, a new array.

    new_dims: (height, width), pixels.  interp_order: of the spline, 0 (nearest) to 5; 1 is bilinear.
    K of 1 or 3: pixels are areas. Around the image everything is its smallest value, which darkens the outermost rows
    and columns of a larger one; along an axis that shrinks it is smoothed before; nothing goes beyond its smallest and
    largest value. One NaN makes all NaN.
    Other K: pixels are points, the corners stay corners, nothing is smoothed; whole numbers give whole numbers.
    So does pycaffe with scikit-image from 0.15 on; with older ones it does not smooth.
    Raises ArrayError (a ValueError), ParamError for an order that there is none of. Formulas: resample.py, b_spline.py.
    """
    image = image_array(im)
    height, width = image_size(new_dims, "new_dims")
    if interp_order not in ORDERS:
        raise ParamError(
            f"interp_order is {interp_order}, must be one of 0 (nearest), 1 (bilinear), 2, 3 (bicubic), 4, 5"
        )
    if image.shape[2] not in (1, 3):
        points = resample(image, height, width, interp_order)
        return _rounded(points, image.dtype).astype(np.float32)
    low, high = image.min(), image.max()
    if not low < high:
        return np.full((height, width, image.shape[2]), low, np.float32)
    areas = resample(image, height, width, interp_order, border=float(low))
    return (np.clip(areas, low, high) if interp_order > 1 else areas).astype(np.float32)


def _rounded(points: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """As numbers of `dtype`, halves away from zero."""
    if dtype.kind not in "ui":
        return points
    limits = np.iinfo(dtype)
    return np.clip(np.trunc(points + np.copysign(0.5, points)), limits.min, limits.max)


def oversample(images: Iterable[np.ndarray], crop_dims: Sequence[int] | np.ndarray) -> np.ndarray:
    """Ten crops of each image: float32 (10 N, height, width, K).

    top left, top right, bottom left, bottom right, centre; then these five mirrored, left to right.
    images: N of one shape (H, W, K).  crop_dims: (height, width), at most (H, W).
    Raises ArrayError, a ValueError.
    """
    stack = alike(images)
    height, width = image_size(crop_dims, "crop_dims")
    top, left = centre(stack.shape[1:3], (height, width))
    bottom, right = stack.shape[1] - height, stack.shape[2] - width
    crops = np.empty((len(stack), 2 * _CROPS, height, width, stack.shape[3]), np.float32)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (top, left)]
    for place, (y, x) in enumerate(corners):
        crops[:, place] = stack[:, y : y + height, x : x + width]
    crops[:, _CROPS:] = crops[:, :_CROPS, :, ::-1]
    return crops.reshape(-1, *crops.shape[2:])


def alike(images: Iterable[np.ndarray]) -> np.ndarray:
    """Images of one shape as one array (N, H, W, K). Raises ArrayError for anything else."""
    if isinstance(images, np.ndarray) and images.ndim == 4 and images.size:
        return numeric_array(images, "the array of images")
    listed = image_list(images)
    for number, image in enumerate(listed):
        if image.shape != listed[0].shape:
            text = (
                f"image {number} has shape {image.shape}, image 0 {listed[0].shape}; bring all to one with resize_image"
            )
            raise ArrayError(text)
    return np.stack(listed)


def image_list(images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The images of any iterable. Raises ArrayError for none, and for one that is no image."""
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise ArrayError(f"one image of shape {images.shape} is no list of images; put it into one: [image]")
    listed = [image_array(image, f"image {number}") for number, image in enumerate(images)]
    if not listed:
        raise ArrayError("the list of images is empty")
    return listed


def centre(size: Any, crop: Any) -> tuple[int, int]:
    """Where a crop begins in the middle of an image, both (height, width). Raises ArrayError for a larger one."""
    if crop[0] > size[0] or crop[1] > size[1]:
        text = f"crops of {crop[0]} x {crop[1]} do not fit into images of {size[0]} x {size[1]} (height x width)"
        raise ArrayError(f"{text}; resize the images to that and more (a Classifier: image_dims)")
    return (size[0] - crop[0]) // 2, (size[1] - crop[1]) // 2
