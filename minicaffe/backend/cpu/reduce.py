"""Sums of formulas over some axes: computed in boxes that fit the cache, summed by BLAS, put together in float64."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.boxes import cuts
from minicaffe.backend.cpu.elementwise import FUNCTIONS, PIECE, merged, within
from minicaffe.backend.cpu.team import TEAM
from minicaffe.backend.formula import Formula
from minicaffe.backend.workspace import Workspace

Index = tuple[slice, ...]


def sum_to(
    formula: Formula, arrays: Sequence[Any], out: Sequence[Any], numbers: dict[str, float], workspace: Workspace
) -> None:
    """As kernels.py."""
    full = arrays[0]
    plan = planned(layout.order_of(full), *((array.shape, array.strides) for array in (*arrays, *out, full)))
    views = [plan.view(array, shape) for array, shape in zip((*arrays, *out), plan.shapes, strict=False)]
    first, last = len(arrays), len(arrays) + sum(array.shape == full.shape for array in out)
    targets = views[last:]
    whole = len(plan.boxes) == 1
    partial = targets if whole else workspace.array("kernel:partial", (len(targets), *plan.grid), np.dtype("float64"))
    xp = FUNCTIONS[full.dtype]

    def add_up(boxes: Sequence[Box]) -> None:
        with np.errstate(all="ignore"):
            for box in boxes:
                parts = views if whole else [view[part] for view, part in zip(views, box.parts, strict=False)]
                results = formula(xp, *parts[:first], **numbers)
                for result, sums in zip(results[last - first :], partial, strict=True):
                    sums[box.place] = box_sums(result, plan.summed, box.shape)
                for result, target in zip(results, parts[first:last], strict=False):
                    target[...] = result

    TEAM.run(add_up, [plan.boxes[i :: TEAM.size] for i in range(min(TEAM.size, len(plan.boxes)))])
    if not whole:
        for target, sums in zip(targets, partial, strict=True):
            target[...] = sums.sum(axis=plan.summed, keepdims=True)


def box_sums(values: np.ndarray, summed: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The sums along the axes `summed`, which stay as 1; along the innermost of them as a product with ones.

    BLAS took a quarter of np.sum's time.  shape: of the box; the values may be the same all along an axis.
    """
    if values.dtype == bool:
        values = values.astype(np.float32)
    if values.shape != shape:
        values = np.broadcast_to(values, shape)
    if not summed:
        return values
    last = summed[-1]
    if last == len(shape) - 1:
        sums = np.matmul(values, ones(shape[last], values.dtype))[..., None]
    elif last == len(shape) - 2:
        sums = np.matmul(ones(shape[last], values.dtype), values)[..., None, :]
    else:
        return values.sum(axis=summed, keepdims=True)
    return sums.sum(axis=summed[:-1], keepdims=True, dtype=np.float64) if len(summed) > 1 else sums


def ones(count: int, dtype: np.dtype) -> np.ndarray:
    return _ones(max(PIECE, 1 << (count - 1).bit_length()), dtype)[:count]


@functools.cache
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    return np.ones(count, dtype)


# --- where the boxes lie ------------------------------------------------------------------------


@dataclass
class Box:
    """shape: of the box.  parts: its index into each operand.  place: where its sums go."""

    shape: tuple[int, ...]
    parts: list[Index]
    place: Index


@dataclass
class Plan:
    """How to go about arrays of given shapes and strides.

    shapes: of each of them with as few axes as possible.  summed: which axes of those shrink to 1.
    grid: the shape of the partial sums, one along a summed axis for each of its cuts.
    """

    order: str
    axes: int
    shapes: list[tuple[int, ...]]
    summed: tuple[int, ...]
    grid: tuple[int, ...]
    boxes: list[Box]

    def view(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return along_memory(array, self.order, self.axes).reshape(shape)


def along_memory(array: np.ndarray, order: str, axes: int) -> np.ndarray:
    """The array with `axes` axes, in the order of memory."""
    array = array.reshape((1,) * (axes - array.ndim) + array.shape)
    return layout.batch_last(array) if order == layout.BATCH_INNERMOST else array


@functools.lru_cache(maxsize=4096)
def planned(order: str, *places: tuple[tuple[int, ...], tuple[int, ...]]) -> Plan:
    """places: shape and strides of the operands, the results, and an array of the full shape."""
    axes = len(places[-1][0])
    # Nothing is read or written here: arrays without memory of their own tell which axes can be one.
    stand_ins = [np.lib.stride_tricks.as_strided(np.empty(()), shape, strides) for shape, strides in places]
    views = merged(stand_ins, order, axes)
    full, target = views[-1], views[-2]
    summed = tuple(axis for axis, size in enumerate(target.shape) if size == 1)
    parts = cuts(full.shape, PIECE)
    grid = tuple(len(cut) if axis in summed else full.shape[axis] for axis, cut in enumerate(parts))
    boxes = [box_at(box, summed, views) for box in itertools.product(*map(list, map(enumerate, parts)))]
    return Plan(order, axes, [view.shape for view in views], summed, grid, boxes)


def box_at(box: Sequence[tuple[int, slice]], summed: tuple[int, ...], views: Sequence[np.ndarray]) -> Box:
    index = tuple(cut for _, cut in box)
    place = tuple(slice(i, i + 1) if axis in summed else cut for axis, (i, cut) in enumerate(box))
    return Box(tuple(cut.stop - cut.start for cut in index), [within(index, view) for view in views], place)
