"""Eltwise: several blobs of one shape combined element by element."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.backend.formula import formula
from minicaffe.backend.kernels import LOWEST
from minicaffe.blob import shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.kept import Kept
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2

OPERATION = "eltwise_param.operation"


@formula
def weighted_sum(xp, a, b, *, p, q):
    return p * a + q * b


@formula
def plain_sum(xp, a, b):
    return a + b


@formula
def times(xp, a, b):
    return a * b


@formula
def scaled(xp, a, *, factor):
    return factor * a


@formula
def quotient_slope(xp, y, x, dy):
    return y / x * dy


@register("Eltwise")
class EltwiseLayer(Layer):
    """Sum, product or maximum of blobs, for each element.

        SUM   y = sum of c_i x_i          dx_i = c_i dy
        PROD  y = product of x_i          dx_i = dy * product of the others;  dy y / x_i unless stable_prod_grad
        MAX   y = the greatest x_i        dx_i = dy where x_i is that one, else 0

    MAX compares as Caffe does: x_0 wins if it is greater than x_1, else x_1 does (so if they are equal, or one is
    NaN); each later one wins if it is greater than the winner so far.

    bottom[i]: x_i, two or more, all of one shape.  top[0]: y, of that shape. It may be bottom[0] itself, but then
    Caffe clears x_0 before it adds or compares, so that it counts as 0 with SUM and as -FLT_MAX with MAX; so here.
    eltwise_param: operation (SUM); coeff: c_i, one for each bottom or none (all 1); not with PROD, and not used with
    MAX; stable_prod_grad (true; false is quicker for many bottoms, and NaN where x_i is 0).
    Source: Caffe's eltwise_layer.cpp.
    """

    min_bottom = 2
    exact_top = 1
    in_place = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.eltwise_param
        self.operation = caffe_pb2.EltwiseParameter.EltwiseOp.Name(param.operation)
        self.stable = param.stable_prod_grad
        self.coeffs = list(param.coeff) or [1.0] * len(bottom)
        if len(self.coeffs) != len(bottom):
            text = f"is given {len(self.coeffs)} times: Eltwise Layer takes one coefficient per bottom blob"
            raise self.error(ParamError, f"{text}, {len(bottom)} here, or none at all", "eltwise_param.coeff")
        if param.coeff and self.operation == "PROD":
            text = f"is {' '.join(f'{c:g}' for c in self.coeffs)} with PROD: Eltwise layer only takes coefficients for"
            raise self.error(ParamError, f"{text} summation; remove it", "eltwise_param.coeff")
        if top[0] is bottom[0] and self.operation != "PROD":
            text = f"is {self.operation} in place: as in Caffe, the values of bottom[0] are lost before they are used"
            log.warning(str(self.error(ParamError, f"{text}; give the top a name of its own", OPERATION)))
        self.kept = Kept(self)
        # MAX: whether x_0 beat x_1, then for each later one whether it beat all before.
        self.won: list[Any] = [None] * (len(bottom) - 1)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        for index, blob in enumerate(bottom):
            if blob.shape != bottom[0].shape:
                text = f"bottom[{index}] {shape_text(blob.shape)} must have the shape of bottom[0]"
                raise self.error(
                    ShapeError, f"{text} {shape_text(bottom[0].shape)}: all are combined element by element"
                )
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        arrays, y = [blob.data for blob in bottom], top[0].data
        if self.operation == "PROD":
            self.kept.bottom(bottom, top)
            self.product(arrays, y)
            self.kept.keep_top(top)
            return
        if top[0] is bottom[0]:
            y.fill(0 if self.operation == "SUM" else LOWEST)
        if self.operation == "SUM":
            self.sum(arrays, y)
        else:
            self.maximum(arrays, y)

    def sum(self, arrays: list[Any], y: Any) -> None:
        total, so_far = arrays[0], self.coeffs[0]
        for x, coeff in zip(arrays[1:], self.coeffs[1:], strict=True):
            if so_far == coeff == 1:
                self.apply(plain_sum, total, x, out=y)
            else:
                self.apply(weighted_sum, total, x, out=y, p=so_far, q=coeff)
            total, so_far = y, 1

    def product(self, arrays: Sequence[Any], out: Any) -> Any:
        """out = the product of all arrays; where there is one only, that one is returned, and nothing written."""

        def multiplied(a: Any, b: Any) -> Any:
            self.apply(times, a, b, out=out)
            return out

        return reduce(multiplied, arrays)

    def maximum(self, arrays: list[Any], y: Any) -> None:
        best = arrays[0]
        for index, x in enumerate(arrays[1:]):
            won = self.won[index] = self.kept_like(y, self.won[index], np.uint8)
            pair = (x, best) if index else (best, x)
            self.kernels.max_forward(*pair, y, won)
            best = y

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if self.operation == "MAX":
            self.backward_maximum(top[0].diff, propagate_down, bottom)
            return
        for index in self.order_of_gradients(top[0] is bottom[0]):
            if propagate_down[index]:
                if self.operation == "SUM":
                    self.apply(scaled, top[0].diff, out=bottom[index].diff, factor=self.coeffs[index])
                else:
                    self.backward_product(top, index, bottom)

    def order_of_gradients(self, in_place: bool) -> Sequence[int]:
        """In place the first one overwrites dy, so it comes last; in a sum it comes first all the same, as in Caffe."""
        indices = range(len(self.coeffs))
        return indices[::-1] if in_place and self.operation == "PROD" else indices

    def backward_product(self, top: Blobs, index: int, bottom: Blobs) -> None:
        dy, dx = top[0].diff, bottom[index].diff
        arrays = [self.kept.x(bottom), *(blob.data for blob in bottom[1:])]
        if self.stable:
            others = arrays[:index] + arrays[index + 1 :]
            self.apply(times, self.product(others, self.scratch(dy)), dy, out=dx)
        else:
            self.apply(quotient_slope, self.kept.y(top), arrays[index], dy, out=dx)

    def backward_maximum(self, dy: Any, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """From the last winner back: each takes its part of dy and leaves the rest to those before it."""
        targets = [
            blob.diff if wanted else self.scratch(dy, "eltwise:unwanted")
            for blob, wanted in zip(bottom, propagate_down, strict=True)
        ]
        rest = dy
        for index in reversed(range(2, len(bottom))):
            left = self.scratch(dy, "eltwise:rest")
            self.kernels.max_backward(rest, self.won[index - 1], targets[index], left)
            rest = left
        self.kernels.max_backward(rest, self.won[0], targets[0], targets[1])
