"""Formulas in NumPy: on pieces that stay in the cache, so that what they make on the way costs no memory traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.cpu.plan import plan_for
from minicaffe.backend.cpu.program import INTEGERS, Run, program
from minicaffe.backend.formula import Formula


def elementwise(formula: Formula, arrays: Sequence[Any], out: Sequence[Any], numbers: dict[str, float]) -> None:
    """As kernels.py."""
    plan = plan_for([*arrays, *out], out[0], widen=True)
    views = plan.views([*arrays, *out])
    dtype = next(array.dtype for array in (*arrays, *out) if array.dtype in INTEGERS)
    plan.run(views, lambda parts: Run(program(formula), parts, numbers, dtype))
