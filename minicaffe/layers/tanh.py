"""TanH, the hyperbolic tangent."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def tanh(xp, x):
    return xp.tanh(x)


@formula
def tanh_gradient(xp, y, dy):
    return dy * (1 - y * y)


@register("TanH")
class TanHLayer(NeuronLayer):
    """Squeezes each element into (-1, 1).

        y = (e^x - e^-x) / (e^x + e^-x)         dx = dy * (1 - y^2)

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    tanh_param.engine changes nothing here.
    Source: Caffe's tanh_layer.cpp.
    """

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(tanh, bottom[0].data, out=top[0].data)
        self.kept.keep_top(top)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(tanh_gradient, self.kept.y(top), dy, out=dx)
