"""SoftmaxWithLoss: softmax followed by the multinomial log loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer, Normalization, check_label_count, check_labels
from minicaffe.layers.registry import register

# Caffe's FLT_MIN, in float64 nets too.
SMALLEST_PROBABILITY = 1.1754943508222875e-38


@register("SoftmaxWithLoss")
class SoftmaxWithLossLayer(LossLayer):
    """How badly scores predict labels, in nats per counted position.

        p = softmax(x)          loss = -1 / Z * sum of ln max(p[label], FLT_MIN)
        dx = weight / Z * (p - onehot(label)), 0 where the label is ignored

    bottom[0]: x (*outer, K, *inner), scores of K classes.  bottom[1]: labels, outer * inner of them in any shape
    with the same first axis.  top[0]: the loss, a scalar.  top[1], optional: p, the shape of x, without a gradient.

    softmax_param.axis (default 1): the axis of the classes.  loss_param.ignore_label (default none): positions
    with this label count nowhere.  loss_param.normalization (VALID), normalize: Z, see Normalization.
    Source: Caffe's softmax_loss_layer.cpp.
    """

    exact_top = None
    min_top = 1
    max_top = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.normalization = Normalization(self.layer_param.loss_param)
        # In Caffe the second top itself, which a layer in place behind it overwrites before backward reads it.
        self.prob = self.new_like_top()
        self.divisor: Any = 1

    def find_class_axis(self, bottom: Blobs) -> int:
        return self.axis(bottom[0], self.layer_param.softmax_param.axis, "softmax_param.axis")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.class_axis = self.find_class_axis(bottom)
        self.outer = bottom[0].count_between(0, self.class_axis)
        self.positions = check_label_count(self, bottom[1], bottom[0], self.class_axis)
        for prob in (self.prob, *top[1:]):
            prob.reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        check_labels(self, bottom[1], bottom[0].shape[self.class_axis], self.normalization.ignore)
        if not bottom[0].count:
            top[0].data.fill(0)
            return
        self.kernels.softmax_forward(bottom[0].data, self.class_axis, self.prob.data, self.workspace)
        for prob in top[1:]:
            self.xp.copyto(prob.data, self.prob.data)
        total, valid = self.total_loss(bottom)
        self.divisor = self.normalization.divisor(self.outer, self.positions, valid, self.xp)
        top[0].data[...] = total / self.divisor

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0] and bottom[0].count:
            self.gradient(bottom, self.slope(top, self.divisor))

    def total_loss(self, bottom: Blobs) -> tuple[Any, Any]:
        """(the sum of all losses, the number of positions that count), on the device."""
        prob, label, ignore = self.prob.data, bottom[1].data, self.normalization.ignore
        return self.kernels.log_loss_forward(prob, label, self.class_axis, ignore, SMALLEST_PROBABILITY, self.workspace)

    def gradient(self, bottom: Blobs, slope: Any) -> None:
        """dx = slope * the gradient of the sum of all losses."""
        prob, label, ignore = self.prob.data, bottom[1].data, self.normalization.ignore
        self.kernels.softmax_loss_backward(prob, label, self.class_axis, ignore, slope, bottom[0].diff)
