"""Arrays as the CUDA functions see them: pointers to values in C order, whatever order the caller's have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Array = Any


def c_order(x: Array) -> Array:
    """`x` itself if its values lie in C order, as they do on a GPU unless a net was told otherwise; else a copy."""
    return x if x.flags.c_contiguous else x.copy(order="C")


@contextmanager
def written(y: Array) -> Iterator[Array]:
    """`y` itself, or a copy in C order that goes back into `y` at the end.

    with written(y) as out:
        ... write out ...
    """
    out = c_order(y)
    yield out
    if out is not y:
        y[...] = out


def around(x: Array, axis: int) -> tuple[int, int, int]:
    """(places before `axis`, its length, places after): x seen as (outer, channels, inner)."""
    axis %= x.ndim
    return math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])


def add(a: Array, b: Array, out: Array) -> None:
    """out = a + b, in one pass; `out` may lie in any order."""
    import cupy

    cupy.add(a, b, out=out)
