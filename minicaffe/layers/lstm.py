"""LSTM, long short-term memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minicaffe.layers.base import Blobs
from minicaffe.layers.base_recurrent import RecurrentLayer
from minicaffe.layers.registry import register


@register("LSTM")
class LSTMLayer(RecurrentLayer):
    """Long short-term memory, without peepholes.

        a_t = W_xc x_t + b_c [+ W_xc_static x_static] + W_hc (cont_t h_{t-1}), in four blocks of D: i, f, o, g
        i, f, o = sigmoid of theirs, g = tanh of its
        c_t = cont_t f c_{t-1} + i g          h_t = o tanh(c_t)

    top[0]: h_t (T, N, D).  The states are h, then c.  Bottoms and settings: base_recurrent.py.
    blobs: W_xc (4 D, I); b_c (4 D); W_xc_static (4 D, I_static), only with a static input; W_hc (4 D, D).
    Where cont is neither 0 nor 1 the derivative is the exact one, which Caffe has on the GPU only.
    Source: Hochreiter & Schmidhuber, Neural Computation 1997; Caffe's lstm_layer.cpp, recurrent_layer.cpp.
    """

    states = ("h", "c")
    gates = 4

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        super().setup(bottom, top)
        # Kept for backward: c_0 ... c_T, and tanh of c_1 ... c_T; the activated gates lie in self.a.
        self.c, self.tanh_c = self.new_blob((0,)), self.new_blob((0,))

    def reshape_steps(self, steps: int, streams: int) -> None:
        self.c.reshape(steps + 1, streams, self.num_output)
        self.tanh_c.reshape(steps, streams, self.num_output)

    def stepper(self, a: Any, cont: Any, start: list[Any], top: Blobs) -> Callable[[int], Any]:
        c, tanh_c, h, unit = self.c.data, self.tanh_c.data, top[0].data, self.kernels.lstm_unit_forward
        self.xp.copyto(c[0], start[1])

        def step(t: int) -> Any:
            unit(c[t], a[t], cont[t], a[t], c[t + 1], tanh_c[t], h[t], self.workspace)
            return h[t]

        return step

    def finish(self, top: Blobs) -> list[Any]:
        return [top[0].data[-1], self.c.data[-1]]

    def gradient_from_top(self, top: Blobs) -> Any:
        return top[0].diff

    def backward_stepper(self, a: Any, cont: Any, da: Any) -> Callable[[int, Any], None]:
        c, tanh_c, unit = self.c.data, self.tanh_c.data, self.kernels.lstm_unit_backward
        dc = self.lent("dc", *c.shape[1:])
        dc.fill(0)

        def step(t: int, dh: Any) -> None:
            unit(c[t], a[t], cont[t], tanh_c[t], dc, dh, dc, da[t], self.workspace)

        return step

    def log_forward(self, top: Blobs) -> None:
        for t in range(1, self.steps + 1):
            self.log_mean("Forward", f"unit_{t}", f"top blob c_{t} data", self.c.data[t])
            self.log_mean("Forward", f"unit_{t}", f"top blob h_{t} data", top[0].data[t - 1])
