"""Nesterov: momentum whose gradient is taken where the momentum alone would lead."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.solver.rule import Array, register
from minicaffe.solver.sgd import SGD


@register("Nesterov")
class Nesterov(SGD):
    """Nesterov's accelerated gradient.

        h' = momentum * h + rate * dw
        dw = (1 + momentum) * h' - momentum * h
        w = w - dw,  h = h'

    momentum (default 0): share of the last update that goes on; with 0 this is SGD.
    Source: Nesterov 1983; in this form Sutskever et al., ICML 2013, section 2.
    """

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        self.kernels.nesterov_update(data, diff, history[0], rate, self.momentum)
