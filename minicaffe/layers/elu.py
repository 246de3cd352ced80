"""ELU, the exponential linear unit."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def elu(xp, x, *, alpha):
    # min(x, 0): e^x would overflow where x is large and y does not need it.
    return xp.maximum(x, 0) + alpha * xp.expm1(xp.minimum(x, 0))


@formula
def elu_gradient(xp, x, y, dy, *, alpha):
    return dy * xp.where(x > 0, 1, y + alpha)


@formula
def usual_elu_gradient(xp, y, dy):
    """The same with alpha 1, where y + alpha is 1 at x = 0 as well."""
    return dy * (xp.minimum(y, 0) + 1)


@register("ELU")
class ELULayer(NeuronLayer):
    """Exponential linear unit, on each element alone.

        y = x                     where x > 0          dx = dy
        y = alpha * (e^x - 1)     elsewhere            dx = dy * (y + alpha)

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    elu_param.alpha (default 1): how far below zero y can sink.
    Source: Caffe's elu_layer.cpp; Clevert et al., ICLR 2016, arXiv:1511.07289, section 3.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.alpha = self.layer_param.elu_param.alpha

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        # With alpha 1 the gradient follows from y alone.
        x = bottom[0].data if self.alpha == 1 else self.kept.bottom(bottom, top)
        self.apply(elu, x, out=top[0].data, alpha=self.alpha)
        self.kept.keep_top(top)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        # The slope alpha * e^x is y + alpha: no second exponential.
        if self.alpha == 1:
            self.apply(usual_elu_gradient, self.kept.y(top), dy, out=dx)
        else:
            self.apply(elu_gradient, self.kept.x(bottom), self.kept.y(top), dy, out=dx, alpha=self.alpha)
