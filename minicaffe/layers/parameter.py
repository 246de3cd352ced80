"""Parameter: a learnable blob as a top."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import DATA
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.input import shape_as_told
from minicaffe.layers.registry import register


@register("Parameter")
class ParameterLayer(Layer):
    """Lets other layers read a blob that the solver learns.

        y = w          dw += dy

    No bottoms.  top[0]: y, the memory of w.  blobs: w, of the shape given; zeros until they are loaded or set.
    parameter_param.shape: of w; without it w is one number, without axes.

    In Caffe dy is dw itself, so that every backward pass overwrites what others have added to dw (with iter_size,
    or where layers share w). Here passes add up; after one, dy reads as dw, as there.
    Source: Caffe's parameter_layer.hpp.
    """

    exact_bottom = 0
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        blob = self.new_blob(())
        shape_as_told(self, blob, self.layer_param.parameter_param.shape.dim, "parameter_param.shape")
        self.blobs.append(blob)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape_like(self.blobs[0])
        top[0].share_data(self.blobs[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        # The parameter may have become another layer's or another net's memory.
        if top[0].storage(DATA) is not self.blobs[0].storage(DATA):
            top[0].share_data(self.blobs[0])

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not self.param_propagate_down[0]:
            return
        dw, dy = self.blobs[0].diff, top[0].diff
        self.xp.add(dw, dy, out=dw)
        if not any(self.loss_weights):
            self.xp.copyto(dy, dw)
