"""Softmax, the normalized exponential."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.kept import Kept
from minicaffe.layers.registry import register


@register("Softmax")
class SoftmaxLayer(Layer):
    """Scores to probabilities, along one axis, for each position along the others.

        y = e^(x - max x) / sum of e^(x - max x)         dx = y * (dy - sum of dy * y)

    bottom[0]: x, at least one axis.  top[0]: y, the shape of x; may be bottom[0] itself.
    softmax_param.axis (default 1; negative counts from the end): the axis of the classes.
    Source: Caffe's softmax_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1
    in_place = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.kept = Kept(self)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.class_axis = self.axis(bottom[0], self.layer_param.softmax_param.axis, "softmax_param.axis")
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if top[0].count:
            self.kernels.softmax_forward(bottom[0].data, self.class_axis, top[0].data, self.workspace)
            self.kept.keep_top(top)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0] and top[0].count:
            y, dy, dx = self.kept.y(top), top[0].diff, bottom[0].diff
            self.kernels.softmax_backward(y, dy, self.class_axis, dx, self.workspace)
