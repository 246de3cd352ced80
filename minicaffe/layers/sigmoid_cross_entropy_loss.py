"""SigmoidCrossEntropyLoss: sigmoid followed by the log loss of two classes, for each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.backend.regroup import regrouped
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer, Normalization
from minicaffe.layers.registry import register


@formula
def cross_entropy(xp, x, t):
    """(slope, loss)"""
    # Of |x|, so that no exponential overflows.
    small = xp.exp(-xp.abs(x))
    positive = x >= 0
    sigmoid = xp.where(positive, 1, small) / (1 + small)
    return sigmoid - t, x * (positive - t) + xp.log1p(small)


@formula
def cross_entropy_but(xp, x, t, *, ignore):
    """(slope, loss, 1 where the element counts): all 0 where trunc(t) is `ignore`."""
    counts = xp.trunc(t) != ignore
    slope, loss = cross_entropy.function(xp, x, t)
    return xp.where(counts, slope, 0), xp.where(counts, loss, 0), counts


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLossLayer(LossLayer):
    """How badly logits predict probabilities, each element on its own.

        p = 1 / (1 + e^-x)          loss = -1 / Z * sum of (t ln p + (1 - t) ln(1 - p))
        dx = weight / Z * (p - t), 0 where the target is ignored

    computed as x * ([x >= 0] - t) + ln(1 + e^-|x|), which overflows nowhere.

    bottom[0]: x (N, ...), any shape.  bottom[1]: t, targets in [0, 1], as many, with the same first axis.
    top[0]: the loss, a scalar.

    loss_param.ignore_label (default none): elements whose target, cut off to an integer, is this one count nowhere;
    0 would drop all targets below 1. loss_param.normalization (BATCH_SIZE: N), normalize: Z, see Normalization;
    a position is an element here.
    Source: Caffe's sigmoid_cross_entropy_loss_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.normalization = Normalization(self.layer_param.loss_param, default="BATCH_SIZE")
        self.slopes = self.new_like_top()
        self.divisor: Any = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        if bottom[0].count != bottom[1].count:
            text = f"bottom[1] {shape_text(bottom[1].shape)} holds {bottom[1].count} targets, must hold"
            text += f" {bottom[0].count}: one for each element of bottom[0] {shape_text(bottom[0].shape)}"
            raise self.error(ShapeError, text)
        self.slopes.reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x, ignore = bottom[0].data, self.normalization.ignore
        t = regrouped(bottom[1].data, x.shape, self.workspace, "sigmoid_cross_entropy_loss:t")
        out, valid = (self.slopes.data,), bottom[0].count
        if ignore is None:
            (total,) = self.sums(cross_entropy, x, t, out=out)
        else:
            total, valid = self.sums(cross_entropy_but, x, t, out=out, count=2, ignore=ignore)
        self.divisor = self.normalization.divisor(x.shape[0], bottom[0].count, valid, self.xp)
        top[0].data[...] = total / self.divisor

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            self.xp.multiply(self.slopes.data, self.slope(top, self.divisor), out=bottom[0].diff)
