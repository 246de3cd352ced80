"""Formulas in NumPy: on pieces that stay in the cache, so that what they make on the way costs no memory traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.boxes import boxes
from minicaffe.backend.cpu.team import TEAM
from minicaffe.backend.formula import VOCABULARY, Formula
from minicaffe.backend.pages import keep_small_arrays

# Values of one array in a piece: smaller ones lose to the price of a NumPy call while two threads
# take turns at Python's lock, larger ones leave the cache (measured: docs/performance.md).
PIECE = 1 << 17

# Else the arrays that a formula makes cost half of the time in page faults (measured: docs/performance.md).
keep_small_arrays()

# The integers as wide as a float, to choose bits with.
_INTEGERS: dict[np.dtype, np.dtype] = {np.dtype("float32"): np.dtype("int32"), np.dtype("float64"): np.dtype("int64")}


class Functions:
    """NumPy's functions of VOCABULARY.  dtype: of the arrays, for numbers that meet no array."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype

    def where(self, condition: np.ndarray, a: Any, b: Any) -> np.ndarray:
        """a where the condition holds, else b, by masks of bits: np.where took four times as long on random signs."""
        integer: Any = _INTEGERS[self.dtype]
        bits_a, bits_b = (np.asarray(value, self.dtype).view(integer) for value in (a, b))
        # A condition is one byte, 0 or 1: its negative is a mask of all bits or none.
        chosen = np.negative(condition.view(np.int8), dtype=integer)
        if bits_a.size > chosen.size or bits_b.size > chosen.size:
            chosen = np.broadcast_to(chosen, np.broadcast_shapes(chosen.shape, bits_a.shape, bits_b.shape)).copy()
        chosen &= bits_a ^ bits_b
        chosen ^= bits_b
        return chosen.view(self.dtype)


for _name in VOCABULARY:
    if _name != "where":
        setattr(Functions, _name, staticmethod(getattr(np, _name)))

FUNCTIONS = {dtype: Functions(dtype) for dtype in _INTEGERS}


def elementwise(formula: Formula, arrays: Sequence[Any], out: Sequence[Any], numbers: dict[str, float]) -> None:
    """As kernels.py."""
    first = out[0]
    xp = FUNCTIONS[next(array.dtype for array in (*arrays, *out) if array.dtype in FUNCTIONS)]

    def evaluate(operands: Sequence[np.ndarray]) -> None:
        with np.errstate(all="ignore"):
            results = formula(xp, *operands[: len(arrays)], **numbers)
            for target, result in zip(operands[len(arrays) :], results, strict=True):
                target[...] = result

    if first.size <= PIECE:
        evaluate((*arrays, *out))
        return
    operands = merged([*arrays, *out], layout.order_of(first), first.ndim)
    parts = boxes(operands[-1].shape, PIECE)
    TEAM.run(lambda part: evaluate([operand[within(part, operand)] for operand in operands]), parts)


def merged(operands: list[np.ndarray], order: str, axes: int) -> list[np.ndarray]:
    """The operands seen along memory, the last one's, with as few axes as possible; all get equally many.

    Neighbouring axes become one where each operand has them without a gap, or has neither.
    """
    views = [view.reshape((1,) * (axes - view.ndim) + view.shape) for view in operands]
    if order == layout.BATCH_INNERMOST:
        views = [layout.batch_last(view) for view in views]
    axis = axes - 1
    while axis > 0:
        if all(joins(view, axis) for view in views) and agree(views, axis):
            views = [
                view.reshape(*view.shape[: axis - 1], view.shape[axis - 1] * view.shape[axis], *view.shape[axis + 1 :])
                for view in views
            ]
        axis -= 1
    return views


def joins(view: np.ndarray, axis: int) -> bool:
    """Can axis - 1 and axis be one axis of a view?"""
    outer, inner = view.shape[axis - 1 : axis + 1]
    return inner == 1 or outer == 1 or view.strides[axis - 1] == inner * view.strides[axis]


def agree(views: Sequence[np.ndarray], axis: int) -> bool:
    """Is each operand whole along both axes, or broadcast along both?"""
    whole = views[-1].shape[axis - 1 : axis + 1]
    return all(view.shape[axis - 1 : axis + 1] in (whole, (1, 1)) for view in views)


def within(part: tuple[slice, ...], operand: np.ndarray) -> tuple[slice, ...]:
    """The part of an operand; all of an axis along which it is broadcast."""
    return tuple(cut if size > 1 else slice(None) for cut, size in zip(part, operand.shape, strict=True))
