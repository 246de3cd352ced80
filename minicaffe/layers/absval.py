"""AbsVal, the absolute value."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def absval(xp, x):
    return xp.abs(x)


@formula
def absval_gradient(xp, x, dy):
    return dy * xp.sign(x)


@register("AbsVal")
class AbsValLayer(NeuronLayer):
    """The size of each element.

        y = |x|         dx = dy * sign(x), 0 at 0

    bottom[0]: x, any shape.  top[0]: y, the shape of x; as in Caffe it must be another blob.
    Source: Caffe's absval_layer.cpp.
    """

    in_place = False

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(absval, bottom[0].data, out=top[0].data)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(absval_gradient, bottom[0].data, dy, out=dx)
