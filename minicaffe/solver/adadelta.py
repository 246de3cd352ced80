"""AdaDelta: steps as large as the steps were before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend import Backend
from minicaffe.errors import Origin
from minicaffe.solver.rule import Array, Rule, register


@register("AdaDelta")
class AdaDelta(Rule):
    """AdaDelta: the gradient, scaled by the ratio of past steps to past gradients.

        a = momentum * a + (1 - momentum) * dw^2
        u = dw * sqrt((b + delta) / (a + delta))
        b = momentum * b + (1 - momentum) * u^2
        dw = rate * u
        w = w - dw

    history: a, then b.  momentum (default 0): here the share of the two mean squares that is kept; 0.95 in the paper.
    delta (default 1e-8): what the first steps begin from; 1e-6 in the paper.  base_lr, which the paper lacks, is
    usually 1.
    Source: Zeiler 2012, arXiv:1212.5701.
    """

    slots = 2

    def __init__(self, param: Any, origin: Origin, backend: Backend) -> None:
        super().__init__(param, origin, backend)
        self.momentum, self.delta = param.momentum, param.delta

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        squares, steps = history
        self.kernels.adadelta_update(data, diff, squares, steps, rate, self.momentum, self.delta)
