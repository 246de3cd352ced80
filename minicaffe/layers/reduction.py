"""Reduction: sums over all axes from one on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@formula
def itself(xp, x):
    return x


@formula
def magnitude(xp, x):
    return xp.abs(x)


@formula
def squared(xp, x):
    return x * x


@formula
def sum_slope(xp, dy, *, factor):
    return factor * dy


@formula
def magnitude_slope(xp, dy, x, *, factor):
    return factor * dy * xp.sign(x)


@formula
def squared_slope(xp, dy, x, *, factor):
    return 2 * factor * dy * x


# What each operation adds up.
TERMS = {"SUM": itself, "ASUM": magnitude, "SUMSQ": squared, "MEAN": itself}


@register("Reduction")
class ReductionLayer(Layer):
    """One number for each place along the axes before `axis`, out of the K values behind it.

        SUM    y = c sum x          dx = c dy
        ASUM   y = c sum |x|        dx = c dy sign(x), 0 where x is 0
        SUMSQ  y = c sum x^2        dx = 2 c dy x
        MEAN   y = c / K sum x      dx = c / K dy

    bottom[0]: x.  top[0]: y, the axes of x before `axis`: a scalar for axis 0.
    reduction_param: operation (SUM); axis (default 0; negative ones count from the end); coeff (1): c.
    Source: Caffe's reduction_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.reduction_param
        self.operation = caffe_pb2.ReductionParameter.ReductionOp.Name(param.operation)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.reduction_param
        self.first = self.axis(bottom[0], param.axis, "reduction_param.axis")
        self.factor = param.coeff
        if self.operation == "MEAN":
            count = bottom[0].count_between(self.first)
            if not count:
                text = f"is MEAN, and bottom[0] {shape_text(bottom[0].shape)} has no values from axis {self.first} on"
                raise self.error(ShapeError, f"{text}: 0 / 0; SUM of nothing is 0", "reduction_param.operation")
            self.factor /= count
        top[0].reshape(*bottom[0].shape[: self.first])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x, y = bottom[0].data, top[0].data
        self.kernels.sum_to(TERMS[self.operation], [x], [self.spread(y, x)], {}, self.workspace)
        if self.factor != 1:
            self.xp.multiply(y, self.factor, out=y)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        x, dx = bottom[0].data, bottom[0].diff
        dy = self.spread(top[0].diff, dx)
        if self.operation == "ASUM":
            self.apply(magnitude_slope, dy, x, out=dx, factor=self.factor)
        elif self.operation == "SUMSQ":
            self.apply(squared_slope, dy, x, out=dx, factor=self.factor)
        else:
            self.apply(sum_slope, dy, out=dx, factor=self.factor)

    def spread(self, y: Any, x: Any) -> Any:
        """The top with an axis of size 1 for each one of x that was summed over."""
        return y.reshape(y.shape + (1,) * (x.ndim - self.first))
