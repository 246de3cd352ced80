"""Sums of formulas over some axes: computed in boxes that fit the cache, summed by BLAS, put together in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend.cpu.plan import Box, plan_for
from minicaffe.backend.cpu.program import Run, program
from minicaffe.backend.cpu.small_products import column_sums, row_dots, row_sums
from minicaffe.backend.formula import Formula
from minicaffe.backend.workspace import Workspace


def sum_to(
    formula: Formula, arrays: Sequence[Any], out: Sequence[Any], numbers: dict[str, float], workspace: Workspace
) -> None:
    """As kernels.py."""
    full = arrays[0]
    plan = plan_for([*arrays, *out], full)
    views = plan.views([*arrays, *out])
    first, last = len(arrays), len(arrays) + sum(array.shape == full.shape for array in out)
    targets = views[last:]
    whole = len(plan.boxes) == 1
    innermost = bool(plan.summed) and plan.summed[-1] == len(plan.grid) - 1
    partial = targets if whole else workspace.array("kernel:partial", (len(targets), *plan.grid), np.dtype("float64"))

    def add_up(box: Box, results: Sequence[Any]) -> None:
        for result, sums in zip(results[last - first :], partial, strict=True):
            sums[box.place] = box_sums(result, plan.summed, box.shape)

    def ready(parts: Sequence[np.ndarray]) -> Run:
        return Run(program(formula), parts, numbers, full.dtype, factors=innermost)

    plan.run(views[:last], ready, add_up)
    if not whole:
        for target, sums in zip(targets, partial, strict=True):
            target[...] = sums.sum(axis=plan.summed, keepdims=True)


def box_sums(values: Any, summed: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Sums along the axes `summed`, which stay as 1, as float64; along the innermost of them as a product with ones.

    BLAS took a quarter of np.sum's time.  values: an array, or two whose products are to be summed, the innermost axis
    among those.  shape: of the box; the values may be the same all along an axis.
    """
    if isinstance(values, tuple):
        sums = row_dots(*values)[..., None]
        return sums.sum(axis=summed[:-1], keepdims=True) if len(summed) > 1 else sums
    if values.dtype == bool:
        values = values.astype(np.float32)
    if values.shape != shape:
        values = np.broadcast_to(values, shape)
    if not summed:
        return values
    last = summed[-1]
    if last == len(shape) - 1:
        sums = row_sums(values)[..., None]
    elif last == len(shape) - 2:
        sums = column_sums(values)[..., None, :]
    else:
        return values.sum(axis=summed, keepdims=True)
    return sums.sum(axis=summed[:-1], keepdims=True) if len(summed) > 1 else sums
