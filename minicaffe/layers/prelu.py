"""PReLU: a rectifier that learns its slope below zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import formula
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2

USUAL_SLOPE = caffe_pb2.FillerParameter(type="constant", value=0.25)


@formula
def prelu(xp, x, a):
    return xp.maximum(x, 0) + a * xp.minimum(x, 0)


@formula
def prelu_gradient(xp, x, dy, a):
    return dy * xp.where(x > 0, 1, a)


@formula
def slope_gradient(xp, x, dy):
    return dy * xp.minimum(x, 0)


@register("PReLU")
class PReLULayer(NeuronLayer):
    """A ReLU whose slope below zero is learned, for each channel or for all together.

        y = max(x, 0) + a * min(x, 0)
        dx = dy * ([x > 0] + a * [x <= 0])         da = sum over the channel of dy * min(x, 0)

    NaN stays NaN; its slope is a (in Caffe 0).

    bottom[0]: x (N, C, ...), 2 to 4 axes.  top[0]: y, the shape of x; may be bottom[0] itself.
    blobs: a (C), or a scalar if channel_shared.
    prelu_param: filler of a (constant 0.25 where it is absent); channel_shared (false).
    Source: Caffe's prelu_layer.cpp; He et al., ICCV 2015, arXiv:1502.01852, section 2.1.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.prelu_param
        self.check_axes(bottom)
        self.shared = param.channel_shared
        filler = param.filler if param.HasField("filler") else USUAL_SLOPE
        self.add_parameter(() if self.shared else bottom[0].shape[1:2], filler, "prelu_param.filler")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.check_axes(bottom)
        channels, slopes = bottom[0].shape[1], self.blobs[0].count
        if not self.shared and channels != slopes:
            text = f"bottom[0] {shape_text(bottom[0].shape)} has {channels} channels, must have {slopes}"
            raise self.error(ShapeError, f"{text}, one for each slope; channel_shared: true takes any number")
        super().reshape(bottom, top)

    def check_axes(self, bottom: Blobs) -> None:
        axes = len(bottom[0].shape)
        if not 2 <= axes <= 4:
            text = f"bottom[0] {shape_text(bottom[0].shape)} has {axes} axes, must have 2 to 4"
            raise self.error(ShapeError, f"{text}: batch, channels and up to two more")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x = self.kept.bottom(bottom, top)
        self.apply(prelu, x, self.along_channels(self.blobs[0].data, x.ndim), out=top[0].data)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        # First the slopes: in place, dx is dy's own memory.
        if self.param_propagate_down[0]:
            x, da = self.kept.x(bottom), self.blobs[0].diff
            sums = self.workspace.array("prelu:da", self.along_channels(da, x.ndim).shape, da.dtype)
            self.kernels.sum_to(slope_gradient, (x, top[0].diff), (sums,), {}, self.workspace)
            da += sums.reshape(da.shape)
        super().backward(top, propagate_down, bottom)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(prelu_gradient, self.kept.x(bottom), dy, self.along_channels(self.blobs[0].data, dy.ndim), out=dx)

    def along_channels(self, a: Any, axes: int) -> Any:
        """The slopes (or their gradient), to be broadcast over a blob of so many axes."""
        return a.reshape(1, a.size, *(1,) * (axes - 2))
