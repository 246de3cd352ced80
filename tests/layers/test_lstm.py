"""LSTM: the numbers of Caffe's formulas, and what its gates do (test_recurrent.py: states, snapshots, bottoms)."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

ONE = 'type: "LSTM" recurrent_param { num_output: 1 weight_filler { value: 1 } }'


def gates(**values):
    """b_c for one cell, W_xc and W_hc of zeros: what the gates are asked, whatever comes in."""
    return [np.zeros((4, 1)), [values.get(gate, 0) for gate in "ifog"], np.zeros((4, 1))]


def run(bias, cont, c=0.0):
    """One cell over len(cont) steps, from the state c."""
    steps = len(cont)
    bottoms = np.ones((steps, 1, 1)), np.reshape(cont, (steps, 1)), np.zeros((1, 1, 1)), np.full((1, 1, 1), c)
    exposed = 'type: "LSTM" recurrent_param { num_output: 1 expose_hidden: true }'
    made = run_layer(exposed, *bottoms, blobs=bias, tops=3, dtype="float64")
    return made.top[0].data.ravel(), made.top[2].data.item()


def test_spot_values(backend):
    """D = 1, x = 1, W_xc = 1, b = 0, W_hc = 0.5; a new sequence, then a step."""
    blobs = [np.ones((4, 1)), np.zeros(4), np.full((4, 1), 0.5)]
    made = run_layer(ONE, np.ones((2, 1, 1)), np.array([[0.0], [1.0]]), blobs=blobs)
    assert_allclose(made.top[0].data.ravel(), [0.3696064, 0.6020228], rtol=1e-6)
    assert_allclose(float(made.layer.carried.arrays[1].item()), 1.0612064, rtol=1e-6)


def test_an_open_forget_gate_keeps_the_cell():
    y, c = run(gates(i=-50, f=50, o=50), [1, 1, 1], c=0.7)
    assert_allclose(c, 0.7)
    assert_allclose(y, np.tanh([0.7] * 3))


def test_a_closed_output_gate_hides_it():
    y, c = run(gates(i=-50, f=50, o=-50), [1, 1], c=0.7)
    assert_allclose(c, 0.7)
    assert_allclose(y, [0, 0], atol=1e-20)


def test_a_new_sequence_forgets_it():
    _, c = run(gates(i=-50, f=50, o=50), [1, 0], c=0.7)
    assert_allclose(c, 0, atol=1e-20)


def test_cont_weighs_what_is_remembered():
    _, c = run(gates(i=-50, f=50, o=50), [0.5, 0.5], c=0.8)
    assert_allclose(c, 0.2)


def test_the_cell_is_squeezed_on_its_way_out_only():
    """i = g = 1 adds 1 a step: c counts."""
    y, c = run(gates(i=50, f=50, o=50, g=50), [1] * 4)
    assert_allclose(c, 4)
    assert_allclose(y, np.tanh([1, 2, 3, 4]))


@pytest.mark.parametrize("huge", [1e4, 3e38])
def test_saturated_gates_are_silent(backend, recwarn, huge):
    """No warning of an overflow, no NaN."""
    blobs = [np.array([[huge], [-huge], [huge], [-huge]]), np.zeros(4), np.zeros((4, 1))]
    made = run_layer(ONE, np.ones((2, 1, 1)), np.ones((2, 1)), blobs=blobs)
    assert_allclose(made.top[0].data.ravel(), [-np.tanh(1)] * 2)
    made.top[0].diff[...] = 1
    assert_array_equal(made.backward().bottom[0].diff, np.zeros((2, 1, 1)))
    assert not recwarn.list


def test_nan_stays_in_its_stream(backend, rng):
    x = rng.normal(size=(3, 2, 4))
    x[1, 1, 2] = np.nan
    text = 'type: "LSTM" recurrent_param { num_output: 3 weight_filler { value: 0.5 } }'
    y = run_layer(text, x, np.ones((3, 2))).top[0].data
    assert np.isnan(y[1:, 1]).all() and np.isfinite(y[:, 0]).all() and np.isfinite(y[0]).all()


def test_one_step_after_the_other_allocates_nothing(rng):
    """Blobs and scratch stay what they are."""
    made = make_layer(ONE, (5, 4, 3), (5, 4))
    kept = [id(blob.storage(0)) for blob in (made.layer.a, made.layer.held, made.layer.c, made.layer.tanh_c)]
    made.forward().backward()
    lent = made.layer.workspace.nbytes
    made.forward().backward()
    assert made.layer.workspace.nbytes == lent
    assert kept == [id(blob.storage(0)) for blob in (made.layer.a, made.layer.held, made.layer.c, made.layer.tanh_c)]
