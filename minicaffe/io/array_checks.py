"""What pycaffe's functions take: arrays that scripts hand over, looked at before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.errors import ShapeError


class ArrayError(ShapeError, ValueError):
    """An array, or a list of sizes, that a function of caffe.io cannot use. ValueError is what pycaffe raised."""


def numeric_array(array: Any, what: str) -> np.ndarray:
    """`array` as an array of real numbers; no copy is made of one. Raises ArrayError for anything else."""
    try:
        found = np.asarray(array)
    except ValueError as error:
        raise ArrayError(f"{what} is no array: {error}") from error
    if found.dtype.kind not in "buif":
        raise ArrayError(f"{what} is an array of {found.dtype}, must hold real numbers")
    return found


def image_array(image: Any, what: str = "the image") -> np.ndarray:
    """`image` as an array (H, W, K) of at least one pixel. Raises ArrayError for anything else."""
    found = numeric_array(image, what)
    if found.ndim != 3:
        text = f"{what} has shape {found.shape}, must have the three axes H x W x K"
        raise ArrayError(f"{text}; give a grey one of H x W as im[:, :, numpy.newaxis]" if found.ndim == 2 else text)
    if not found.size:
        raise ArrayError(f"{what} has shape {found.shape}: there is nothing in it")
    return found


def image_size(dims: Any, what: str) -> tuple[int, int]:
    """(height, width) in pixels; whole numbers may come as float. Raises ArrayError for anything else."""
    found = np.asarray(dims)
    if found.shape != (2,) or found.dtype.kind not in "uif" or not (found >= 1).all() or (found % 1).any():
        raise ArrayError(f"{what} is {dims}, must be (height, width), two whole numbers from 1 on")
    return int(found[0]), int(found[1])
