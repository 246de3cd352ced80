"""Scale: multiplies by an operand that is broadcast, and may add another."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.formula import formula
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.broadcast_operand import BroadcastOperandLayer
from minicaffe.layers.normalization import itself
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@formula
def scaled(xp, x, gamma):
    return x * gamma


@formula
def scaled_and_shifted(xp, x, gamma, beta):
    return x * gamma + beta


@formula
def kept_and_scaled(xp, x, gamma):
    return x, x * gamma


@formula
def kept_scaled_and_shifted(xp, x, gamma, beta):
    return x, x * gamma + beta


@formula
def both_gradients(xp, dy, x):
    return dy * x, dy


@register("Scale")
class ScaleLayer(BroadcastOperandLayer):
    """Multiplies by an operand, broadcast along the axes before and behind its own; may add another of its shape.

        y = x * gamma + beta          dx = dy * gamma
        dgamma = sum of dy * x,  dbeta = sum of dy, over the axes that gamma lacks

    bottom[0]: x, any shape.  bottom[1], or else blobs[0], which is learned: gamma, of x's sizes from `axis` on;
    without axes, one number for all.  top[0]: y, the shape of x; may be bottom[0] itself.
    blobs: gamma, with one bottom; then beta, with bias_term.
    scale_param: axis (1); with one bottom num_axes (1): how many axes gamma has, -1 for all from `axis` on; filler
    (1; an empty message means 0, as everywhere); bias_term (false); bias_filler (0).
    Gradients are added to those of the blobs; Caffe overwrites that of gamma for some shapes.
    Source: Caffe's scale_layer.cpp.
    """

    settings = "scale_param"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        super().setup(bottom, top)
        shape = self.operand_shape(bottom) if self.learned else bottom[1].shape
        if self.learned:
            ones = caffe_pb2.FillerParameter(value=1)
            filler = self.param.filler if self.param.HasField("filler") else ones
            self.add_parameter(shape, filler, "scale_param.filler")
        self.beta: Blob | None = None
        if self.param.bias_term:
            self.beta = self.add_parameter(shape, self.param.bias_filler, "scale_param.bias_filler")
        self.kept = self.new_like_top()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        if self.beta is not None and self.beta.shape != self.operand(bottom).shape:
            text = f"is true: bottom[1] has the shape {shape_text(bottom[1].shape)}, must keep that"
            text += f" of the bias, blobs[0]: {shape_text(self.beta.shape)}"
            raise self.error(ShapeError, text, "scale_param.bias_term")
        if top[0] is bottom[0]:
            self.kept.reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x, y = bottom[0].data, top[0].data
        operands = [self.over(blob.data, x) for blob in (self.operand(bottom), self.beta) if blob is not None]
        if top[0] is bottom[0]:
            formula = kept_and_scaled if self.beta is None else kept_scaled_and_shifted
            self.apply(formula, x, *operands, out=(self.kept.data, y))
        else:
            self.apply(scaled if self.beta is None else scaled_and_shifted, x, *operands, out=y)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        dy, gamma = top[0].diff, self.operand(bottom)
        x = self.kept.data if top[0] is bottom[0] else bottom[0].data
        wants_gamma = self.param_propagate_down[0] if self.learned else propagate_down[1]
        if self.beta is not None and self.param_propagate_down[-1]:
            if wants_gamma:
                self.give_gradients(both_gradients, (dy, x), gamma, self.beta)
            else:
                self.give_gradients(itself, (dy,), self.beta)
        elif wants_gamma:
            self.give_gradients(scaled, (dy, x), gamma)
        if propagate_down[0]:
            self.apply(scaled, dy, self.over(gamma.data, dy), out=bottom[0].diff)
