"""Log: a logarithm to any base."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs
from minicaffe.layers.exp import log_of_base
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def logarithm(xp, x, *, scale, shift, factor):
    return factor * xp.log(scale * x + shift)


@formula
def logarithm_gradient(xp, x, dy, *, scale, shift, factor):
    return dy * (factor * scale) / (scale * x + shift)


@register("Log")
class LogLayer(NeuronLayer):
    """The logarithm of a scaled and shifted element.

        y = ln(shift + scale * x) / ln(base)         dx = dy * scale / (ln(base) * (shift + scale * x))

    The logarithm of 0 is -inf, that of a negative number NaN.

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    log_param: base (default -1, which stands for e; else above 0 and not 1), scale (1), shift (0).
    Source: Caffe's log_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.log_param
        ln_base = log_of_base(self, param.base, "log_param.base")
        if not ln_base:
            text = "is 1, whose powers are all 1: must be another number above 0"
            raise self.error(ParamError, text, "log_param.base")
        self.numbers = {"scale": param.scale, "shift": param.shift, "factor": 1 / ln_base}

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(logarithm, self.kept.bottom(bottom, top), out=top[0].data, **self.numbers)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(logarithm_gradient, self.kept.x(bottom), dy, out=dx, **self.numbers)
