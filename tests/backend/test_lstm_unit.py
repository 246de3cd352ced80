"""The kernels of an LSTM cell where a result takes the place of an operand."""

import kernel_definitions
import numpy as np
import pytest
from kernel_machines import place

from minicaffe.backend import CPU, layout
from minicaffe.backend.cpu.team import TEAM, cut
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


def test_streams_shared_by_the_threads_are_the_same_streams(rng):
    """What is computed for many of them at once is what is computed for each ten."""
    streams, cells = 300, 150
    kernels, workspace, cell, gates = CPU.kernels, Workspace(CPU), (streams, cells), (streams, 4 * cells)
    assert len(cut(streams, 3 * streams * cells)) == min(TEAM.size, streams)
    read = rng.normal(size=cell), rng.normal(size=gates), np.resize([0.0, 1, 0.5], streams)
    whole, parts = ([np.full(shape, np.nan) for shape in (gates, cell, cell, cell)] for _ in range(2))
    back, parts_back = ([np.full(shape, np.nan) for shape in (cell, gates)] for _ in range(2))
    gradients = rng.normal(size=(2, *cell))
    for made, made_back, step in ((whole, back, streams), (parts, parts_back, 10)):
        for start in range(0, streams, step):
            n = slice(start, start + step)
            c_prev, _, cont = given = [array[n] for array in read]
            act, _, tanh_c, _ = forward = [array[n] for array in made]
            kernels.lstm_unit_forward(*given, *forward, workspace)
            dc, dh = (array[n] for array in gradients)
            kernels.lstm_unit_backward(c_prev, act, cont, tanh_c, dc, dh, *(array[n] for array in made_back), workspace)
    assert_close(CPU, whole + back, parts + parts_back)
