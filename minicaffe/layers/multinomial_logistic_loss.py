"""MultinomialLogisticLoss: the log loss of given probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer, check_labels
from minicaffe.layers.registry import register

SMALLEST_PROBABILITY = 1e-20


@register("MultinomialLogisticLoss")
class MultinomialLogisticLossLayer(LossLayer):
    """How badly probabilities predict labels, in nats per item.

        loss = -1 / N * sum of ln max(p[label], 1e-20)
        dp[label] = -weight / (N * max(p[label], 1e-20)), all others 0

    bottom[0]: p (N, ...), up to 4 axes, the probabilities of as many classes as an item has values.
    bottom[1]: labels (N) or (N, 1, 1, 1).  top[0]: the loss, a scalar.  loss_param has no effect, as in Caffe.
    SoftmaxWithLoss is the stabler way to train.
    Source: Caffe's multinomial_logistic_loss_layer.cpp.
    """

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.refuse_many_axes(bottom)
        if bottom[1].count_between(1) != 1:
            text = f"bottom[1] {shape_text(bottom[1].shape)} must have one label an item"
            raise self.error(ShapeError, f"{text}: the sizes behind the first must be 1")
        self.matrix = (bottom[0].shape[0], bottom[0].count_between(1))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        check_labels(self, bottom[1], self.matrix[1])
        total: Any = 0
        if bottom[0].count:
            p = regrouped(bottom[0].data, self.matrix, self.workspace, "multinomial_logistic_loss:p")
            label, smallest = bottom[1].data, SMALLEST_PROBABILITY
            total, _ = self.kernels.log_loss_forward(p, label, 1, None, smallest, self.workspace)
        top[0].data[...] = total / max(1, self.matrix[0])

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        xp, slope = self.xp, self.slope(top, max(1, self.matrix[0]))
        p = regrouped(bottom[0].data, self.matrix, self.workspace, "multinomial_logistic_loss:p")
        label = bottom[1].data.reshape(-1, 1).astype("int64")
        chosen = xp.take_along_axis(p, label, 1)
        with regrouped_out(bottom[0].diff, self.matrix, self.workspace, "multinomial_logistic_loss:dp") as dp:
            dp.fill(0)
            xp.put_along_axis(dp, label, -slope / xp.maximum(chosen, SMALLEST_PROBABILITY), 1)
