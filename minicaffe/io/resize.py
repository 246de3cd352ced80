"""Resizing images as OpenCV does by default: bilinear, pixel centres at one half, no smoothing before shrinking.

OpenCV does it where it is installed (the extra "opencv"), NumPy otherwise. Pillow's bilinear filter is another one: it
smooths before shrinking.
"""

from __future__ import annotations

import numpy as np

from minicaffe.io.opencv import opencv

# OpenCV computes 8-bit images in whole numbers, weights in units of 1 / 2048.
_UNIT = 2048


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A uint8 image (C, H, W) in another size, in pixels.

    y[i, j] = sum over the four pixels around ((i + 1/2) H / height - 1/2, (j + 1/2) W / width - 1/2) of their value
    times their nearness; beyond the border the border's pixels count.
    Source: OpenCV, modules/imgproc/src/resize.cpp.
    """
    if image.shape[1:] == (height, width):
        return image
    if opencv():
        return np.stack([opencv().resize(channel, (width, height)) for channel in image])
    return resize_with_numpy(image, height, width)


def resize_with_numpy(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """`resize` without OpenCV, and equal to it."""
    top, bottom, top_weight, bottom_weight = _neighbours(image.shape[1], height)
    left, right, left_weight, right_weight = _neighbours(image.shape[2], width)
    rows = np.multiply(image.take(left, axis=2), left_weight, dtype=np.int32)
    rows += np.multiply(image.take(right, axis=2), right_weight, dtype=np.int32)
    # As OpenCV: 4 bits go before the second product, so that all fits into 32 bits, and 18 after.
    rows >>= 4
    upper, lower = rows.take(top, axis=1), rows.take(bottom, axis=1)
    upper *= top_weight[:, np.newaxis]
    lower *= bottom_weight[:, np.newaxis]
    upper >>= 16
    lower >>= 16
    upper += lower
    return (upper + 2 >> 2).astype(np.uint8)


def _neighbours(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Along one axis, of each new pixel: the pixels before and behind its centre, and their weights.

    Beyond the border they are the border's pixel, twice; with both weights, for OpenCV rounds each product.
    """
    place = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    before = np.floor(place).astype(np.int64)
    behind_weight = place - before.astype(np.float32)
    weights = [np.rint(weight * np.float32(_UNIT)).astype(np.int32) for weight in (1 - behind_weight, behind_weight)]
    return before.clip(0, size - 1), (before + 1).clip(0, size - 1), weights[0], weights[1]
