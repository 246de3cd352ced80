"""AdaGrad: each weight has a rate of its own, which falls with the gradients it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend import Backend
from minicaffe.errors import Origin
from minicaffe.solver.rule import Array, Rule, refuse_momentum, register


@register("AdaGrad")
class AdaGrad(Rule):
    """AdaGrad, adaptive subgradients.

        h = h + dw^2
        dw = rate * dw / (sqrt(h) + delta)
        w = w - dw

    delta (default 1e-8): keeps the quotient finite where no gradient was seen yet.  momentum: must be 0.
    Source: Duchi, Hazan and Singer, JMLR 12, 2011.
    """

    slots = 1

    def __init__(self, param: Any, origin: Origin, backend: Backend) -> None:
        super().__init__(param, origin, backend)
        refuse_momentum(self, param, origin)
        self.delta = param.delta

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        self.kernels.adagrad_update(data, diff, history[0], rate, self.delta)
