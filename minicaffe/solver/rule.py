"""What an update rule is, and which there are: one file each, found by the solver's `type`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from minicaffe.backend import Backend
from minicaffe.errors import Origin, ParamError
from minicaffe.solver.settings import setting_error

Array = Any

# The types that Caffe 1.0 knows.
CAFFES = ("AdaDelta", "AdaGrad", "Adam", "Nesterov", "RMSProp", "SGD")


class Rule:
    """How one gradient becomes one update.

    slots: how many arrays of a parameter's size the rule remembers.
    """

    type: ClassVar[str] = ""
    slots: ClassVar[int] = 1

    def __init__(self, param: Any, origin: Origin, backend: Backend) -> None:
        """Take the settings from a SolverParameter. Raises ParamError for those that the rule cannot use."""
        self.kernels = backend.kernels

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        """Turn the gradient in `diff` into the update, keep that in diff, and take it off `data`.

        data, diff, history[0 ... slots - 1]: flat arrays of one size, a run of one parameter.
        rate: the learning rate of this parameter.  t: 1 for the first update, and so on.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update")


_rules: dict[str, type[Rule]] = {}
_R = TypeVar("_R", bound=type[Rule])


def register(name: str) -> Callable[[_R], _R]:
    """Make a Rule known as `type: "name"`."""

    def add(rule: _R) -> _R:
        rule.type = name
        _rules[name] = rule
        return rule

    return add


def rule_class(name: str, origin: Origin) -> type[Rule]:
    """The rule that `type` names. Raises ParamError, listing those that there are."""
    if name in _rules:
        return _rules[name]
    known = ", ".join(sorted(_rules))
    if name in CAFFES:
        text = f'is "{name}": this version of minicaffe has no {name} solver yet (known types: {known})'
    else:
        text = f'is "{name}": Unknown solver type: {name} (known types: {known})'
    raise setting_error(origin, "type", text, ParamError)
