"""Power: each element scaled, shifted, and raised to a power."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def line(xp, x, *, scale, shift):
    return scale * x + shift


@formula
def line_gradient(xp, dy, *, scale):
    return dy * scale


@formula
def square(xp, x, *, scale, shift):
    return xp.square(scale * x + shift)


@formula
def square_gradient(xp, x, dy, *, scale, shift):
    return dy * (2 * scale * scale * x + 2 * scale * shift)


@formula
def power(xp, x, *, scale, shift, exponent):
    return xp.power(scale * x + shift, exponent)


@formula
def power_gradient(xp, x, y, dy, *, scale, shift, exponent):
    return dy * (exponent * scale) * y / (scale * x + shift)


@register("Power")
class PowerLayer(NeuronLayer):
    """A power of a straight line.

        y = (shift + scale * x)^power         dx = dy * power * scale * (shift + scale * x)^(power - 1)

    As in Caffe the gradient is computed as dy * power * scale * y / (shift + scale * x) unless the power is 0, 1 or 2,
    and so NaN where shift + scale * x is 0; and where scale or power is 0, y is the constant shift^power, dx 0.
    In place with power 1, dx = scale^2 whatever dy is: there Caffe writes the slope over dy before it multiplies by it.

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    power_param: power (default 1), scale (1), shift (0).
    Source: Caffe's power_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.power_param
        self.power = param.power
        self.numbers = {"scale": param.scale, "shift": param.shift}
        self.is_constant = not param.power * param.scale
        self.warned = False

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        y = top[0].data
        if self.is_constant:
            with np.errstate(all="ignore"):
                y.fill(np.power(self.numbers["shift"], self.power))
        elif self.power == 1:
            self.apply(line, bottom[0].data, out=y, **self.numbers)
        elif self.power == 2:
            self.apply(square, self.kept.bottom(bottom, top), out=y, **self.numbers)
        else:
            x = self.kept.bottom(bottom, top)
            self.apply(power, x, out=y, exponent=self.power, **self.numbers)
            self.kept.keep_top(top)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        if self.is_constant:
            dx.fill(0)
        elif self.power == 1 and top[0] is bottom[0]:
            self.warn_of_lost_gradient()
            dx.fill(self.numbers["scale"] ** 2)
        elif self.power == 1:
            self.apply(line_gradient, dy, out=dx, scale=self.numbers["scale"])
        elif self.power == 2:
            self.apply(square_gradient, self.kept.x(bottom), dy, out=dx, **self.numbers)
        else:
            x, y = self.kept.x(bottom), self.kept.y(top)
            self.apply(power_gradient, x, y, dy, out=dx, exponent=self.power, **self.numbers)

    def warn_of_lost_gradient(self) -> None:
        """What Caffe computes is computed here; that it is no gradient is told, once."""
        if not self.warned:
            text = f"layer '{self.name}' runs in place: as in Caffe its backward pass loses the gradient from above"
            log.warning(f"{text} and gives scale^2; give its top a name of its own")
            self.warned = True
