"""Rows by number: taken out of an array, and added back into one."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.regroup import regrouped_view

# Values added a call: their places, 8 bytes each, stay in the cache.
PIECE = 1 << 15


def find_bad_row(index: np.ndarray, count: int, whole: bool) -> int:
    flat = index.reshape(-1)
    # NaN fails both comparisons.
    good = (flat >= 0) & (flat < count)
    if whole:
        good &= np.trunc(flat) == flat
    return -1 if good.all() else int(np.argmin(good))


def take_rows(x: np.ndarray, rows: np.ndarray, y: np.ndarray) -> None:
    if not y.size:
        return
    x, y = as_matrix(x), as_matrix(y)
    if layout.order_of(y) == layout.C_ORDER:
        spans = cut(len(rows), y.size)
        TEAM.run(lambda span: np.take(x, rows[span], axis=0, out=y[span], mode="clip"), spans)
    else:
        # Rows that lie as columns: values of one place at a time.
        spans = cut(y.shape[1], y.size)
        TEAM.run(lambda span: np.take(x.T[span], rows, axis=1, out=y.T[span], mode="clip"), spans)


def add_rows(dy: np.ndarray, rows: np.ndarray, dx: np.ndarray) -> None:
    """As kernels.py.  By the flat places of all values: np.add.at is fast, and adds in their order, along one axis."""
    if not dy.size:
        return
    dy, dx = as_matrix(dy), as_matrix(dx)
    count, values = dy.shape
    if layout.order_of(dx) == layout.C_ORDER:
        for part in pieces(count, values):
            places = rows[part, None] * values + np.arange(values)
            np.add.at(dx.reshape(-1), places.reshape(-1), dy[part].reshape(-1))
        return
    for part in pieces(values, count):
        into = dx.T[part]
        places = np.arange(len(into))[:, None] * into.shape[1] + rows
        np.add.at(into.reshape(-1), places.reshape(-1), dy.T[part].reshape(-1))


def as_matrix(x: Any) -> np.ndarray:
    """(N, ...) seen as (N, values of a row), in its own memory order."""
    return regrouped_view(x, (len(x), x.size // len(x)))


def pieces(size: int, width: int) -> list[slice]:
    """range(size) in slices of about PIECE values, `width` for each of its places."""
    step = max(1, PIECE // width)
    return [slice(start, start + step) for start in range(0, size, step)]
