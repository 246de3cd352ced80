"""EuclideanLoss: half the squared distance of predictions from targets."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.formula import formula
from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer
from minicaffe.layers.registry import register


@formula
def squared_difference(xp, a, b):
    """(difference, its square)"""
    difference = a - b
    return difference, xp.square(difference)


@register("EuclideanLoss")
class EuclideanLossLayer(LossLayer):
    """Half the squared Euclidean distance of two blobs, per item.

        loss = 1 / 2N * sum of (a - b)^2          da = weight / N * (a - b) = -db

    bottom[0]: a (N, ...), bottom[1]: b, of as many values an item; up to 4 axes each. Both have a gradient.
    top[0]: the loss, a scalar.  loss_param has no effect, as in Caffe.
    Source: Caffe's euclidean_loss_layer.cpp.
    """

    not_forced = ()
    no_gradient = {}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.difference = self.new_like_top()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.refuse_many_axes(bottom)
        a, b = (blob.count_between(1) for blob in bottom)
        if a != b:
            text = f"bottom[0] {shape_text(bottom[0].shape)} has {a} values an item, and bottom[1]"
            text = f"{text} {shape_text(bottom[1].shape)} has {b}: they must have equally many"
            raise self.error(ShapeError, text)
        self.difference.reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        a = bottom[0].data
        b = regrouped(bottom[1].data, a.shape, self.workspace, "euclidean_loss:b")
        (total,) = self.sums(squared_difference, a, b, out=(self.difference.data,))
        top[0].data[...] = total / (2 * max(1, a.shape[0]))

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        difference = self.difference.data
        slope = self.slope(top, max(1, bottom[0].shape[0]))
        for blob, wanted, factor in zip(bottom, propagate_down, (slope, -slope), strict=True):
            if wanted:
                with regrouped_out(blob.diff, difference.shape, self.workspace, "euclidean_loss:db") as diff:
                    self.xp.multiply(difference, factor, out=diff)
