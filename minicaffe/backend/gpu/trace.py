"""A traced formula as lines of CUDA C, one for each step: `const T v3 = v1 * v2;`.

T is the type of the arrays; numbers are cast to it, as NumPy does with Python's. Truth values become T where they
meet numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import Formula
from minicaffe.backend.trace import Expression, Step, traced

# What each step is in C.  NaN goes through maximum and minimum, and sign, as in NumPy.
CODE = {name: f"{name}({{0}})" for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "trunc")} | {
    "absolute": "fabs({0})",
    "add": "{0} + {1}",
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "equal": "{0} == {1}",
    "fmax": "fmax({0}, {1})",
    "fmin": "fmin({0}, {1})",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "invert": "!{0}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "maximum": "({0} > {1} || {0} != {0}) ? {0} : {1}",
    "minimum": "({0} < {1} || {0} != {0}) ? {0} : {1}",
    "multiply": "{0} * {1}",
    "negative": "-{0}",
    "not_equal": "{0} != {1}",
    "power": "pow({0}, {1})",
    "sign": "{0} != {0} ? {0} : T(({0} > 0) - ({0} < 0))",
    "square": "{0} * {0}",
    "subtract": "{0} - {1}",
    "true_divide": "{0} / {1}",
    "where": "{0} ? {1} : {2}",
}


def code_of(formula: Formula, arrays: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the lines that compute a formula, the names of its results).

    arrays: the C text that reads each array argument; a number argument is a C parameter of its own name.
    """
    trace = traced(formula)
    lines = [f"const T {argument.name}_value = (T){text};" for argument, text in zip(trace.arrays, arrays, strict=True)]
    lines += [f"const T {name}_value = (T){name};" for name in trace.numbers]
    lines += [line(number, step) for number, step in enumerate(trace.steps)]
    return lines, [as_text(result, "T") for result in trace.results]


def line(number: int, step: Step) -> str:
    if step.name == "where":
        kinds = ["bool", "T", "T"]
    else:
        kinds = ["bool" if step.name in ("bitwise_and", "bitwise_or", "invert") else "T"] * len(step.operands)
    operands = [as_text(operand, kind) for operand, kind in zip(step.operands, kinds, strict=True)]
    return f"const {'bool' if step.is_truth else 'T'} v{number} = {CODE[step.name].format(*operands)};"


def as_text(value: Any, kind: str) -> str:
    """An operand in C, as a value of `kind`."""
    if not isinstance(value, Expression):
        return f"({kind}){float(value)!r}"
    name = f"{value.name}_value" if value.step is None else value.name
    return name if kind == ("bool" if value.is_truth else "T") else f"({kind}){name}"
