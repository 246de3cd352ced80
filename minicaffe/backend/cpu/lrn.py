"""Local response normalization, in boxes that fit the cache and hold the window's axes whole.

The squares of a box are written into zeros that reach half a window beyond it. Seen as one long row, a step along any
axis is a constant distance there, and the sums of all windows are a few additions of that row to itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.boxes import boxes
from minicaffe.backend.cpu.team import TEAM, deal
from minicaffe.backend.workspace import Workspace

# Values of a box: with a handful of arrays of that size at work, they fit a second-level cache.
BOX = 1 << 17


def lrn_forward(
    x: np.ndarray,
    axes: Sequence[int],
    size: int,
    alpha: float,
    beta: float,
    k: float,
    y: np.ndarray,
    scale: np.ndarray,
    workspace: Workspace,
) -> None:
    """As kernels.py."""

    def normalize(windows: Windows, x: np.ndarray, y: np.ndarray, scale: np.ndarray) -> None:
        np.multiply(x, x, out=windows.values)
        np.multiply(windows.sums(), alpha, out=scale)
        np.add(scale, k, out=scale)
        np.divide(x, to_power(scale, beta, *windows.scratch), out=y)

    by_boxes(normalize, axes, size, (x, y, scale), workspace)


def lrn_backward(
    x: np.ndarray,
    scale: np.ndarray,
    dy: np.ndarray,
    axes: Sequence[int],
    size: int,
    alpha: float,
    beta: float,
    dx: np.ndarray,
    workspace: Workspace,
) -> None:
    """As kernels.py."""

    def differentiate(windows: Windows, x: np.ndarray, scale: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        direct, spare = windows.scratch
        np.divide(dy, to_power(scale, beta, direct, spare), out=direct)
        np.multiply(direct, x, out=spare)
        np.divide(spare, scale, out=windows.values)
        np.multiply(windows.sums(), x, out=spare)
        np.multiply(spare, 2 * alpha * beta, out=spare)
        np.subtract(direct, spare, out=dx)

    by_boxes(differentiate, axes, size, (x, scale, dy, dx), workspace)


def to_power(scale: np.ndarray, beta: float, out: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """scale^beta: in `out`, or `scale` itself.  Two roots and a product took two thirds of np.power's time."""
    if beta == 1:
        return scale
    if beta == 0.5:
        return np.sqrt(scale, out=out)
    if beta == 0.75:
        np.sqrt(scale, out=out)
        np.sqrt(out, out=spare)
        return np.multiply(out, spare, out=out)
    return np.power(scale, beta, out=out)


def by_boxes(
    function: Callable[..., None], axes: Sequence[int], size: int, arrays: Sequence[np.ndarray], workspace: Workspace
) -> None:
    """function(windows, *parts) for every box of the arrays, seen along the memory of the first."""
    if layout.order_of(arrays[0]) == layout.BATCH_INNERMOST:
        arrays, axes = [layout.batch_last(array) for array in arrays], [axis - 1 for axis in axes]

    def work(job: tuple[int, Iterable[Any]]) -> None:
        thread, mine = job
        with np.errstate(all="ignore"):
            for box in mine:
                parts = [array[box] for array in arrays]
                function(Windows(parts[0], axes, size, thread, workspace), *parts)

    TEAM.run(work, deal(boxes(arrays[0].shape, BOX, axes)))


class Windows:
    """Memory for the windows of one box.

    values: of the box's shape, to be written; zeros lie around it.  scratch: two more arrays of that shape.
    """

    def __init__(self, like: np.ndarray, axes: Sequence[int], size: int, thread: int, workspace: Workspace) -> None:
        # A window never needs to reach further than from one end to the other.
        self.reach = {axis: min((size - 1) // 2, like.shape[axis] - 1) for axis in axes}
        self.shape = like.shape
        self.padded = tuple(n + 2 * self.reach.get(axis, 0) for axis, n in enumerate(like.shape))
        count = math.prod(self.padded)
        self.rows = [workspace.array(f"kernel:window{i}:{thread}", (count,), like.dtype) for i in range(3)]
        self.scratch = [workspace.array(f"kernel:box{i}:{thread}", like.shape, like.dtype) for i in range(2)]
        whole = self.rows[0].reshape(self.padded)
        for axis, reach in self.reach.items():
            along = np.moveaxis(whole, axis, 0)
            along[:reach], along[self.padded[axis] - reach :] = 0, 0
        self.values = whole[
            tuple(slice(self.reach.get(axis, 0), self.reach.get(axis, 0) + n) for axis, n in enumerate(like.shape))
        ]

    def sums(self) -> np.ndarray:
        """The sums of the values in the window around each place of the box, 0 beyond it."""
        row, spare, other = self.rows
        for axis, reach in self.reach.items():
            total = run_sums(row, 2 * reach + 1, math.prod(self.padded[axis + 1 :]), spare, other)
            row, spare, other = (total, *(r for r in (row, spare, other) if r is not total))
        return row.reshape(self.padded)[tuple(map(slice, self.shape))]


def run_sums(row: np.ndarray, count: int, step: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """row[i] + row[i + step] + ..., `count` terms, for all i that have them: in `first` or `second`, or `row` itself.

    Sums of twice as many terms are two sums, and one term more is one more addition: five terms cost three.
    """
    total, terms = row, 1
    for bit in f"{count:b}"[1:]:
        end = len(row) - (2 * terms - 1) * step
        doubled = first if total is not first else second
        np.add(total[:end], total[terms * step :][:end], out=doubled[:end])
        total, terms = doubled, 2 * terms
        if bit == "1":
            end = len(row) - terms * step
            np.add(total[:end], row[terms * step :][:end], out=total[:end])
            terms += 1
    return total
