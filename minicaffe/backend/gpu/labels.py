"""Labels as indices along the class axis: the check that comes before any use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minicaffe.backend.gpu.arrays import c_order
from minicaffe.backend.gpu.launch import Kernel

Array = Any

FIND_BAD_LABEL = Kernel(r"""
// first: one value, `total` before the launch; the position of the first bad label afterwards.
extern "C" __global__ void find_bad_label(Index total, const T* label, double classes, double ignore, Index* first)
{
    GRID_STRIDE_LOOP(i, total) {
        double value = trunc((double)label[i]);
        bool good = value >= 0 && value < classes;  // false for NaN
        if (!good && value != ignore)
            atomicMin(first, i);
    }
}
""")


def find_bad_label(label: Array, classes: int, ignore: int | None) -> int:
    """As kernels.py.  Waits for the GPU: the answer is needed on the host."""
    if label.size == 0:
        return -1
    import cupy

    first = cupy.full(1, label.size, np.int64)
    FIND_BAD_LABEL.launch(label.size, c_order(label), float(classes), as_double(ignore), first, T=label.dtype)
    position = int(first[0])
    return position if position < label.size else -1


def as_double(ignore: int | None) -> float:
    """How `ignore` is passed to CUDA: NaN for none, which equals no label."""
    return math.nan if ignore is None else float(ignore)
