"""LSTMUnit, one step of an LSTM cell."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("LSTMUnit")
class LSTMUnitLayer(Layer):
    """The nonlinear part of one LSTM step, for N streams of D cells.

        i, f, o = sigmoid, g = tanh of their blocks of D gates
        c = cont f c_prev + i g          h = o tanh(c)
        dc_prev = q cont f          with q = dc + dh o (1 - tanh(c)^2)
        d(gates) = q g i (1 - i), q cont c_prev f (1 - f), dh tanh(c) o (1 - o), q i (1 - g^2)

    bottom[0]: c_prev (1, N, D).  bottom[1]: gates (1, N, 4 D), in the order i, f, o, g.  bottom[2]: cont (1, N): 0
    where a sequence begins, whatever the gate f, and 1 where it goes on; other values weigh c_prev. It has no gradient.
    top[0]: c (1, N, D).  top[1]: h (1, N, D).
    Where cont is neither 0 nor 1 the derivative is the exact one, which Caffe has on the GPU only.
    Source: Caffe's lstm_unit_layer.cpp; Hochreiter & Schmidhuber, Neural Computation 1997.
    """

    exact_bottom = 3
    exact_top = 2
    not_forced = (2,)
    no_gradient = {2: "the continuation indicators"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        # Kept for backward: the activated gates, and tanh(c).
        self.act, self.tanh_c = self.new_blob((0,)), self.new_blob((0,))

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.check_shapes(bottom)
        for blob in (*top, self.tanh_c):
            blob.reshape_like(bottom[0])
        self.act.reshape_like(bottom[1])

    def check_shapes(self, bottom: Blobs) -> None:
        cell = bottom[0].shape
        if len(cell) != 3 or cell[0] != 1:
            raise self.error(ShapeError, f"bottom[0] is {shape_text(cell)}, must have 3 axes, the first of size 1")
        for index, wanted in ((1, (1, cell[1], 4 * cell[2])), (2, cell[:2])):
            if bottom[index].shape != wanted:
                text = f"bottom[{index}] is {shape_text(bottom[index].shape)}, must be {shape_text(wanted)}"
                raise self.error(ShapeError, f"{text} beside bottom[0] {shape_text(cell)}")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        c_prev, gates, cont = (blob.data[0] for blob in bottom)
        act, tanh_c, c, h = (blob.data[0] for blob in (self.act, self.tanh_c, *top))
        self.kernels.lstm_unit_forward(c_prev, gates, cont, act, c, tanh_c, h, self.workspace)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not any(propagate_down):
            return
        c_prev, cont, act, tanh_c = (blob.data[0] for blob in (bottom[0], bottom[2], self.act, self.tanh_c))
        dc, dh = (blob.diff[0] for blob in top)
        # The kernel gives both; what nobody wants goes into scratch.
        made = [
            blob.diff[0] if wanted else self.scratch(blob.data[0], f"lstm_unit:{index}")
            for index, (blob, wanted) in enumerate(zip(bottom[:2], propagate_down, strict=False))
        ]
        self.kernels.lstm_unit_backward(c_prev, act, cont, tanh_c, dc, dh, *made, self.workspace)
