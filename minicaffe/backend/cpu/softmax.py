"""Softmax along one axis, and its gradient, in boxes that fit the cache and hold that axis whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.boxes import boxes
from minicaffe.backend.cpu.plan import merged
from minicaffe.backend.cpu.row_buffers import row_to_buffer, set_buffers
from minicaffe.backend.cpu.small_products import row_dots, row_sums
from minicaffe.backend.cpu.team import SMALLEST_SHARED_WORK, TEAM, deal
from minicaffe.backend.workspace import Workspace

# Values of a box: with smaller ones the threads wait for Python's lock between calls.
BOX = 1 << 19


def softmax_forward(x: np.ndarray, axis: int, y: np.ndarray, workspace: Workspace) -> None:
    """A line's maximum is taken off first where it has to be.

    Not where its exponentials' sum is finite, as then none overflows, and at least 1: one that vanishes would vanish
    in the quotient, too.
    """

    def normalize(thread: int, axis: int, x: np.ndarray, y: np.ndarray) -> None:
        line, powers = line_of(thread, axis, x, workspace), whole(thread, y, workspace, unless=[x])
        with np.errstate(all="ignore"):
            np.exp(x, out=powers)
            sum_along(powers, axis, out=line)
            set_buffers(row_to_buffer((x, line)))
            if not (line.min() >= 1 and line.max() < np.inf):
                np.max(x, axis=axis, keepdims=True, out=line)
                np.subtract(x, line, out=powers)
                np.exp(powers, out=powers)
                sum_along(powers, axis, out=line)
            np.divide(powers, line, out=y)

    by_boxes(normalize, axis, x, y)


def softmax_backward(y: np.ndarray, dy: np.ndarray, axis: int, dx: np.ndarray, workspace: Workspace) -> None:
    def differentiate(thread: int, axis: int, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        line, slopes = line_of(thread, axis, y, workspace), whole(thread, dx, workspace, unless=[y])
        sum_products(y, dy, axis, out=line)
        with np.errstate():
            set_buffers(row_to_buffer((y, line)))
            np.subtract(dy, line, out=slopes)
        np.multiply(slopes, y, out=dx)

    by_boxes(differentiate, axis, y, dy, dx)


def sum_along(values: np.ndarray, axis: int, out: np.ndarray) -> None:
    """out = the sum along the axis, which stays as 1."""
    if axis == values.ndim - 1:
        out[..., 0] = row_sums(values)
    else:
        np.add.reduce(values, axis=axis, out=out, keepdims=True)


def sum_products(a: np.ndarray, b: np.ndarray, axis: int, out: np.ndarray) -> None:
    """out = the sum of a * b along the axis, which stays as 1."""
    if axis == a.ndim - 1:
        out[..., 0] = row_dots(a, b)
    else:
        axes = list(range(a.ndim))
        rest = axes[:axis] + axes[axis + 1 :]
        np.einsum(a, axes, b, axes, rest, out=out.reshape([out.shape[i] for i in rest]))


def line_of(thread: int, axis: int, x: np.ndarray, workspace: Workspace) -> np.ndarray:
    """An array for a box, which has lost the axis."""
    return workspace.array(f"kernel:line{thread}", (*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)


def whole(thread: int, target: np.ndarray, workspace: Workspace, unless: Sequence[np.ndarray]) -> np.ndarray:
    """An array for a whole box: the target itself, unless it is one of those that are still read."""
    if any(np.may_share_memory(target, array) for array in unless):
        return workspace.array(f"kernel:box{thread}", target.shape, target.dtype)
    return target


def by_boxes(function: Callable[..., None], axis: int, *arrays: np.ndarray) -> None:
    """function(thread, axis, *parts) for every box of the arrays, seen along the memory of the first."""
    first = arrays[0]
    if not first.size:
        return
    if first.size < SMALLEST_SHARED_WORK:
        if layout.order_of(first) == layout.BATCH_INNERMOST:
            arrays, axis = tuple(map(layout.batch_last, arrays)), axis - 1
        function(0, axis % first.ndim, *arrays)
        return
    # A line that has lost the axis keeps it from becoming one with its neighbours.
    line = first[(slice(None),) * (axis % first.ndim) + (slice(0, 1),)]
    line, *views = merged([line, *arrays], layout.order_of(first), first.ndim)
    whole = [i for i, (one, size) in enumerate(zip(line.shape, views[0].shape, strict=True)) if one != size]
    if not whole:
        views = [view[..., None] for view in views]
    along = whole[0] if whole else views[0].ndim - 1
    parts = boxes(views[0].shape, BOX, (along,))

    def work(job: tuple[int, Iterable[Any]]) -> None:
        thread, mine = job
        for box in mine:
            function(thread, along, *(view[box] for view in views))

    TEAM.run(work, deal(parts))
