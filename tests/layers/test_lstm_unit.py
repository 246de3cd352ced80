"""LSTMUnit: beside its row of the table, that it is the step that LSTM makes."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

TYPE = 'type: "LSTMUnit"'


def bottoms(rng, cont):
    n = len(cont)
    return rng.normal(size=(1, n, 3)), rng.normal(size=(1, n, 12)), np.array([cont], float)


def test_spot_values(backend):
    """A new sequence, then a step: the numbers of an LSTM of one cell with x = 1 and W_hc = 0.5."""
    first = run_layer(TYPE, np.zeros((1, 1, 1)), np.ones((1, 1, 4)), np.zeros((1, 1)), tops=2)
    assert_allclose([top.data.item() for top in first.top], [0.5567699, 0.3696064], rtol=1e-6)
    c, h = (top.data for top in first.top)
    gates = np.full((1, 1, 4), 1 + 0.5 * h)
    second = run_layer(TYPE, c, gates, np.ones((1, 1)), tops=2)
    assert_allclose([top.data.item() for top in second.top], [1.0612064, 0.6020228], rtol=1e-6)


def test_it_is_the_step_of_lstm(backend, rng):
    """x alone makes the gates there: W_xc is the identity."""
    c_prev, gates, cont = bottoms(rng, [1, 0, 0.5])
    unit = run_layer(TYPE, c_prev, gates, cont, tops=2, dtype="float64")
    text = 'type: "LSTM" recurrent_param { num_output: 3 expose_hidden: true }'
    lstm = run_layer(
        *(text, gates, cont, np.zeros((1, 3, 3)), c_prev),
        blobs=[np.eye(12), np.zeros(12), np.zeros((12, 3))],
        tops=3,
        dtype="float64",
    )
    assert_allclose(lstm.top[0].data, unit.top[1].data, rtol=1e-14)
    assert_allclose(lstm.top[2].data, unit.top[0].data, rtol=1e-14)
    dh = rng.normal(size=(1, 3, 3))
    unit.top[0].diff[...], unit.top[1].diff[...] = 0, dh
    lstm.top[0].diff[...] = dh
    assert_allclose(lstm.backward().bottom[0].diff, unit.backward().bottom[1].diff, rtol=1e-12, atol=1e-15)


def test_a_new_sequence_asks_neither_cell_nor_forget_gate(backend, rng):
    """cont is 0: the gate may hold anything, and neither gets a gradient."""
    c_prev, gates, cont = bottoms(rng, [0, 1])
    gates[0, 0, 3:6] = np.nan
    run = run_layer(TYPE, c_prev, gates, cont, tops=2)
    assert np.isfinite(run.top[0].data).all() and np.isfinite(run.top[1].data).all()
    for top in run.top:
        top.diff[...] = 1
    run.backward()
    assert_array_equal(run.bottom[0].diff[0, 0], np.zeros(3))
    assert_array_equal(run.bottom[1].diff[0, 0, 3:6], np.zeros(3))
    assert np.all(run.bottom[0].diff[0, 1] != 0)


def test_the_derivative_is_exact_where_cont_is_a_fraction():
    """As Caffe's on the GPU; on the CPU it has f' (1 - f') with f' = cont f."""
    run = run_layer(TYPE, np.full((1, 1, 1), 2.0), np.zeros((1, 1, 4)), np.full((1, 1), 0.5), tops=2, dtype="float64")
    run.top[0].diff[...], run.top[1].diff[...] = 1, 0
    assert_allclose(run.backward().bottom[1].diff[0, 0, 1], 2 * 0.5 * 0.25)


@pytest.mark.parametrize("flags", [(True, False), (False, True), (False, False)])
def test_only_what_is_wanted_is_written(backend, rng, flags):
    run = make_layer(TYPE, *bottoms(rng, [1, 0.5]), tops=2)
    run.forward()
    for blob in run.bottom:
        blob.diff[...] = 7
    for top in run.top:
        top.diff[...] = 1
    run.backward([*flags, False])
    assert [not np.all(blob.diff == 7) for blob in run.bottom[:2]] == list(flags)
