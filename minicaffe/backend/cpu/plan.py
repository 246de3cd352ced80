"""Plans: how to walk over arrays of given shapes and strides, in boxes that fit the cache."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.boxes import cuts
from minicaffe.backend.cpu.team import TEAM, deal

# Values of one array in a box: smaller ones lose to the price of a NumPy call while two threads take
# turns at Python's lock, larger ones leave the cache (measured: docs/performance.md).
PIECE = 1 << 18
# A short row that is the same for many is repeated up to this length.
LONG_ROW = 1 << 10

Index = tuple[slice, ...]
Work = Callable[[Sequence[np.ndarray]], Any]
Ready = Callable[[Sequence[np.ndarray]], Work]
Then = Callable[["Box", Any], None]


@dataclass
class Box:
    """shape: of the box.  parts: its index into each operand.  place: where its sums go."""

    shape: tuple[int, ...]
    parts: list[Index]
    place: Index


@dataclass
class Plan:
    """How to go about arrays of given shapes and strides.

    shapes: of each of them with as few axes as possible.  repeats: how often the rows are repeated of those that are
    broadcast along the last axis but one.  summed: the axes along which the last has size 1.
    grid: the shape of partial sums, one along a summed axis for each of its cuts.
    """

    order: str
    axes: int
    shapes: list[tuple[int, ...]]
    repeats: int
    summed: tuple[int, ...]
    grid: tuple[int, ...]
    boxes: list[Box]

    def views(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays in these shapes, views of them."""
        views = [
            along_memory(array, self.order, self.axes).reshape(shape)
            for array, shape in zip(arrays, self.shapes, strict=True)
        ]
        return [widened(view, self.repeats) for view in views] if self.repeats > 1 else views

    def run(self, views: Sequence[np.ndarray], ready: Ready, then: Then | None = None) -> None:
        """Walk over the boxes, shared by the threads.

        ready: makes what is called with the parts of a box, once for each thread and shape of box.  then: called with
        the box and what that returned.
        """

        def walk(share: tuple[int, Iterable[Box]]) -> None:
            _, boxes = share
            shape, work = None, None
            for box in boxes:
                parts = (
                    list(views)
                    if len(self.boxes) == 1
                    else [v[part] for v, part in zip(views, box.parts, strict=False)]
                )
                if work is None or box.shape != shape:
                    shape, work = box.shape, ready(parts)
                found = work(parts)
                if then is not None:
                    then(box, found)

        TEAM.run(walk, deal(self.boxes))


def plan_for(arrays: Sequence[np.ndarray], full: np.ndarray, *, widen: bool = False) -> Plan:
    """full: an array of the whole shape, to which the others may be broadcast; its memory order is followed.

    widen: short rows may be repeated, as no array is written to that is broadcast.
    """
    places = [(array.shape, array.strides) for array in arrays]
    return planned(layout.order_of(full), widen, (full.shape, full.strides), *places)


@functools.lru_cache(maxsize=4096)
def planned(order: str, widen: bool, full: tuple, *places: tuple[tuple[int, ...], tuple[int, ...]]) -> Plan:
    """full, places: shape and strides of the whole array, and of all."""
    axes = len(full[0])
    # Nothing is read or written here: arrays without memory of their own tell which axes can be one.
    stand_ins = [np.lib.stride_tricks.as_strided(np.empty(()), *place) for place in (*places, full)]
    *views, whole = merged(stand_ins, order, axes)
    shapes, repeats = [view.shape for view in views], repeats_of(whole.shape, views) if widen else 1
    if repeats > 1:
        *views, whole = (widened(view, repeats) for view in (*views, whole))
    summed = tuple(axis for axis, size in enumerate(views[-1].shape) if size == 1)
    parts = cuts(whole.shape, PIECE)
    grid = tuple(len(cut) if axis in summed else whole.shape[axis] for axis, cut in enumerate(parts))
    boxes = [box_at(box, summed, views) for box in itertools.product(*map(list, map(enumerate, parts)))]
    return Plan(order, axes, shapes, repeats, summed, grid, boxes)


def box_at(box: Sequence[tuple[int, slice]], summed: tuple[int, ...], views: Sequence[np.ndarray]) -> Box:
    index = tuple(cut for _, cut in box)
    place = tuple(slice(i, i + 1) if axis in summed else cut for axis, (i, cut) in enumerate(box))
    return Box(tuple(cut.stop - cut.start for cut in index), [within(index, view) for view in views], place)


def within(part: Index, operand: np.ndarray) -> Index:
    """The part of an operand; all of an axis along which it is broadcast."""
    return tuple(cut if size > 1 else slice(None) for cut, size in zip(part, operand.shape, strict=True))


# --- axes -----------------------------------------------------------------------------------------


def along_memory(array: np.ndarray, order: str, axes: int) -> np.ndarray:
    """The array with `axes` axes, in the order of memory."""
    array = array.reshape((1,) * (axes - array.ndim) + array.shape)
    return layout.batch_last(array) if order == layout.BATCH_INNERMOST else array


def merged(arrays: Sequence[np.ndarray], order: str, axes: int) -> list[np.ndarray]:
    """The arrays seen along memory, the last one's, with as few axes as possible; all get equally many.

    Neighbouring axes become one where each array has them without a gap, or has neither.
    """
    views = [along_memory(array, order, axes) for array in arrays]
    for axis in range(views[-1].ndim - 1, 0, -1):
        if all(joins(view, axis) for view in views) and agree(views, axis):
            views = [
                view.reshape(*view.shape[: axis - 1], view.shape[axis - 1] * view.shape[axis], *view.shape[axis + 1 :])
                for view in views
            ]
    return views


def joins(view: np.ndarray, axis: int) -> bool:
    """Can axis - 1 and axis be one axis of a view?"""
    outer, inner = view.shape[axis - 1 : axis + 1]
    return inner == 1 or outer == 1 or view.strides[axis - 1] == inner * view.strides[axis]


def agree(views: Sequence[np.ndarray], axis: int) -> bool:
    """Is each operand whole along both axes, or broadcast along both?"""
    whole = views[-1].shape[axis - 1 : axis + 1]
    return all(view.shape[axis - 1 : axis + 1] in (whole, (1, 1)) for view in views)


# --- short rows -----------------------------------------------------------------------------------


def repeats_of(whole: tuple[int, ...], views: Sequence[np.ndarray]) -> int:
    """How many rows to take as one, so that a call of NumPy need not begin anew so often; 1 where that is no use.

    It is where one row is the same along the axis before it, no row is a single value, and whole rows have no gaps
    between them.
    """
    if len(whole) < 2 or whole[-1] > LONG_ROW // 2:
        return 1
    rows, ends = whole[-2:], {view.shape[-2:] for view in views}
    if (1, rows[1]) not in ends or not ends <= {rows, (1, rows[1]), (1, 1)}:
        return 1
    if not all(joins(view, view.ndim - 1) for view in views):
        return 1
    return max(count for count in range(1, LONG_ROW // rows[1] + 1) if rows[0] % count == 0)


def widened(view: np.ndarray, repeats: int) -> np.ndarray:
    """The last axes (R, W) as (R / repeats, repeats * W); a row that is broadcast along R is repeated in memory."""
    *outer, rows, width = view.shape
    if rows > 1:
        return view.reshape(*outer, rows // repeats, repeats * width)
    return np.tile(view, repeats) if width > 1 else view
