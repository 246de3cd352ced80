"""What an update rule is, and which there are: one file each, found by the solver's `type`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from minicaffe.backend import Backend
from minicaffe.errors import Origin, ParamError
from minicaffe.proto.hints import nearest
from minicaffe.solver.settings import setting_error

Array = Any


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
    near = nearest(name, _rules)
    hint = f'; do you mean "{near}"?' if near else ""
    text = f'is "{name}": Unknown solver type: {name} (known types: {", ".join(sorted(_rules))}){hint}'
    raise setting_error(origin, "type", text, ParamError)


def refuse_momentum(rule: Rule, param: Any, origin: Origin) -> None:
    """Raises ParamError where a rule without momentum is given one. As adagrad_solver's and rmsprop_solver's checks."""
    if param.momentum:
        text = f"is {param.momentum:g}: Momentum cannot be used with {rule.type}; leave it out"
        raise setting_error(origin, "momentum", text)
