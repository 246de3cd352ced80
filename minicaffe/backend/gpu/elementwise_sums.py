"""Formulas whose results are summed: the terms go into scratch memory, and CuPy adds them up in float64."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend.formula import Formula
from minicaffe.backend.gpu.elementwise import elementwise
from minicaffe.backend.gpu.trace import traced
from minicaffe.backend.workspace import Workspace

Array = Any


def elementwise_sums(
    formula: Formula,
    arrays: Sequence[Array],
    out: Sequence[Array],
    numbers: dict[str, float],
    workspace: Workspace,
) -> tuple[Array, ...]:
    """As kernels.py."""
    first = arrays[0]
    terms = workspace.array("kernel:terms", (results(formula) - len(out), *first.shape), first.dtype)
    parts = [terms[number] for number in range(len(terms))]
    elementwise(formula, arrays, (*out, *parts), numbers)
    return tuple(part.sum(dtype=np.float64) for part in parts)


@functools.cache
def results(formula: Formula) -> int:
    """How many results a formula has."""
    return len(traced(formula, formula.arrays)[1])
