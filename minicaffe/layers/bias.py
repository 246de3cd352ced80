"""Bias: adds an operand that is broadcast."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.broadcast_operand import BroadcastOperandLayer
from minicaffe.layers.normalization import itself
from minicaffe.layers.registry import register


@formula
def shifted(xp, x, beta):
    return x + beta


@register("Bias")
class BiasLayer(BroadcastOperandLayer):
    """Adds an operand, broadcast along the axes before and behind its own.

        y = x + beta          dx = dy          dbeta = sum of dy over the axes that beta lacks

    bottom[0]: x, any shape.  bottom[1], or else blobs[0], which is learned: beta, of x's sizes from `axis` on;
    without axes, one number for all.  top[0]: y, the shape of x; may be bottom[0] itself.
    bias_param: axis (1); with one bottom num_axes (1): how many axes beta has, -1 for all from `axis` on; filler (0).
    Source: Caffe's bias_layer.cpp.
    """

    settings = "bias_param"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        super().setup(bottom, top)
        if self.learned:
            self.add_parameter(self.operand_shape(bottom), self.param.filler, "bias_param.filler")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x, y = bottom[0].data, top[0].data
        self.apply(shifted, x, self.over(self.operand(bottom).data, x), out=y)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        dy = top[0].diff
        if self.param_propagate_down[0] if self.learned else propagate_down[1]:
            self.give_gradients(itself, (dy,), self.operand(bottom))
        if propagate_down[0] and top[0] is not bottom[0]:
            self.xp.copyto(bottom[0].diff, dy)
