"""ReLU, the rectified linear unit, and its leaky form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend import layout
from minicaffe.layers.base import Blobs, NeuronLayer
from minicaffe.layers.registry import register


@register("ReLU")
class ReLULayer(NeuronLayer):
    """Rectified linear unit, on each element alone.

        y = max(x, 0) + s * min(x, 0)         dx = dy * ([x > 0] + s * [x <= 0])

    NaN stays NaN; -inf with s = 0 gives 0 (in Caffe 0 * inf, NaN).

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    relu_param.negative_slope (default 0): s, the slope below zero. engine changes nothing here.
    Source: Caffe's relu_layer.cpp; Nair & Hinton, ICML 2010; leaky: Maas et al., ICML 2013.
    """

    in_place = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.slope = self.layer_param.relu_param.negative_slope
        # With s < 0 the sign of y no longer tells that of x, which an in-place top has overwritten.
        self.keeps_sign = self.slope < 0
        self.above: Any = None

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        xp, x, y = self.xp, bottom[0].data, top[0].data
        if self.keeps_sign:
            self.above = self.positive(x, self.above)
        if not self.slope:
            xp.maximum(x, 0, out=y)
            return
        below = xp.minimum(x, 0, out=self.scratch(x))
        below *= self.slope
        xp.maximum(x, 0, out=y)
        y += below

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        xp, x, dy, dx = self.xp, bottom[0].data, top[0].diff, bottom[0].diff
        above = self.above if self.keeps_sign else self.positive(x, self.mask_memory(x))
        if not self.slope:
            xp.multiply(dy, above, out=dx)
            return
        factor = self.scratch(x)
        factor.fill(self.slope)
        xp.copyto(factor, 1, where=above)
        xp.multiply(dy, factor, out=dx)

    def positive(self, x: Any, out: Any) -> Any:
        """x > 0 in `out`, or in new memory where `out` does not fit."""
        if out is None or out.shape != x.shape:
            out = layout.view(self.xp.empty(x.size, bool), x.shape, layout.order_of(x))
        return self.xp.greater(x, 0, out=out)

    def mask_memory(self, x: Any) -> Any:
        return self.workspace.like(x, "relu:above", bool)
