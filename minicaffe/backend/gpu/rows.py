"""Rows by number: a thread for each value taken; to add, a thread for each value of each row that is added to."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel

Array = Any

FIND_BAD_ROW = Kernel(r"""
// first: one value, `total` before the launch; the position of the first bad index afterwards.
extern "C" __global__ void find_bad_row(Index total, const T* index, double count, Index whole, Index* first)
{
    GRID_STRIDE_LOOP(i, total) {
        double value = index[i];
        bool good = value >= 0 && value < count && (!whole || trunc(value) == value);  // false for NaN
        if (!good)
            atomicMin(first, i);
    }
}
""")

TAKE_ROWS = Kernel(r"""
extern "C" __global__ void take_rows(Index total, const T* x, const Index* rows, Index values, T* y)
{
    GRID_STRIDE_LOOP(i, total)
        y[i] = x[rows[i / values] * values + i % values];
}
""")

ADD_ROWS = Kernel(r"""
// order: the rows of dy, sorted by where they go, else as they stand; target: where they go, in that order.
// The first of those with one target adds them all: one after the other, whatever the order of threads.
extern "C" __global__ void add_rows(Index total, const T* dy, const Index* order, const Index* target, Index count,
                                    Index values, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        Index first = i / values, v = i % values, row = target[first];
        if (first == 0 || target[first - 1] != row) {
            T sum = dx[row * values + v];
            for (Index n = first; n < count && target[n] == row; n++)
                sum += dy[order[n] * values + v];
            dx[row * values + v] = sum;
        }
    }
}
""")


def find_bad_row(index: Array, count: int, whole: bool) -> int:
    """As kernels.py.  Waits for the GPU: the answer is needed on the host."""
    if index.size == 0:
        return -1
    import cupy

    first = cupy.full(1, index.size, np.int64)
    FIND_BAD_ROW.launch(index.size, c_order(index), float(count), whole, first, T=index.dtype)
    position = int(first[0])
    return position if position < index.size else -1


def take_rows(x: Array, rows: Array, y: Array) -> None:
    """As kernels.py."""
    if y.size:
        with written(y) as out:
            TAKE_ROWS.launch(y.size, c_order(x), rows, y.size // len(rows), out, T=x.dtype)


def add_rows(dy: Array, rows: Array, dx: Array) -> None:
    """As kernels.py."""
    if not dy.size:
        return
    order = rows.argsort(kind="stable")
    with written(dx) as out:
        ADD_ROWS.launch(
            *(dy.size, c_order(dy), order, rows[order], len(rows), dy.size // len(rows), out),
            T=dy.dtype,
        )
