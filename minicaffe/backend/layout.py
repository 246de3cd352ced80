"""How the bytes of an array lie in memory: the one rule, and views that follow it.

Shapes are always Caffe's (N, C, H, W). Two orders of the bytes exist, and nothing above the backend
may assume either:

    C_ORDER          N, C, H, W in memory: one image after the other
    BATCH_INNERMOST  C, H, W, N in memory, handed out as an (N, C, H, W) view

With the batch innermost, a window shifted by one pixel is a long contiguous run over W * N values,
which is what NumPy is fast at, and a convolution is one matrix product a batch. With few images those
runs are short, and C order wins. Figures: docs/performance.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

C_ORDER = "C"
BATCH_INNERMOST = "batch innermost"

Shape = tuple[int, ...]
Layout = Callable[[Shape], str]

# From this many images on, the batch lies innermost (measured: docs/performance.md, five nets).
BATCH_INNERMOST_FROM = 8


def c_order(shape: Shape) -> str:
    """The layout of parameters, and of blobs that a user's own code touches: always C order."""
    return C_ORDER


def batch_innermost(shape: Shape) -> str:
    """Batch innermost wherever there are spatial axes, whatever the batch (tests force it)."""
    return BATCH_INNERMOST if len(shape) >= 4 else C_ORDER


def by_batch_size(shape: Shape) -> str:
    """The CPU's rule: batch innermost for blobs with spatial axes and a large batch."""
    return batch_innermost(shape) if leading(shape) >= BATCH_INNERMOST_FROM else C_ORDER


LAYOUTS: dict[str, Layout] = {"auto": by_batch_size, "c": c_order, "batch_innermost": batch_innermost}


def view(flat: Any, shape: Shape, order: str) -> Any:
    """The first prod(shape) values of `flat` as a logical array of `shape` whose bytes lie in `order`."""
    values = flat[: math.prod(shape)]
    if order == C_ORDER or len(shape) < 2:
        return values.reshape(shape)
    return values.reshape(shape[1:] + shape[:1]).transpose(-1, *range(len(shape) - 1))


def order_of(array: Any) -> str:
    """The order of a whole (gapless) array; C order where both would do.

    Raises ValueError for an array of neither order: a slice, say.
    """
    if array.flags.c_contiguous:
        return C_ORDER
    if batch_last(array).flags.c_contiguous:
        return BATCH_INNERMOST
    raise ValueError(f"an array of {strides_text(array)} lies in neither memory order")


def batch_last(array: Any) -> Any:
    """(N, C, H, W) seen as (C, H, W, N): C contiguous if the batch lies innermost."""
    return array.transpose(*range(1, array.ndim), 0)


def flat(array: Any) -> Any:
    """The values of a whole array as they lie in memory: a view with one axis."""
    return (array if order_of(array) == C_ORDER else batch_last(array)).reshape(-1)


def rearrange(flat: Any, shape: Shape, old: str, new_shape: Shape, new: str) -> None:
    """Keep the logical C-order contents of `flat` when its shape or order changes, in place.

    flat: values of which the first prod(shape) lie in order `old`, the rest in C order.
    """
    if old == new == C_ORDER:
        return
    flat[: math.prod(shape)] = view(flat, shape, old).ravel()
    head = flat[: math.prod(new_shape)].copy().reshape(new_shape)
    view(flat, new_shape, new)[...] = head


def strides_text(array: Any) -> str:
    """`array`'s shape and strides in elements, for error texts and debugging."""
    return f"shape {tuple(array.shape)}, strides {tuple(s // array.itemsize for s in array.strides)}"


def sizes_text(shape: Sequence[int]) -> str:
    """`64x20x24x24`, for tables and pictures."""
    return "x".join(map(str, shape)) or "scalar"


def leading(shape: Sequence[int]) -> int:
    """The batch size of a shape: its first axis, or 1 for a scalar."""
    return shape[0] if len(shape) else 1
