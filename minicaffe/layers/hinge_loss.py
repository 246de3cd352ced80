"""HingeLoss: one against all others, as a support vector machine."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.formula import formula
from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer, check_labels
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


def _signed_margin(xp, x, label, k):
    """(s, m).  As Caffe's max(0, m), a NaN counts as 0."""
    s = xp.where(k == xp.trunc(label), -1, 1)
    m = 1 + s * x
    return s, xp.where(m > 0, m, 0)


@formula
def hinge_l1(xp, x, label, k):
    """(slope, loss)"""
    s, m = _signed_margin(xp, x, label, k)
    return s * xp.sign(m), m


@formula
def hinge_l2(xp, x, label, k):
    """(slope, loss)"""
    s, m = _signed_margin(xp, x, label, k)
    return 2 * s * m, xp.square(m)


@register("HingeLoss")
class HingeLossLayer(LossLayer):
    """By how much scores miss a margin of 1: the label's from above, all others from below.

        m[k] = max(0, 1 + s[k] * x[k])          s[k] = -1 at the label, 1 elsewhere
        L1: loss = 1 / N * sum of m             dx = weight / N * s * [m > 0]
        L2: loss = 1 / N * sum of m^2           dx = weight / N * 2 * s * m

    bottom[0]: x (N, ...), up to 4 axes, scores of as many classes as an item has values.
    bottom[1]: N labels.  top[0]: the loss, a scalar.
    hinge_loss_param.norm (default L1): L1 or L2.
    Source: Caffe's hinge_loss_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        norm = self.layer_param.hinge_loss_param.norm
        self.formula = hinge_l2 if norm == caffe_pb2.HingeLossParameter.L2 else hinge_l1
        self.slopes = self.new_like_top()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.refuse_many_axes(bottom[:1])
        self.matrix = (bottom[0].shape[0], bottom[0].count_between(1))
        if bottom[1].count != self.matrix[0]:
            text = f"bottom[1] {shape_text(bottom[1].shape)} holds {bottom[1].count} labels, must hold"
            raise self.error(ShapeError, f"{text} {self.matrix[0]}: one an item")
        self.slopes.reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        check_labels(self, bottom[1], self.matrix[1])
        x = regrouped(bottom[0].data, self.matrix, self.workspace, "hinge_loss:x")
        label = bottom[1].data.reshape(-1, 1)
        with regrouped_out(self.slopes.data, self.matrix, self.workspace, "hinge_loss:slopes") as slopes:
            (total,) = self.sums(self.formula, x, label, self.class_numbers(x), out=(slopes,))
        top[0].data[...] = total / max(1, self.matrix[0])

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            slope = self.slope(top, max(1, self.matrix[0]))
            self.xp.multiply(self.slopes.data, slope, out=bottom[0].diff)
