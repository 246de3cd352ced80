"""LRN, local response normalization: each value divided by what its neighbours amount to."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@register("LRN")
class LRNLayer(Layer):
    """Local response normalization, across channels or within each.

        ACROSS_CHANNELS  s = k + alpha / n * sum of x^2 over n channels        y = x * s^-beta
        WITHIN_CHANNEL   s = 1 + alpha / n^2 * sum of x^2 over n x n pixels    y = x * s^-beta
        dx = dy * s^-beta - 2 * alpha / n[^2] * beta * x * sum of dy * y / s over the same window

    The window lies around the value; what is outside the picture counts as 0.

    bottom[0]: x (N, C, H, W).  top[0]: y, the shape of x.
    lrn_param: local_size (5): n, odd; alpha (1); beta (0.75); k (1), which WITHIN_CHANNEL does not use, as in Caffe;
    norm_region (ACROSS_CHANNELS). engine changes nothing here.
    Source: Caffe's lrn_layer.cpp; Krizhevsky et al., NIPS 2012, section 3.3.
    """

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.lrn_param
        if param.local_size % 2 == 0:
            text = f"is {param.local_size}, must be odd: the window lies around a value; use {param.local_size + 1}"
            raise self.error(ParamError, text, "lrn_param.local_size")
        across = param.norm_region == caffe_pb2.LRNParameter.ACROSS_CHANNELS
        self.axes = (1,) if across else (2, 3)
        self.size, self.beta = param.local_size, param.beta
        self.alpha = param.alpha / self.size ** len(self.axes)
        # As lrn_layer.cpp: within a channel the power layer inside has a shift of 1.
        self.k = param.k if across else 1.0
        self.scale = self.new_like_top()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        shape = bottom[0].shape
        if len(shape) != 4:
            text = f"bottom[0] has the shape {shape_text(shape)}, must have 4 axes: batch, channels, height, width"
            raise self.error(ShapeError, text)
        top[0].reshape(*shape)
        self.scale.reshape(*shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        numbers = self.axes, self.size, self.alpha, self.beta, self.k
        self.kernels.lrn_forward(bottom[0].data, *numbers, top[0].data, self.scale.data, self.workspace)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            x, dy, dx = bottom[0].data, top[0].diff, bottom[0].diff
            numbers = self.axes, self.size, self.alpha, self.beta
            self.kernels.lrn_backward(x, self.scale.data, dy, *numbers, dx, self.workspace)
