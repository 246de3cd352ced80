"""What losses and metrics share: a weighted scalar as top, labels that are checked before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from minicaffe.backend import CPU
from minicaffe.blob import DATA, Blob
from minicaffe.errors import DataError, GraphError, ShapeError
from minicaffe.layers.base import Blobs, Layer


class LossLayer(Layer):
    """A layer whose top is a loss: a scalar, weighted 1 unless loss_weight says otherwise.

    bottom[0]: predictions.  bottom[1]: labels or targets, of the same batch size; no gradient goes there.
    """

    exact_bottom = 2
    exact_top: ClassVar[int | None] = 1
    auto_top = True
    not_forced = (1,)

    def initialize(self, bottom: Blobs, top: Blobs) -> None:
        if not self.layer_param.loss_weight:
            # Further tops (the probabilities of SoftmaxWithLoss) weigh nothing.
            self.layer_param.loss_weight.extend([1.0] + [0.0] * (len(top) - 1))
        super().initialize(bottom, top)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        predictions, labels = bottom[0].shape, bottom[1].shape
        if predictions[:1] != labels[:1] or not predictions:
            text = f"bottom[0] {predictions} and bottom[1] {labels} must have the same first axis, the batch size"
            raise self.error(ShapeError, text)
        top[0].reshape()

    def run_backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        for index in self.not_forced:
            if index < len(propagate_down) and propagate_down[index]:
                text = f"cannot back-propagate to bottom[{index}], the labels"
                raise self.error(GraphError, f"{text}: take it out of propagate_down", "propagate_down")
        super().run_backward(top, propagate_down, bottom)


def check_labels(layer: Layer, labels: Blob, classes: int, ignore: int | None) -> None:
    """Raises DataError for a label outside 0 ... classes - 1 that is not the ignored one.

    Labels fresh from the host are looked at there, which spares a GPU the wait. Call it before labels.data.
    """
    if labels.storage(DATA).host_is_newer:
        label: Any = labels.host_array(DATA)
        place = CPU.kernels.find_bad_label(label, classes, ignore)
    else:
        label = labels.data
        place = layer.kernels.find_bad_label(label, classes, ignore)
    if place >= 0:
        value = float(label.reshape(-1)[place])
        ignored = "" if ignore is None else f" (or {ignore}, which is ignored)"
        text = f"bottom[1] holds the label {value:g} at position {place}, must lie between 0 and {classes - 1}{ignored}"
        raise layer.error(DataError, f"{text}: correct the labels, or the number of classes")
