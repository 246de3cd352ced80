"""Threshold: is a value above a limit?"""

from __future__ import annotations

from minicaffe.backend.formula import formula
from minicaffe.layers.base import Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def threshold(xp, x, *, limit):
    return x > limit


@register("Threshold")
class ThresholdLayer(NeuronLayer):
    """Ones and zeros.

        y = 1 where x > threshold, else 0; 0 for NaN. There is no gradient.

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    threshold_param.threshold (default 0).
    Source: Caffe's threshold_layer.cpp.
    """

    no_gradient = {0: "over which a threshold is flat"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.threshold = self.layer_param.threshold_param.threshold

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.apply(threshold, bottom[0].data, out=top[0].data, limit=self.threshold)
