"""A window over an image, as the CUDA functions get it: a struct of sizes, one entry per spatial axis."""

from __future__ import annotations

import functools

import numpy as np

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.errors import ShapeError

# Passed by value. Field by field the same as in `pack`.
WINDOW = r"""
struct Window { int image[AXES], output[AXES], kernel[AXES], stride[AXES], pad[AXES], dilation[AXES]; };
"""

# A pixel's coordinate may reach twice a size, and int holds 2^31 - 1.
TOO_LARGE = 2**30


@functools.lru_cache(maxsize=4096)
def pack(window: Window, image: Sizes, output: Sizes) -> np.ndarray:
    """The struct Window of WINDOW, as an array of one record, which CuPy passes by value."""
    fields = {
        "image": image,
        "output": output,
        "kernel": window.kernel,
        "stride": window.stride,
        "pad": window.pad,
        "dilation": window.dilation,
    }
    for name, sizes in fields.items():
        if max(sizes) >= TOO_LARGE:
            raise ShapeError(
                f"a window with {name} {tuple(sizes)} is too large for the GPU, whose limit is {TOO_LARGE}"
            )
    record = np.dtype([(name, np.int32, (len(image),)) for name in fields])
    return np.array([tuple(fields.values())], record)
