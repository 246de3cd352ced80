"""Tracing: what a formula does to symbols, as a list of steps, from which each device makes its own program.

A formula (formula.py) that is called with Expressions notes a Step for each of its operations and returns the
Expressions of its results. Steps are called by NumPy's names of their functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from minicaffe.backend.formula import VOCABULARY, Formula

TRUTHS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "bitwise_and", "bitwise_or", "invert")


class Step(NamedTuple):
    """One operation.  name: of the function; operands: Expressions and Python numbers."""

    name: str
    operands: tuple[Any, ...]

    @property
    def is_truth(self) -> bool:
        """Whether the result is true or false, not a number."""
        return self.name in TRUTHS


class Trace:
    """A traced formula; while it is traced, its `xp`.

    arrays, numbers: Expressions of the arguments.  steps: in order.  results: Expressions or Python numbers.
    """

    def __init__(self, formula: Formula) -> None:
        self.steps: list[Step] = []
        self.arrays = [Expression(self, name, is_array=True) for name in formula.arrays]
        self.numbers = {name: Expression(self, name) for name in formula.numbers}
        self.results = formula(self, *self.arrays, **self.numbers)

    def __getattr__(self, name: str) -> Callable[..., Expression]:
        if name not in VOCABULARY:
            raise AttributeError(f"a formula cannot use {name}: backend/formula.py lists what it can")
        return lambda *values: self.note("absolute" if name == "abs" else name, values)

    def note(self, name: str, operands: tuple[Any, ...]) -> Expression:
        self.steps.append(Step(name, operands))
        return Expression(self, f"v{len(self.steps) - 1}", len(self.steps) - 1)


class Expression:
    """A value that is not known yet.

    name: of the argument, or v0, v1...  step: the one that makes it, None of an argument.
    is_array: whether it is an argument that is an array.
    """

    def __init__(self, trace: Trace, name: str, step: int | None = None, *, is_array: bool = False) -> None:
        self.trace, self.name, self.step, self.is_array = trace, name, step, is_array

    @property
    def is_truth(self) -> bool:
        return self.step is not None and self.trace.steps[self.step].is_truth

    def __bool__(self) -> bool:
        raise TypeError("a formula's values are not known while it is traced: use xp.where, no `if`")


def _operator(name: str, swapped: bool = False) -> Callable[..., Expression]:
    """A method of Expression that notes the step `name`."""

    def note(self: Expression, *other: Any) -> Expression:
        return self.trace.note(name, (*other, self) if swapped else (self, *other))

    return note


for _sign, _name in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide"}.items():
    setattr(Expression, f"__{_sign}__", _operator(_name))
    setattr(Expression, f"__r{_sign}__", _operator(_name, swapped=True))
for _sign, _name in zip(("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "invert"), TRUTHS, strict=True):
    setattr(Expression, f"__{_sign}__", _operator(_name))
for _sign, _name in {"neg": "negative", "abs": "absolute"}.items():
    setattr(Expression, f"__{_sign}__", _operator(_name))


@functools.cache
def traced(formula: Formula) -> Trace:
    """The formula's trace, made once."""
    return Trace(formula)
