"""InnerProduct, the fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.parameter_gradient import add_product, add_sum
from minicaffe.layers.registry import register

OUTPUTS = "inner_product_param.num_output"


@register("InnerProduct")
class InnerProductLayer(Layer):
    """Every output is a weighted sum of all inputs of its row.

        y = x w^T + b          or, with transpose,  y = x w + b

    bottom[0]: x, read as (M, K): M rows, the axes before `axis`; K inputs, the axes from it on.
    top[0]: y, the axes of x before `axis`, then O.
    blobs: w (O, K), or (K, O) with transpose; b (O) if bias_term.
    inner_product_param: num_output (O, 1 or more); axis (1; negative ones count from the end); transpose (false);
    bias_term (true); weight_filler, bias_filler (0).
    Source: Caffe's inner_product_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.inner_product_param
        self.num_output, self.transpose = param.num_output, param.transpose
        if not self.num_output:
            text = "is 0 or absent, must be 1 or more: how many values a row of the top has"
            raise self.error(ParamError, text, OUTPUTS)
        self.inputs = bottom[0].count_between(self.find_axis(bottom[0]))
        shape = (self.inputs, self.num_output) if self.transpose else (self.num_output, self.inputs)
        with self.blaming(OUTPUTS, self.num_output):
            self.add_parameter(shape, param.weight_filler, "inner_product_param.weight_filler")
            if param.bias_term:
                self.add_parameter((self.num_output,), param.bias_filler, "inner_product_param.bias_filler")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        shape = bottom[0].shape
        self.first_axis = self.find_axis(bottom[0])
        inputs = bottom[0].count_between(self.first_axis)
        if inputs != self.inputs:
            text = f"bottom[0] has the shape {shape_text(shape)}: {inputs} inputs a row, must be {self.inputs} as the"
            raise self.error(ShapeError, f"{text} weights have")
        with self.blaming(OUTPUTS, self.num_output):
            top[0].reshape(*shape[: self.first_axis], self.num_output)

    def find_axis(self, x: Blob) -> int:
        return self.axis(x, self.layer_param.inner_product_param.axis, "inner_product_param.axis")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        weight = self.blobs[0].data
        x = regrouped(bottom[0].data, self.matrix(bottom[0]), self.workspace, "inner_product:x")
        with regrouped_out(top[0].data, self.matrix(top[0]), self.workspace, "inner_product:y") as y:
            self.kernels.matmul(x, weight if self.transpose else weight.T, y)
            if len(self.blobs) > 1:
                self.xp.add(y, self.blobs[1].data, out=y)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        dy = regrouped(top[0].diff, self.matrix(top[0]), self.workspace, "inner_product:y")
        if self.param_propagate_down[0]:
            x = regrouped(bottom[0].data, self.matrix(bottom[0]), self.workspace, "inner_product:x")
            add_product(self, 0, *((x.T, dy) if self.transpose else (dy.T, x)))
        if len(self.blobs) > 1:
            add_sum(self, 1, dy)
        if propagate_down[0]:
            weight = self.blobs[0].data
            with regrouped_out(bottom[0].diff, self.matrix(bottom[0]), self.workspace, "inner_product:x") as dx:
                self.kernels.matmul(dy, weight.T if self.transpose else weight, dx)

    def matrix(self, blob: Blob) -> tuple[int, int]:
        """The shape (M, K) or (M, O) of a bottom or top read as a matrix."""
        return blob.count_between(0, self.first_axis), blob.count_between(self.first_axis)
