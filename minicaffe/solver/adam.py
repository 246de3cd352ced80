"""Adam: momentum over the root of the mean square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend import Backend
from minicaffe.errors import Origin
from minicaffe.solver.rule import Array, Rule, register


@register("Adam")
class Adam(Rule):
    """Adam, adaptive moments.

        m = momentum * m + (1 - momentum) * dw
        v = momentum2 * v + (1 - momentum2) * dw^2
        c = sqrt(1 - momentum2^t) / (1 - momentum^t),  t = 1, 2, ...
        dw = rate * c * m / (sqrt(v) + delta)
        w = w - dw

    history: m, then v.  momentum (default 0; 0.9 in the paper), momentum2 (default 0.999): shares that are kept.
    delta (default 1e-8) is added to the root as it is, before c corrects it; t counts the updates of the whole run.
    Source: Kingma and Ba, ICLR 2015, arXiv:1412.6980, the last lines of section 2.
    """

    slots = 2

    def __init__(self, param: Any, origin: Origin, backend: Backend) -> None:
        super().__init__(param, origin, backend)
        self.momentum, self.momentum2, self.delta = param.momentum, param.momentum2, param.delta

    def update(self, data: Array, diff: Array, history: Sequence[Array], rate: float, t: int) -> None:
        m, v = history
        rate *= self.correction(t)
        self.kernels.adam_update(data, diff, m, v, rate, self.momentum, self.momentum2, self.delta)

    def correction(self, t: int) -> float:
        """c: m and v begin at 0, and are too small at first. inf or nan where a momentum is 1, as in Caffe."""
        with np.errstate(all="ignore"):
            return float(np.sqrt(1 - np.float64(self.momentum2) ** t) / (1 - np.float64(self.momentum) ** t))
