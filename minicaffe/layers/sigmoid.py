"""Sigmoid, the logistic function."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def sigmoid(xp, x):
    return 0.5 * xp.tanh(0.5 * x) + 0.5


@formula
def sigmoid_gradient(xp, y, dy):
    return dy * y * (1 - y)


@register("Sigmoid")
class SigmoidLayer(NeuronLayer):
    """Squeezes each element into (0, 1).

        y = 1 / (1 + e^-x) = tanh(x / 2) / 2 + 1 / 2, which cannot overflow         dx = dy * y * (1 - y)

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    sigmoid_param.engine changes nothing here.
    Source: Caffe's sigmoid_layer.cpp.
    """

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(sigmoid, bottom[0].data, out=top[0].data)
        self.kept.keep_top(top)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(sigmoid_gradient, self.kept.y(top), dy, out=dx)
