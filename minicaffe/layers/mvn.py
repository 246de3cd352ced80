"""MVN, mean-variance normalization: each plane, or each picture, to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.formula import formula
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.normalization import Groups, centred
from minicaffe.layers.registry import register


@formula
def inverse_of_deviation(xp, variance, *, eps):
    return 1 / (xp.sqrt(variance) + eps)


@register("MVN")
class MVNLayer(Layer):
    """Normalizes each group of values by its own mean and variance.

        y = (x - mean) / (sqrt(variance) + eps)
        dx = (dy - mean(dy) - y * mean(dy * y)) / (sqrt(variance) + eps)

    or, with normalize_variance false,   y = x - mean,   dx = dy - mean(dy).

    A group is a channel of a picture, H * W values, or with across_channels the whole picture; means are over it.
    The gradient is Caffe's, which takes sqrt(variance) + eps for the deviation throughout.

    bottom[0]: x, up to 4 axes.  top[0]: y (N, C, H, W), 1 for each axis that x lacks; may be bottom[0] itself.
    mvn_param: normalize_variance (true); across_channels (false); eps (1e-9), added to the deviation.
    Source: Caffe's mvn_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1
    in_place = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.mvn_param
        self.normalize_variance, self.eps = param.normalize_variance, param.eps
        self.kept_axes = (0,) if param.across_channels else (0, 1)
        self.groups = Groups(self)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        shape = bottom[0].shape
        if len(shape) > 4:
            text = f"bottom[0] has the shape {shape_text(shape)}, must have at most 4 axes"
            raise self.error(ShapeError, f"{text}: batch, channels, height, width")
        self.shape = shape + (1,) * (4 - len(shape))
        self.groups.reshape(self.shape, self.kept_axes)
        top[0].reshape(*self.shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if not top[0].count:
            return
        groups, x, y = self.groups, bottom[0].data.reshape(self.shape), top[0].data
        groups.measure_mean(x)
        if not self.normalize_variance:
            self.apply(centred, x, groups.mean, out=y)
            return
        groups.measure_variance(x, out=groups.inverse)
        self.apply(inverse_of_deviation, groups.inverse, out=groups.inverse, eps=self.eps)
        groups.normalize(x, y, keep=self.top_is_overwritten)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0] or not top[0].count:
            return
        dy, dx = top[0].diff, bottom[0].diff.reshape(self.shape)
        if self.normalize_variance:
            self.groups.differentiate(top[0].data, dy, dx, kept=self.top_is_overwritten)
        else:
            self.groups.centre_gradient(dy, dx)
