"""SGD, stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend import Backend
from minicaffe.errors import Origin
from minicaffe.solver.rule import Array, Rule, register


@register("SGD")
class SGD(Rule):
    """Stochastic gradient descent with momentum.

        h = momentum * h + rate * dw
        dw = h
        w = w - h

    The rate stands inside h: a change of rate does not touch what earlier gradients left there.
    momentum (default 0): share of the last update that goes on.
    Source: Polyak 1964; in this form Sutskever et al., ICML 2013, section 2.
    """

    slots = 1

    def __init__(self, param: Any, origin: Origin, backend: Backend) -> None:
        super().__init__(param, origin, backend)
        self.momentum = param.momentum

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        self.kernels.sgd_update(data, diff, history[0], rate, self.momentum)
