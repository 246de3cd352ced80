"""BatchNorm: each channel to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.blob import shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import TEST, Blobs, Layer
from minicaffe.layers.normalization import Groups
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@formula
def inverse_deviation(xp, variance, *, eps):
    return 1 / xp.sqrt(variance + eps)


@formula
def moving_sum(xp, before, value, *, fraction, weight):
    return fraction * before + weight * value


@formula
def global_statistics(xp, mean_sum, variance_sum, weight, *, eps):
    factor = xp.where(weight == 0, 0, 1 / weight)
    return mean_sum * factor, 1 / xp.sqrt(variance_sum * factor + eps)


@register("BatchNorm")
class BatchNormLayer(Layer):
    """Normalizes each channel by its mean and variance: those of the batch, or those gathered so far.

        y = (x - mean) / sqrt(variance + eps)
        batch:   dx = (dy - mean(dy) - y * mean(dy * y)) / sqrt(variance + eps)
        global:  dx = dy / sqrt(variance + eps)

    All means are over the m values of a channel; the variance divides by m. Each forward pass on the batch's own
    statistics gathers them, with f the moving_average_fraction:

        blobs[0] = f * blobs[0] + mean
        blobs[1] = f * blobs[1] + variance * m / (m - 1)
        blobs[2] = f * blobs[2] + 1

    The global mean is blobs[0] / blobs[2], and the variance likewise; 0 as long as blobs[2] is.

    bottom[0]: x (N, C, ...), at least 2 axes.  top[0]: y, the shape of x; may be bottom[0] itself.
    blobs: (C), (C), (1), all 0 at first; no solver trains them, and their lr_mult must be 0 where it is given.
    batch_norm_param: use_global_stats (TRAIN: false, TEST: true); moving_average_fraction (0.999); eps (1e-5).
    No scale, no shift: a Scale layer with bias_term has them.
    Source: Caffe's batch_norm_layer.cpp; Ioffe & Szegedy, ICML 2015, arXiv:1502.03167.
    """

    exact_bottom = 1
    exact_top = 1
    in_place = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.batch_norm_param
        self.use_global_stats = param.use_global_stats if param.HasField("use_global_stats") else self.phase == TEST
        self.fraction, self.eps = param.moving_average_fraction, param.eps
        self.channels = channels_of(self, bottom)
        for shape in ((self.channels,), (self.channels,), (1,)):
            self.add_parameter(shape, caffe_pb2.FillerParameter(), "blobs")
        self.freeze_parameters()
        self.groups = Groups(self)

    def freeze_parameters(self) -> None:
        """Statistics are not trained: Caffe writes that into the layer's own message, and so into saved nets."""
        specs = self.layer_param.param
        for index in range(len(self.blobs)):
            if index == len(specs):
                specs.add(lr_mult=0)
            elif specs[index].lr_mult != 0:
                text = (
                    f"is {specs[index].lr_mult:g}, must be 0: BatchNorm's blobs are statistics, which no solver trains"
                )
                raise self.error(ParamError, f"{text}; leave the layer's param out", f"param[{index}].lr_mult")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        channels = channels_of(self, bottom)
        if channels != self.channels:
            text = f"bottom[0] has the shape {shape_text(bottom[0].shape)}: {channels} channels, must have"
            raise self.error(ShapeError, f"{text} {self.channels} as the statistics have")
        self.groups.reshape(bottom[0].shape, kept=(1,))
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if not top[0].count:
            return
        x, y = bottom[0].data, top[0].data
        if self.use_global_stats:
            self.recall_statistics()
        else:
            self.gather_statistics(x)
        self.groups.normalize(x, y, keep=self.keeps_top)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0] or not top[0].count:
            return
        dy, dx = top[0].diff, bottom[0].diff
        if self.use_global_stats:
            self.xp.multiply(dy, self.groups.inverse, out=dx)
        else:
            self.groups.differentiate(top[0].data, dy, dx, kept=self.keeps_top)

    @property
    def keeps_top(self) -> bool:
        """Whether backward needs a top that a later layer overwrites."""
        return self.top_is_overwritten and not self.use_global_stats

    def gather_statistics(self, x: Any) -> None:
        groups, inverse = self.groups, self.groups.inverse
        groups.measure_mean(x)
        groups.measure_variance(x, out=inverse)
        self.add_to_blob(0, groups.mean, 1)
        self.add_to_blob(1, inverse, groups.size / max(1, groups.size - 1))
        count = self.blobs[2].data
        count *= self.fraction
        count += 1
        self.apply(inverse_deviation, inverse, out=inverse, eps=self.eps)

    def add_to_blob(self, index: int, value: Any, weight: float) -> None:
        total = self.blobs[index].data.reshape(value.shape)
        self.apply(moving_sum, total, value, out=total, fraction=self.fraction, weight=weight)

    def recall_statistics(self) -> None:
        mean, inverse = self.groups.mean, self.groups.inverse
        sums = (blob.data.reshape(mean.shape) for blob in self.blobs[:2])
        self.apply(global_statistics, *sums, self.blobs[2].data, out=(mean, inverse), eps=self.eps)


def channels_of(layer: Layer, bottom: Blobs) -> int:
    shape = bottom[0].shape
    if len(shape) < 2:
        text = f"bottom[0] has the shape {shape_text(shape)}, must have at least 2 axes: the batch, then the channels"
        raise layer.error(ShapeError, text)
    return shape[1]
