"""The kernels of an LSTM cell where a result takes the place of an operand."""

import kernel_definitions
import numpy as np
import pytest
from kernel_machines import place

from minicaffe.backend import layout
from minicaffe.backend.workspace import Workspace

MEMORY = pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
N, D = 3, 5


def on(backend, arrays, memory):
    return [place(backend, array, memory if array.ndim > 1 else layout.C_ORDER) for array in arrays]


def assert_close(backend, found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(backend.to_host(a), b, rtol=1e-12)


@MEMORY
def test_the_gates_may_be_activated_in_place(backend, rng, memory):
    read = rng.normal(size=(N, D)), rng.normal(size=(N, 4 * D)), np.array([0.0, 1, 0.5])
    made = [np.empty(shape) for shape in ((N, 4 * D), (N, D), (N, D), (N, D))]
    kernel_definitions.lstm_unit_forward(*read, *made, None)
    c_prev, gates, cont, c, tanh_c, h = on(backend, [*read, *made[1:]], memory)
    backend.kernels.lstm_unit_forward(c_prev, gates, cont, gates, c, tanh_c, h, Workspace(backend))
    assert_close(backend, [gates, c, tanh_c, h], made)


@MEMORY
def test_the_gradient_of_the_cells_may_pass_on_in_place(backend, rng, memory):
    cell, act = (N, D), (N, 4 * D)
    read = rng.normal(size=cell), rng.random(act), np.array([0.0, 1, 0.5]), *rng.uniform(-1, 1, (3, *cell))
    made = [np.empty(cell), np.empty(act)]
    kernel_definitions.lstm_unit_backward(*read, *made, None)
    *there, dgates = on(backend, [*read, made[1]], memory)
    backend.kernels.lstm_unit_backward(*there, there[4], dgates, Workspace(backend))
    assert_close(backend, [there[4], dgates], made)


def test_a_new_sequence_does_not_ask_the_forget_gate(backend):
    """cont is 0: what the gate holds, NaN too, counts for nothing."""
    gates = np.array([[0.0, np.nan, 0.0, 1.0]])
    c_prev, gates, cont = on(backend, [np.ones((1, 1)), gates, np.zeros(1)], layout.C_ORDER)
    act, c, tanh_c, h = on(backend, [np.empty((1, 4)), *np.empty((3, 1, 1))], layout.C_ORDER)
    backend.kernels.lstm_unit_forward(c_prev, gates, cont, act, c, tanh_c, h, Workspace(backend))
    np.testing.assert_allclose(backend.to_host(c), [[0.5 * np.tanh(1)]])
    assert backend.to_host(act)[0, 1] == 0
