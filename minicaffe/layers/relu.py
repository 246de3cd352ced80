"""ReLU, the rectified linear unit, and its leaky form."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def relu(xp, x):
    return xp.maximum(x, 0)


@formula
def relu_gradient(xp, x, dy):
    return dy * (x > 0)


@formula
def leaky_relu(xp, x, *, slope):
    return xp.maximum(x, 0) + slope * xp.minimum(x, 0)


@formula
def flatter_below(xp, x, *, slope):
    """The same for slopes from 0 to 1, in half the steps."""
    return xp.maximum(x, slope * x)


@formula
def leaky_relu_gradient(xp, x, dy, *, slope):
    return dy * ((x > 0) * (1 - slope) + slope)


@register("ReLU")
class ReLULayer(NeuronLayer):
    """Rectified linear unit, on each element alone.

        y = max(x, 0) + s * min(x, 0)         dx = dy * ([x > 0] + s * [x <= 0])

    NaN stays NaN, and its slope is s (in Caffe 0); -inf with s = 0 gives 0 (in Caffe 0 * inf, NaN).

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    relu_param.negative_slope (default 0): s, the slope below zero. engine changes nothing here.
    Source: Caffe's relu_layer.cpp; Nair & Hinton, ICML 2010; leaky: Maas et al., ICML 2013.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.slope = self.layer_param.relu_param.negative_slope

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        # With s >= 0 the sign of y is that of x, so that x may be gone if y stays.
        x_is_lost = self.slope < 0 or self.top_is_overwritten
        x = self.kept.bottom(bottom, top) if x_is_lost else bottom[0].data
        if self.slope:
            self.apply(flatter_below if 0 < self.slope <= 1 else leaky_relu, x, out=top[0].data, slope=self.slope)
        else:
            self.apply(relu, x, out=top[0].data)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        x = self.kept.x(bottom)
        if self.slope:
            self.apply(leaky_relu_gradient, x, dy, out=dx, slope=self.slope)
        else:
            self.apply(relu_gradient, x, dy, out=dx)
