"""What losses and metrics share: a weighted scalar as top, sums on the device, labels checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from minicaffe.backend.formula import Formula
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import DataError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.row_index import first_bad
from minicaffe.proto import caffe_pb2


class LossLayer(Layer):
    """A layer whose top is a loss: a scalar, weighted 1 unless loss_weight says otherwise.

    bottom[0]: predictions.  bottom[1]: labels or targets, of the same batch size.
    Where Z below is 0 in Caffe, and the loss NaN, because nothing is there to count, the loss is 0.
    """

    exact_bottom: ClassVar[int | None] = 2
    exact_top: ClassVar[int | None] = 1
    auto_top = True
    not_forced: ClassVar[tuple[int, ...]] = (1,)
    no_gradient: Mapping[int, str] = {1: "the labels or targets"}
    _class_numbers: Any = None

    def initialize(self, bottom: Blobs, top: Blobs) -> None:
        if not self.layer_param.loss_weight:
            # Further tops (the probabilities of SoftmaxWithLoss) weigh nothing.
            self.layer_param.loss_weight.extend([1.0] + [0.0] * (len(top) - 1))
        super().initialize(bottom, top)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        predictions, labels = bottom[0].shape, bottom[1].shape
        if predictions[:1] != labels[:1] or not predictions:
            text = f"bottom[0] {shape_text(predictions)} and bottom[1] {shape_text(labels)}"
            raise self.error(ShapeError, f"{text} must have the same first axis, the batch size")
        top[0].reshape()

    def sums(self, formula: Formula, *arrays: Any, out: tuple = (), count: int = 1, **numbers: float) -> list[Any]:
        """Evaluate a formula for each element: its first results go into `out`, the last `count` are summed.

        Returns the sums: 0-d arrays of the device, in float64, lent until the layer's forward returns.
        """
        sums = self.workspace.array("loss:sums", (count, *[1] * arrays[0].ndim), "float64")
        self.kernels.sum_to(formula, arrays, (*out, *sums), numbers, self.workspace)
        return [total.reshape(()) for total in sums]

    def slope(self, top: Blobs, divisor: Any) -> Any:
        """How fast the objective changes with the undivided sum: top[0].diff / divisor.

        A 0-d array of the net's own type, on the device: nothing is transferred, nothing widened.
        """
        return (top[0].diff / divisor).astype(self.context.dtype)

    def class_numbers(self, scores: Any) -> Any:
        """0, 1, ... K - 1 for scores (N, K), in their type: what a formula compares labels with."""
        if self._class_numbers is None or self._class_numbers.size != scores.shape[1]:
            self._class_numbers = self.xp.arange(scores.shape[1], dtype=scores.dtype)
        return self._class_numbers

    def refuse_many_axes(self, bottom: Blobs) -> None:
        """Raises ShapeError for more axes than num, channels, height and width, as Caffe does."""
        for index, blob in enumerate(bottom):
            if blob.num_axes > 4:
                text = f"bottom[{index}] has the shape {shape_text(blob.shape)}, {self.type} takes at most 4 axes"
                raise self.error(ShapeError, f"{text}: put a Reshape in front")


class Normalization:
    """What loss_param says: the label that counts nowhere, and Z, by which a sum over positions is divided.

        FULL  all positions          VALID  those whose label is not ignored
        BATCH_SIZE  outer            NONE  1

    outer: the places along the axes before that of the classes.  Z is at least 1.
    loss_param.normalization picks; where it is silent, normalize does: true is VALID, false is BATCH_SIZE.

    ignore: loss_param.ignore_label or None.  mode: by name; `default` where both are silent.
    Source: Caffe's softmax_loss_layer.cpp, get_normalizer.
    """

    def __init__(self, param: Any, default: str = "VALID") -> None:
        self.ignore = param.ignore_label if param.HasField("ignore_label") else None
        self.mode = default
        if param.HasField("normalization"):
            self.mode = caffe_pb2.LossParameter.NormalizationMode.Name(param.normalization)
        elif param.HasField("normalize"):
            self.mode = "VALID" if param.normalize else "BATCH_SIZE"

    def divisor(self, outer: int, positions: int, valid: Any, xp: Any) -> Any:
        """Z.  valid: the number of positions not ignored, perhaps still on the device."""
        count = {"FULL": positions, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[self.mode]
        return max(1, count) if isinstance(count, int) else xp.maximum(count, 1)


def check_label_count(layer: Layer, labels: Blob, scores: Blob, axis: int) -> int:
    """The number of positions, all places along the axes of the scores but `axis`: each needs a label."""
    positions = scores.count_between(0, axis) * scores.count_between(axis + 1)
    if labels.count != positions:
        text = f"bottom[1] {shape_text(labels.shape)} holds {labels.count} labels, must hold {positions}: one for"
        text += f" each position of bottom[0] {shape_text(scores.shape)} along all axes but {axis}"
        raise layer.error(ShapeError, text)
    return positions


def check_labels(layer: Layer, labels: Blob, classes: int, ignore: int | None = None) -> None:
    """Raises DataError for a label outside 0 ... classes - 1 that is not ignored. Call it before labels.data."""
    place, value = first_bad(layer, labels, "find_bad_label", classes, ignore)
    if place >= 0:
        ignored = "" if ignore is None else f" (or {ignore}, which is ignored)"
        accepted = f"must lie between 0 and {classes - 1}{ignored}" if classes else "and there are no classes"
        text = f"bottom[1] holds the label {value:g} at position {place}, {accepted}"
        raise layer.error(DataError, f"{text}: correct the labels, or the number of classes")
