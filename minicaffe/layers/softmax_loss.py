"""SoftmaxWithLoss: softmax followed by the multinomial log loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer, check_labels
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@register("SoftmaxWithLoss")
class SoftmaxWithLossLayer(LossLayer):
    """How badly scores predict labels, in nats per counted position.

        p = softmax(x)          loss = -1 / Z * sum of ln max(p[label], FLT_MIN)
        dx = weight / Z * (p - onehot(label)), 0 where the label is ignored

    bottom[0]: x (*outer, K, *inner), scores of K classes.  bottom[1]: labels, outer * inner of them in any shape
    with the same first axis.  top[0]: the loss, a scalar.  top[1], optional: p, the shape of x, without a gradient.

    softmax_param.axis (default 1): the axis of the classes.  loss_param.ignore_label (default none): positions
    with this label count nowhere.  loss_param.normalization picks Z, which is at least 1:
    FULL outer * inner, VALID (default) the positions not ignored, BATCH_SIZE outer, NONE 1;
    loss_param.normalize, the older form: true is VALID, false is BATCH_SIZE.
    Source: Caffe's softmax_loss_layer.cpp.
    """

    exact_top = None
    min_top = 1
    max_top = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.loss_param
        self.ignore = param.ignore_label if param.HasField("ignore_label") else None
        self.normalization = normalization_of(param)
        # The second top is the layer's own memory of the probabilities, as in Caffe.
        self.prob = top[1] if len(top) > 1 else self.new_like_top()
        self.divisor: Any = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.class_axis = self.axis(bottom[0], self.layer_param.softmax_param.axis, "softmax_param.axis")
        self.outer = bottom[0].count_between(0, self.class_axis)
        self.positions = self.outer * bottom[0].count_between(self.class_axis + 1)
        if bottom[1].count != self.positions:
            text = f"bottom[1] {bottom[1].shape} holds {bottom[1].count} labels, must hold {self.positions}: one for"
            raise self.error(
                ShapeError, f"{text} each position of bottom[0] {bottom[0].shape} but axis {self.class_axis}"
            )
        self.prob.reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if not self.positions:
            top[0].data.fill(0)
            return
        check_labels(self, bottom[1], bottom[0].shape[self.class_axis], self.ignore)
        x, label, prob = bottom[0].data, bottom[1].data, self.prob.data
        self.kernels.softmax_forward(x, self.class_axis, prob, self.workspace)
        total, valid = self.kernels.softmax_loss_forward(prob, label, self.class_axis, self.ignore, self.workspace)
        self.divisor = self.normalizer(valid)
        top[0].data[...] = total / self.divisor

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0] or not self.positions:
            return
        dx = bottom[0].diff
        self.kernels.softmax_loss_backward(self.prob.data, bottom[1].data, self.class_axis, self.ignore, dx)
        # Still a 0-d array of the device, of dx's own type: nothing is transferred, nothing widened.
        dx *= (top[0].diff / self.divisor).astype(dx.dtype)

    def normalizer(self, valid: Any) -> Any:
        """Z.  valid: the number of positions not ignored, on the device."""
        counts = {"FULL": self.positions, "BATCH_SIZE": self.outer, "NONE": 1}
        # At least 1, so that a batch without a counted label has loss 0, not NaN.
        return max(1, counts[self.normalization]) if self.normalization in counts else self.xp.maximum(valid, 1)


def normalization_of(param: Any) -> str:
    """The mode by name; `normalize` speaks only where `normalization` is silent."""
    if param.HasField("normalization") or not param.HasField("normalize"):
        return caffe_pb2.LossParameter.NormalizationMode.Name(param.normalization)
    return "VALID" if param.normalize else "BATCH_SIZE"
