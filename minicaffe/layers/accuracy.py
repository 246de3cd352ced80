"""Accuracy: how many positions have their label among the top k scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.loss_layer import check_label_count, check_labels
from minicaffe.layers.registry import register


@register("Accuracy")
class AccuracyLayer(Layer):
    """Share of positions whose label is among the top_k best scores. A metric: it has no gradient.

    A position is correct when fewer than top_k other classes score at least as much as its label's: a tie
    counts as worse. A score that is NaN compares with nothing, and its position counts as correct.

    bottom[0]: x (*outer, K, *inner), scores.  bottom[1]: labels, outer * inner of them.
    top[0]: correct / counted positions, a scalar, 0 if none.  top[1], optional: the same for each class, (K).
    accuracy_param: top_k (1); axis (1), the axis of the classes; ignore_label (none): such positions count nowhere.
    Source: Caffe's accuracy_layer.cpp.
    """

    exact_bottom = 2
    min_top = 1
    max_top = 2
    no_gradient = {0: "the scores of a metric", 1: "the labels"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.accuracy_param
        self.top_k = param.top_k
        self.ignore = param.ignore_label if param.HasField("ignore_label") else None

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        x, label = bottom
        self.class_axis = self.axis(x, self.layer_param.accuracy_param.axis, "accuracy_param.axis")
        self.classes = x.shape[self.class_axis]
        check_label_count(self, label, x, self.class_axis)
        if self.top_k > self.classes:
            text = f"is {self.top_k}, must be at most {self.classes}, the number of classes"
            raise self.error(ParamError, text, "accuracy_param.top_k")
        top[0].reshape()
        if len(top) > 1:
            top[1].reshape(self.classes)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        check_labels(self, bottom[1], self.classes, self.ignore)
        xp, x, label = self.xp, bottom[0].data, bottom[1].data
        correct = self.workspace.array("accuracy:correct", label.shape, "uint8")
        valid = self.workspace.array("accuracy:valid", label.shape, "uint8")
        if label.size:
            self.kernels.accuracy_forward(x, label, self.class_axis, self.top_k, self.ignore, correct, valid)
        # Sums of bytes, counted in a type that cannot run over; all stays on the device.
        total, right = xp.sum(valid, dtype="int64"), xp.sum(correct, dtype="int64")
        top[0].data[...] = right / xp.maximum(total, 1)
        if len(top) > 1:
            self.per_class(label, correct, valid, top[1])

    def per_class(self, label: Any, correct: Any, valid: Any, top: Blob) -> None:
        """Ignored positions have weight 0, and class 0 so that they are a class at all."""
        xp = self.xp
        index = (label * valid).astype("int64").reshape(-1)
        totals = xp.bincount(index, valid.reshape(-1), self.classes)
        right = xp.bincount(index, correct.reshape(-1), self.classes)
        top.data[...] = right / xp.maximum(totals, 1)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing to do: no bottom can have a gradient."""
