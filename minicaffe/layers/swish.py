"""Swish, the self-gated unit."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def swish(xp, x, *, beta):
    s = 0.5 * xp.tanh(0.5 * beta * x) + 0.5
    return x * s


@formula
def swish_gradient(xp, x, dy, *, beta):
    # With z = beta x / 2 and t = tanh(z), s is (1 + t) / 2 and 1 - s is (1 - t) / 2.
    z = 0.5 * beta * x
    t = xp.tanh(z)
    return ((1 - t) * z + 1) * (t + 1) * 0.5 * dy


@register("Swish")
class SwishLayer(NeuronLayer):
    """Each element, gated by its own sigmoid.

        s = 1 / (1 + e^(-beta x))         y = x * s         dx = dy * (beta * y + s * (1 - beta * y))

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    swish_param: beta (default 1), not learned. engine changes nothing here.
    Source: Caffe's swish_layer.cpp; Ramachandran et al., arXiv:1710.05941.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.beta = self.layer_param.swish_param.beta

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(swish, self.kept.bottom(bottom, top), out=top[0].data, beta=self.beta)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        # beta y + s (1 - beta y) = s (1 + beta x (1 - s)): from x alone, nothing else is kept.
        self.apply(swish_gradient, self.kept.x(bottom), dy, out=dx, beta=self.beta)
