"""RNN, the plain recurrent network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minicaffe.layers.base import Blobs
from minicaffe.layers.base_recurrent import RecurrentLayer
from minicaffe.layers.kept import Kept
from minicaffe.layers.parameter_gradient import add_product, add_sum
from minicaffe.layers.registry import register
from minicaffe.layers.tanh import tanh_gradient


@register("RNN")
class RNNLayer(RecurrentLayer):
    """A hidden state that is fed back, and an output made of it.

        h_t = tanh(W_xh x_t + b_h [+ W_xh_static x_static] + W_hh (cont_t h_{t-1}))          o_t = tanh(W_ho h_t + b_o)

    top[0]: o_t (T, N, D), not h_t, which is the state.  Bottoms and settings: base_recurrent.py.
    blobs: W_xh (D, I); b_h (D); W_xh_static (D, I_static), only with a static input; W_hh (D, D); W_ho (D, D); b_o (D).
    Source: Caffe's rnn_layer.cpp, recurrent_layer.cpp; Elman, Cognitive Science 1990.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        super().setup(bottom, top)
        self.kept = Kept(self)

    def make_parameters(self, bottom: Blobs) -> None:
        super().make_parameters(bottom)
        self.w_o, self.b_o = self.w_h + 1, self.w_h + 2
        self.add_weight(self.num_output, self.num_output)
        self.add_bias(self.num_output)

    def stepper(self, a: Any, cont: Any, start: list[Any], top: Blobs) -> Callable[[int], Any]:
        tanh = self.xp.tanh
        return lambda t: tanh(a[t], out=a[t])

    def finish(self, top: Blobs) -> list[Any]:
        h, o = self.a.data, top[0].data.reshape(-1, self.num_output)
        self.kernels.matmul(h.reshape(-1, self.num_output), self.blobs[self.w_o].data.T, o)
        self.xp.add(o, self.blobs[self.b_o].data, out=o)
        self.xp.tanh(o, out=o)
        self.kept.keep_top(top)
        return [h[-1]]

    def gradient_from_top(self, top: Blobs) -> Any:
        """Through the output: d(W_ho h + b_o), the gradients of W_ho and b_o, and d(h)."""
        dy = top[0].diff
        before, dh = self.lent("do", *dy.shape), self.lent("dh_all", *dy.shape)
        self.apply(tanh_gradient, self.kept.y(top), dy, out=before)
        rows = before.reshape(-1, self.num_output)
        add_product(self, self.w_o, rows.T, self.a.data.reshape(-1, self.num_output))
        add_sum(self, self.b_o, rows)
        self.kernels.matmul(rows, self.blobs[self.w_o].data, dh.reshape(-1, self.num_output))
        return dh

    def backward_stepper(self, a: Any, cont: Any, da: Any) -> Callable[[int, Any], None]:
        return lambda t, dh: self.apply(tanh_gradient, a[t], dh, out=da[t])

    def log_forward(self, top: Blobs) -> None:
        for t in range(1, self.steps + 1):
            self.log_mean("Forward", f"h_neuron_{t}", f"top blob h_{t} data", self.a.data[t - 1])
            self.log_mean("Forward", f"o_neuron_{t}", f"top blob o_{t} data", top[0].data[t - 1])
