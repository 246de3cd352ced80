"""InfogainLoss: the log loss with a price for every pair of a true and a predicted class."""

from __future__ import annotations

from typing import Any, ClassVar

from minicaffe.blob import DATA, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.io.blobproto import read_binaryproto
from minicaffe.layers.base import Blobs
from minicaffe.layers.registry import register
from minicaffe.layers.softmax_loss import SoftmaxWithLossLayer
from minicaffe.layers.source import placing_source_errors

SMALLEST_PROBABILITY = 1e-20


@register("InfogainLoss")
class InfogainLossLayer(SoftmaxWithLossLayer):
    """How badly scores predict labels, each pair of classes weighted by a matrix H.

        p = softmax(x)          loss = -1 / Z * sum over positions and classes k of H[label, k] ln max(p[k], 1e-20)
        dx[k] = weight / Z * (p[k] * sum of H[label] - H[label, k]), 0 where the label is ignored

    With H = identity it is SoftmaxWithLoss, but for where p is clamped.

    bottom[0]: x (*outer, K, *inner), scores of K classes.  bottom[1]: labels, outer * inner of them in any shape
    with the same first axis.  bottom[2], optional: H, K * K values row by row, without a gradient.
    top[0]: the loss, a scalar.  top[1], optional: p, the shape of x, without a gradient.

    infogain_loss_param.source: a BlobProto file with H, needed without bottom[2].
    infogain_loss_param.axis (default 1): the axis of the classes; softmax_param.axis has no effect.
    loss_param.ignore_label (default none), normalization (VALID): as SoftmaxWithLoss; normalize is refused.
    Source: Caffe's infogain_loss_layer.cpp.
    """

    exact_bottom: ClassVar[int | None] = None
    min_bottom = 2
    max_bottom = 3
    no_gradient = {1: "the labels", 2: "the matrix"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        super().setup(bottom, top)
        loss_param = self.layer_param.loss_param
        if loss_param.HasField("normalize"):
            mode = "VALID" if loss_param.normalize else "BATCH_SIZE"
            text = f"is {str(loss_param.normalize).lower()}, InfogainLoss does not take it: say normalization: {mode}"
            raise self.error(ParamError, text, "loss_param.normalize")
        self.matrix = bottom[2] if len(bottom) > 2 else self.read_matrix()

    def read_matrix(self) -> Any:
        """The blob in the file that infogain_loss_param.source names."""
        param, field = self.layer_param.infogain_loss_param, "infogain_loss_param.source"
        if not param.HasField("source"):
            text = "is absent: name a .binaryproto file with the matrix, or give the matrix as a third bottom"
            raise self.error(ParamError, text, field)
        with placing_source_errors(self, field):
            stored = read_binaryproto(param.source)
        matrix = self.new_blob(stored.shape)
        matrix.load(DATA, stored.data)
        return matrix

    def find_class_axis(self, bottom: Blobs) -> int:
        return self.axis(bottom[0], self.layer_param.infogain_loss_param.axis, "infogain_loss_param.axis")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.classes = bottom[0].shape[self.class_axis]
        if self.matrix.count != self.classes**2:
            text = f"with {self.matrix.count} values, must have {self.classes**2}: one for each pair of {self.classes}"
            text += f" classes, the size of axis {self.class_axis} of bottom[0] {shape_text(bottom[0].shape)}"
            if len(bottom) > 2:
                raise self.error(ShapeError, f"bottom[2] {shape_text(bottom[2].shape)} is a matrix {text}")
            source = self.layer_param.infogain_loss_param.source
            raise self.error(ShapeError, f"is {source}, a matrix {text}", "infogain_loss_param.source")

    def total_loss(self, bottom: Blobs) -> tuple[Any, Any]:
        prob, label, ignore = self.prob.data, bottom[1].data, self.normalization.ignore
        return self.kernels.infogain_loss_forward(
            prob, label, self.weights(), self.class_axis, ignore, SMALLEST_PROBABILITY, self.workspace
        )

    def gradient(self, bottom: Blobs, slope: Any) -> None:
        prob, label, ignore = self.prob.data, bottom[1].data, self.normalization.ignore
        self.kernels.infogain_loss_backward(
            prob, label, self.weights(), self.class_axis, ignore, slope, bottom[0].diff, self.workspace
        )

    def weights(self) -> Any:
        """H as (K, K), whatever the shape it came in."""
        return self.matrix.data.reshape(self.classes, self.classes)
