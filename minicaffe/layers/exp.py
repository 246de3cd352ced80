"""Exp: an exponential function of any base."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def exponential(xp, x, *, rate, factor):
    return factor * xp.exp(rate * x)


@formula
def exponential_gradient(xp, y, dy, *, rate):
    return dy * y * rate


@register("Exp")
class ExpLayer(NeuronLayer):
    """A base to the power of each element.

        y = base^(shift + scale * x) = base^shift * e^(ln(base) * scale * x)         dx = dy * y * ln(base) * scale

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    exp_param: base (default -1, which stands for e; else above 0), scale (1), shift (0).
    Source: Caffe's exp_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.exp_param
        ln_base = log_of_base(self, param.base, "exp_param.base")
        self.rate = ln_base * param.scale
        self.factor = float_exp(ln_base * param.shift)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(exponential, bottom[0].data, out=top[0].data, rate=self.rate, factor=self.factor)
        self.kept.keep_top(top)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(exponential_gradient, self.kept.y(top), dy, out=dx, rate=self.rate)


def log_of_base(layer: Layer, base: float, field: str) -> float:
    """ln(base), 1 for the base -1, which stands for e.  Raises ParamError for a base without a logarithm."""
    if base == -1:
        return 1.0
    if not 0 < base < math.inf:
        raise layer.error(ParamError, f"is {base:g}, must be a number above 0, or -1 for e", field)
    return math.log(base)


def float_exp(exponent: float) -> float:
    """e^exponent, infinite where it is too large for a float, as in C."""
    try:
        return math.exp(exponent)
    except OverflowError:
        return math.inf
