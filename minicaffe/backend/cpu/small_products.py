"""Products with few results, and sums as products with ones: so that other threads can work meanwhile.

NumPy lets go of Python's lock in np.matmul and np.vecdot only where there are more than 500 results, however long the
work on each. np.dot always lets go of it; and long sums can be made of several shorter ones, which rounds less, too.
"""

from __future__ import annotations

import functools

import numpy as np

from minicaffe.backend.pages import aligned

# Results of one call from which NumPy lets go of the lock.
UNLOCKED = 501
# Shorter sums would not be worth their calls.
SHORTEST_SUM = 64


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = a @ b, (G, M, K) and (G, K, N): stacks of matrices; out is contiguous."""
    if out.size >= UNLOCKED:
        np.matmul(a, b, out=out)
        return
    for one, other, result in zip(a, b, out, strict=True):
        np.dot(one, other, out=result)


def row_sums(values: np.ndarray) -> np.ndarray:
    """The sums over the last axis, as float64."""
    split = split_last(values)
    return np.matmul(split, ones(split.shape[-1], values.dtype)).sum(axis=-1, dtype=np.float64)


def row_dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sums of a * b, of one shape, over the last axis, as float64."""
    return np.vecdot(split_last(a), split_last(b)).sum(axis=-1, dtype=np.float64)


def column_sums(values: np.ndarray) -> np.ndarray:
    """The sums over the last axis but one, as float64."""
    *outer, rows, columns = values.shape
    parts = parts_of(rows, values.size // max(1, rows))
    split = values.reshape(*outer, parts, rows // parts, columns)
    return np.matmul(ones(rows // parts, values.dtype), split).sum(axis=-2, dtype=np.float64)


def split_last(values: np.ndarray) -> np.ndarray:
    """(..., L) as (..., parts, L / parts), a view."""
    *outer, length = values.shape
    parts = parts_of(length, values.size // max(1, length))
    return values.reshape(*outer, parts, length // parts)


@functools.lru_cache(maxsize=4096)
def parts_of(length: int, sums: int) -> int:
    """Into how many equal parts to cut each of some sums over `length` values."""
    enough = -(-UNLOCKED // max(1, sums))
    fitting = (parts for parts in range(enough, length // SHORTEST_SUM + 1) if length % parts == 0)
    return next(fitting, 1)


def ones(count: int, dtype: np.dtype) -> np.ndarray:
    return _ones(1 << max(12, (count - 1).bit_length()), np.dtype(dtype))[:count]


@functools.cache
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    vector = aligned(count * dtype.itemsize).view(dtype)
    vector.fill(1)
    return vector
