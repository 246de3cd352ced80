"""One step of an LSTM cell: a thread for each cell, which reads its four gates."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.workspace import Workspace

Array = Any

LSTM_UNIT_FORWARD = Kernel(r"""
// i: a cell, one of `cells` in its stream.  at: its first gate; the others follow, `cells` apart.
extern "C" __global__ void lstm_unit_forward(Index total, Index cells, const T* c_prev, const T* gates, const T* cont,
                                             T* act, T* c, T* tanh_c, T* h)
{
    GRID_STRIDE_LOOP(i, total) {
        Index n = i / cells, at = i + 3 * n * cells;
        T in = 1 / (1 + exp(-gates[at]));
        T forget = cont[n] == 0 ? T(0) : 1 / (1 + exp(-gates[at + cells]));
        T out = 1 / (1 + exp(-gates[at + 2 * cells]));
        T input = tanh(gates[at + 3 * cells]);
        T cell = cont[n] * forget * c_prev[i] + in * input;
        T squeezed = tanh(cell);
        act[at] = in;
        act[at + cells] = forget;
        act[at + 2 * cells] = out;
        act[at + 3 * cells] = input;
        c[i] = cell;
        tanh_c[i] = squeezed;
        h[i] = out * squeezed;
    }
}
""")

LSTM_UNIT_BACKWARD = Kernel(r"""
// i, at: as in lstm_unit_forward.
extern "C" __global__ void lstm_unit_backward(Index total, Index cells, const T* c_prev, const T* act, const T* cont,
                                              const T* tanh_c, const T* dc, const T* dh, T* dc_prev, T* dgates)
{
    GRID_STRIDE_LOOP(i, total) {
        Index n = i / cells, at = i + 3 * n * cells;
        T in = act[at], forget = act[at + cells], out = act[at + 2 * cells], input = act[at + 3 * cells];
        T q = dc[i] + dh[i] * out * (1 - tanh_c[i] * tanh_c[i]);
        dgates[at] = q * input * in * (1 - in);
        dgates[at + cells] = q * cont[n] * c_prev[i] * forget * (1 - forget);
        dgates[at + 2 * cells] = dh[i] * tanh_c[i] * out * (1 - out);
        dgates[at + 3 * cells] = q * in * (1 - input * input);
        dc_prev[i] = q * cont[n] * forget;
    }
}
""")


def lstm_unit_forward(
    c_prev: Array, gates: Array, cont: Array, act: Array, c: Array, tanh_c: Array, h: Array, workspace: Workspace
) -> None:
    """As kernels.py."""
    read = [c_order(array) for array in (c_prev, gates, cont)]
    with written(act) as act_, written(c) as c_, written(tanh_c) as tanh_c_, written(h) as h_:
        LSTM_UNIT_FORWARD.launch(h.size, h.shape[1], *read, act_, c_, tanh_c_, h_, T=h.dtype)


def lstm_unit_backward(
    c_prev: Array,
    act: Array,
    cont: Array,
    tanh_c: Array,
    dc: Array,
    dh: Array,
    dc_prev: Array,
    dgates: Array,
    workspace: Workspace,
) -> None:
    """As kernels.py."""
    read = [c_order(array) for array in (c_prev, act, cont, tanh_c, dc, dh)]
    with written(dc_prev) as dc_prev_, written(dgates) as dgates_:
        LSTM_UNIT_BACKWARD.launch(dh.size, dh.shape[1], *read, dc_prev_, dgates_, T=dh.dtype)
