"""Embed: a learned row of numbers for each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.parameter_gradient import add_sum
from minicaffe.layers.registry import register
from minicaffe.layers.row_index import read_rows, rows_of


@register("Embed")
class EmbedLayer(Layer):
    """Looks rows up by number: InnerProduct of vectors that are 1 at one place, without making those.

        y[i] = w[x[i]] + b          dw[v] += sum of dy[i] over all i with x[i] = v          db += sum of all dy[i]

    bottom[0]: x, any shape, whole numbers 0 ... V - 1; without a gradient.  top[0]: y, the shape of x, then O.
    blobs: w (V, O); b (O) if bias_term.
    embed_param: input_dim (V), num_output (O); bias_term (default true); weight_filler, bias_filler.
    Source: Caffe's embed_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1
    no_gradient = {0: "the numbers of rows"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.embed_param
        for name, what in (("input_dim", "how many rows there are"), ("num_output", "how long a row is")):
            if not getattr(param, name):
                raise self.error(ParamError, f"is 0 or absent, must be 1 or more: {what}", f"embed_param.{name}")
        self.input_dim, self.num_output = param.input_dim, param.num_output
        with self.blaming("embed_param.input_dim", f"{self.input_dim}, and num_output {self.num_output}"):
            self.add_parameter((self.input_dim, self.num_output), param.weight_filler, "embed_param.weight_filler")
        if param.bias_term:
            self.add_parameter((self.num_output,), param.bias_filler, "embed_param.bias_filler")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        with self.blaming("embed_param.num_output", self.num_output):
            top[0].reshape(*bottom[0].shape, self.num_output)
        self.matrix = (bottom[0].count, self.num_output)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        rows = read_rows(self, 0, bottom[0], self.input_dim, whole=True)
        with regrouped_out(top[0].data, self.matrix, self.workspace, "embed:y") as y:
            self.kernels.take_rows(self.blobs[0].data, rows, y)
            if len(self.blobs) > 1:
                self.xp.add(y, self.blobs[1].data, out=y)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        dy: Any = regrouped(top[0].diff, self.matrix, self.workspace, "embed:y")
        if self.param_propagate_down[0]:
            self.kernels.add_rows(dy, rows_of(self, bottom[0]), self.blobs[0].diff)
        if len(self.blobs) > 1:
            add_sum(self, 1, dy)
