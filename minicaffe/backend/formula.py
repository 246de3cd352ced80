"""Formulas: what is computed for each element of some arrays, written once for both devices.

    @formula
    def elu(xp, x, *, alpha):
        return xp.maximum(x, 0) + alpha * xp.expm1(xp.minimum(x, 0))

A layer evaluates it by `self.apply(elu, x, out=y, alpha=1.0)`. On the CPU it runs on pieces that fit the cache,
shared by the threads (cpu/elementwise.py); for a GPU it is traced once and becomes one CUDA function
(gpu/elementwise.py). Either way no array as large as a blob is made on the way.

The arguments before the `*` are arrays, those behind it Python numbers. A formula uses operators, the functions of
VOCABULARY by way of its first argument, and no Python `if` on values. Several results come as a tuple.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

# What `xp` offers inside a formula: NumPy's functions of these names. NaN goes through maximum and minimum; fmax and
# fmin pass it over.
VOCABULARY = (
    *("abs", "exp", "expm1", "fmax", "fmin", "log", "log1p", "maximum", "minimum", "power"),
    *("sign", "sqrt", "square", "tanh", "trunc", "where"),
)

FORMULAS: list[Formula] = []


class Formula:
    """A formula's function, and how it is called.

    arrays: the names of its array arguments.  numbers: those of its numbers.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name: str = function.__name__
        self.__doc__ = function.__doc__
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self.arrays = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.numbers = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)

    def __call__(self, xp: Any, *arrays: Any, **numbers: Any) -> tuple:
        """The results, always as a tuple."""
        results = self.function(xp, *arrays, **numbers)
        return results if isinstance(results, tuple) else (results,)

    def __repr__(self) -> str:
        return f"<formula {self.name}({', '.join(self.arrays)})>"


def formula(function: Callable[..., Any]) -> Formula:
    """Decorator: see the module."""
    made = Formula(function)
    FORMULAS.append(made)
    return made
