"""Tracing: what a formula does to symbols, as lines of CUDA C.

A formula (backend/formula.py) that is called with an Expression for each argument writes one line for each of its
operations, `const T v3 = v1 * v2;`, and returns the Expressions of its results. T is the type of the arrays;
numbers are cast to it, as NumPy does with Python's. Truth values become T where they meet numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import VOCABULARY, Formula

# What each function is in C.  NaN goes through maximum and minimum, and sign, as in NumPy.
FUNCTIONS = {name: f"{name}({{0}})" for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "trunc")} | {
    "abs": "fabs({0})",
    "maximum": "({0} > {1} || {0} != {0}) ? {0} : {1}",
    "minimum": "({0} < {1} || {0} != {0}) ? {0} : {1}",
    "power": "pow({0}, {1})",
    "sign": "{0} != {0} ? {0} : T(({0} > 0) - ({0} < 0))",
    "square": "{0} * {0}",
    "where": "{0} ? {1} : {2}",
}
assert set(FUNCTIONS) == set(VOCABULARY)


class Trace:
    """The lines so far; as a formula's `xp`, the functions of VOCABULARY."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(f"a formula cannot use {name}: backend/formula.py lists what it can")
        wanted = ("bool", "T", "T") if name == "where" else ("T", "T")
        return lambda *values: self.write(FUNCTIONS[name], values, wanted, "T")

    def write(self, code: str, values: Sequence[Any], wanted: Sequence[str], kind: str) -> Expression:
        """One more line, which computes `code`, of `kind`, from the values, each as the kind that is wanted."""
        operands = [as_text(value, its_kind) for value, its_kind in zip(values, wanted, strict=False)]
        return self.keep(code.format(*operands), kind)

    def keep(self, code: str, kind: str = "T") -> Expression:
        """Give a piece of code a name."""
        name = f"v{len(self.lines)}"
        self.lines.append(f"const {kind} {name} = {code};")
        return Expression(self, name, kind)


class Expression:
    """A value that is not known yet.  name: of its C variable.  kind: "T" or "bool"."""

    def __init__(self, trace: Trace, name: str, kind: str) -> None:
        self.trace, self.name, self.kind = trace, name, kind

    def __bool__(self) -> bool:
        raise TypeError("a formula's values are not known while it is traced: use xp.where, no `if`")


def as_text(value: Any, kind: str) -> str:
    """An operand in C, as a value of `kind`."""
    if isinstance(value, Expression):
        return value.name if value.kind == kind else f"({kind}){value.name}"
    return f"({kind}){float(value)!r}"


def _operator(code: str, takes: str, gives: str, swapped: bool = False) -> Any:
    """A method of Expression that writes `code`."""

    def apply(self: Expression, *other: Any) -> Expression:
        return self.trace.write(code, (*other, self) if swapped else (self, *other), (takes, takes), gives)

    return apply


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    setattr(Expression, f"__{_name}__", _operator(f"{{0}} {_symbol} {{1}}", "T", "T"))
    setattr(Expression, f"__r{_name}__", _operator(f"{{0}} {_symbol} {{1}}", "T", "T", swapped=True))
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Expression, f"__{_name}__", _operator(f"{{0}} {_symbol} {{1}}", "T", "bool"))
for _name, _code in {"and": "{0} & {1}", "or": "{0} | {1}", "invert": "!{0}"}.items():
    setattr(Expression, f"__{_name}__", _operator(_code, "bool", "bool"))
for _name, _code in {"neg": "-{0}", "abs": FUNCTIONS["abs"]}.items():
    setattr(Expression, f"__{_name}__", _operator(_code, "T", "T"))


def traced(formula: Formula, arrays: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the lines that compute a formula, the names of its results).

    arrays: the C text that reads each array argument; a number argument is a C parameter of its own name.
    """
    trace = Trace()
    values = [trace.keep(f"(T){text}") for text in arrays]
    numbers = {name: trace.keep(f"(T){name}") for name in formula.numbers}  # from double
    results = formula(trace, *values, **numbers)
    return trace.lines, [as_text(result, "T") for result in results]
