"""BNLL, the binomial normal log likelihood, known as softplus."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register

# Where e^x is cut off in the gradient: e^50 + 1 is e^50 in either precision.
THRESHOLD = 50


@formula
def bnll(xp, x):
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


@formula
def bnll_gradient(xp, x, dy):
    e = xp.exp(xp.minimum(x, THRESHOLD))
    return dy * e / (e + 1)


@register("BNLL")
class BNLLLayer(NeuronLayer):
    """A ReLU with a smooth knee.

        y = ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which cannot overflow         dx = dy * e^x / (1 + e^x)

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    Source: Caffe's bnll_layer.cpp.
    """

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(bnll, self.kept.bottom(bottom, top), out=top[0].data)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(bnll_gradient, self.kept.x(bottom), dy, out=dx)
