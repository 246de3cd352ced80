"""RMSProp: AdaGrad that forgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend import Backend
from minicaffe.errors import Origin
from minicaffe.solver.rule import Array, Rule, refuse_momentum, register
from minicaffe.solver.settings import setting_error


@register("RMSProp")
class RMSProp(Rule):
    """RMSProp: the gradient over the root of its running mean square.

        h = rms_decay * h + (1 - rms_decay) * dw^2
        dw = rate * dw / (sqrt(h) + delta)
        w = w - dw

    rms_decay (default 0.99): share of the mean square that is kept, from 0 to below 1.
    delta (default 1e-8): keeps the quotient finite where no gradient was seen yet.  momentum: must be 0.
    Source: Tieleman and Hinton, Coursera lecture 6.5, 2012.
    """

    slots = 1

    def __init__(self, param: Any, origin: Origin, backend: Backend) -> None:
        super().__init__(param, origin, backend)
        refuse_momentum(self, param, origin)
        if not 0 <= param.rms_decay < 1:
            text = f"is {param.rms_decay:g}: rms_decay should lie between 0 and 1, 1 left out; omit it for 0.99"
            raise setting_error(origin, "rms_decay", text)
        self.rms_decay, self.delta = param.rms_decay, param.delta

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        self.kernels.rmsprop_update(data, diff, history[0], rate, self.rms_decay, self.delta)
