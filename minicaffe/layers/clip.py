"""Clip: values kept within an interval."""

from __future__ import annotations

from typing import Any

from minicaffe import log
from minicaffe.backend.formula import formula
from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def clip(xp, x, *, low, high):
    # fmax passes NaN over; it becomes low, as std::max makes it.
    return xp.fmin(xp.fmax(x, low), high)


@formula
def clip_gradient(xp, x, dy, *, low, high):
    return dy * ((x >= low) & (x <= high))


@register("Clip")
class ClipLayer(NeuronLayer):
    """Each element, or the nearer end of an interval.

        y = max(min, min(x, max)), min for NaN         dx = dy where min <= x <= max, else 0

    Where min is above max, y is min and dx is 0 everywhere, as in Caffe; that is warned of.

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    clip_param: min and max, both required.
    Source: Caffe's clip_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.clip_param
        if not self.layer_param.HasField("clip_param"):
            # Caffe would clamp everything to 0.
            text = "is absent: give the interval, clip_param { min: 0 max: 6 }"
            raise self.error(ParamError, text, "clip_param")
        self.interval = {"low": param.min, "high": param.max}
        for name, end in (("min", param.min), ("max", param.max)):
            if end != end:
                raise self.error(ParamError, "is nan, must be a number", f"clip_param.{name}")
        if param.min > param.max:
            text = f"layer '{self.name}': clip_param.min {param.min:g} is above clip_param.max {param.max:g}"
            log.warning(f"{text}: as in Caffe every value becomes {param.min:g}, and no gradient passes")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        low, high = self.interval["low"], self.interval["high"]
        self.apply(clip, self.kept.bottom(bottom, top), out=top[0].data, low=low, high=max(low, high))

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        self.apply(clip_gradient, self.kept.x(bottom), dy, out=dx, **self.interval)
