"""Groups of values with a mean and a variance each, and the gradient through a normalization by them."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Layer


@formula
def itself(xp, x):
    return x


@formula
def squared_distance(xp, x, mean):
    return xp.square(x - mean)


@formula
def centred(xp, x, mean):
    return x - mean


@formula
def normalized(xp, x, mean, inverse):
    return (x - mean) * inverse


@formula
def normalized_twice(xp, x, mean, inverse):
    y = (x - mean) * inverse
    return y, y


@formula
def gradient_sums(xp, dy, y):
    return dy, dy * y


@formula
def normalized_gradient(xp, dy, y, inverse, weight, offset):
    return (y * weight + offset + dy) * inverse


@formula
def centred_gradient(xp, dy, mean_dy):
    return dy - mean_dy


class Groups:
    """The groups of a blob, all that share a place along the axes that are kept.

        mean = sum of x / m          variance = sum of (x - mean)^2 / m          y = (x - mean) * inverse
        dx = (dy - mean(dy) - y * mean(dy * y)) * inverse

    m: values of a group.  inverse: 1 / deviation, which the layer makes of the variance its own way.
    mean, inverse: with as many axes as x, 1 along those that are not kept.
    """

    def __init__(self, layer: Layer) -> None:
        # The layer owns this, and a cycle would outlive the net.
        self.layer: Layer = weakref.proxy(layer)
        self._mean, self._inverse = layer.new_like_top(), layer.new_like_top()
        self._kept = layer.new_like_top()
        self.size = 0

    def reshape(self, shape: Sequence[int], kept: Sequence[int]) -> None:
        """shape: of x.  kept: the axes that tell groups apart."""
        groups = [size if axis in kept else 1 for axis, size in enumerate(shape)]
        self.size = math.prod(shape) // max(1, math.prod(groups))
        self._mean.reshape(*groups)
        self._inverse.reshape(*groups)

    @property
    def mean(self) -> Any:
        return self._mean.data

    @property
    def inverse(self) -> Any:
        return self._inverse.data

    def measure_mean(self, x: Any) -> None:
        self.average(itself, x, out=self.mean)

    def measure_variance(self, x: Any, out: Any) -> None:
        """The mean is known."""
        self.average(squared_distance, x, self.mean, out=out)

    def average(self, formula: Any, *arrays: Any, out: Any) -> None:
        """out = the mean of the formula over each group."""
        self.layer.kernels.sum_to(formula, arrays, (out,), {}, self.layer.workspace)
        self.layer.xp.divide(out, self.size, out=out)

    def normalize(self, x: Any, y: Any, keep: bool) -> None:
        """y may be x.  keep: a later layer overwrites y, which the gradient needs."""
        terms = x, self.mean, self.inverse
        if keep:
            self._kept.reshape(*x.shape)
            self.layer.apply(normalized_twice, *terms, out=(y, self._kept.data))
        else:
            self.layer.apply(normalized, *terms, out=y)

    def differentiate(self, y: Any, dy: Any, dx: Any, kept: bool) -> None:
        """dx, through the mean and the variance too.  kept: `normalize` was told to keep y."""
        layer, y = self.layer, self._kept.data if kept else y
        weight, offset = (layer.scratch(self.mean, f"normalization:{name}") for name in ("weight", "offset"))
        layer.kernels.sum_to(gradient_sums, (dy, y), (offset, weight), {}, layer.workspace)
        for term in (offset, weight):
            layer.xp.divide(term, -self.size, out=term)
        layer.apply(normalized_gradient, dy, y, self.inverse, weight, offset, out=dx)

    def centre_gradient(self, dy: Any, dx: Any) -> None:
        """dx through the mean alone."""
        mean_dy = self.layer.scratch(self.mean, "normalization:mean")
        self.average(itself, dy, out=mean_dy)
        self.layer.apply(centred_gradient, dy, mean_dy, out=dx)
