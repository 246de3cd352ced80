"""A window of an image, as it is, or with what is around it, as R-CNN looks at it.

Source: Girshick et al., CVPR 2014, arXiv:1311.2524, section 2.1 and the supplement's A.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.io.array_checks import ArrayError
from minicaffe.io.image_arrays import resize_image

Window = tuple[int, int, int, int]


def window_corners(window: Any) -> Window:
    """(ymin, xmin, ymax, xmax), fractions cut off. Raises ArrayError for what is not four numbers."""
    found = np.asarray(window)
    if found.shape != (4,) or found.dtype.kind not in "uif" or not np.isfinite(found).all():
        raise ArrayError(f"the window is {window}, must be four numbers (ymin, xmin, ymax, xmax), in pixels")
    ymin, xmin, ymax, xmax = map(int, found)
    return ymin, xmin, ymax, xmax


def plain_crop(image: np.ndarray, window: Window) -> np.ndarray:
    """image[ymin:ymax, xmin:xmax], a view; what is beyond its last row and column is left out.

    Raises ArrayError for a window that is empty, or begins outside the image.
    """
    ymin, xmin, ymax, xmax = window
    crop = image[max(ymin, 0) : max(ymax, 0), max(xmin, 0) : max(xmax, 0)]
    if ymin < 0 or xmin < 0 or not crop.size:
        raise _outside(window, image)
    return crop


def context_crop(image: np.ndarray, window: Window, pad: int, canvas: np.ndarray) -> np.ndarray:
    """The window, and on each side of it what fills `pad` pixels of the canvas, put on the canvas.

        c = size of the canvas,    s = c / (c - 2 pad),    half = (max - min + 1) / 2
        box = round(min + half - s half) ... round(min + half + s half)

    The part of the box inside the image is resized; the rest of the canvas is left as it is.
    canvas: (c, c, K), K as the image's. Raises ArrayError for a window that shows nothing of the image.
    """
    if image.shape[2] != canvas.shape[2]:
        raise ArrayError(f"the image has {image.shape[2]} channels, the net's input {canvas.shape[2]}")
    try:
        rows, y = _span(window[0], window[2], image.shape[0], len(canvas), pad)
        columns, x = _span(window[1], window[3], image.shape[1], len(canvas), pad)
    except ValueError:
        raise _outside(window, image) from None
    canvas[y, x] = resize_image(image[rows, columns], (y.stop - y.start, x.stop - x.start))
    return canvas


def _span(first: int, last: int, size: int, crop_size: int, pad: int) -> tuple[slice, slice]:
    """Along one axis: what the box shows of the image, and where that goes. ValueError where it shows nothing."""
    half = (last - first + 1) / 2
    reach = crop_size / (crop_size - 2 * pad) * half
    begin, end = int(np.round(first + half - reach)), int(np.round(first + half + reach))
    start, stop = min(max(begin, 0), size), min(max(end, 0), size)
    if stop <= start:
        raise ValueError
    # As detector.py: the box counts its last pixel here, which the slice of the image leaves out.
    scale = crop_size / (end - begin + 1)
    place = round(max(0, -begin) * scale)
    length = min(round((stop - start + 1) * scale), crop_size - place)
    if length < 1:
        raise ValueError
    return slice(start, stop), slice(place, place + length)


def _outside(window: Window, image: np.ndarray) -> ArrayError:
    height, width = image.shape[:2]
    text = f"the window {window} (ymin, xmin, ymax, xmax) is empty, or lies outside the image of {height} x {width}"
    return ArrayError(f"{text} (height x width); correct it")
