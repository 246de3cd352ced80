"""RNN: the numbers of Caffe's formulas (test_recurrent.py: states, snapshots, bottoms)."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose

ONE = 'type: "RNN" recurrent_param { num_output: 1 }'
SPOT = [np.ones((1, 1)), np.zeros(1), np.full((1, 1), 0.5), np.ones((1, 1)), np.zeros(1)]


def test_spot_values(backend):
    """D = 1, x = W_xh = W_ho = 1, W_hh = 0.5, no biases; a new sequence, then a step. The top is o, the state h."""
    made = run_layer(ONE, np.ones((2, 1, 1)), np.array([[0.0], [1.0]]), blobs=SPOT)
    assert_allclose(made.top[0].data.ravel(), [0.6420150, 0.7069848], rtol=1e-6)
    assert_allclose(float(made.layer.carried.arrays[0].item()), 0.8811296, rtol=1e-6)


def test_each_bias_stands_in_its_place():
    """b_h inside the state, b_o behind it."""
    blobs = [np.zeros((1, 1)), np.full(1, 0.3), np.zeros((1, 1)), np.full((1, 1), 2.0), np.full(1, -0.4)]
    y = run_layer(ONE, np.ones((1, 1, 1)), np.ones((1, 1)), blobs=blobs).top[0].data.item()
    assert_allclose(y, np.tanh(2 * np.tanh(0.3) - 0.4), rtol=1e-6)


def test_the_output_does_not_feed_back(rng):
    """Only h does: what W_ho says changes no state."""
    x, cont, states = rng.normal(size=(4, 2, 1)), np.ones((4, 2)), []
    for w_ho in (0.0, 5.0):
        blobs = [*SPOT[:3], np.full((1, 1), w_ho), SPOT[4]]
        made = run_layer(ONE, x, cont, blobs=blobs)
        states.append(made.layer.state())
    assert states[0] == states[1]


def test_nan_stays_in_its_stream(backend, rng):
    x = rng.normal(size=(3, 2, 4))
    x[1, 1, 2] = np.nan
    text = 'type: "RNN" recurrent_param { num_output: 3 weight_filler { value: 0.5 } }'
    y = run_layer(text, x, np.ones((3, 2))).top[0].data
    assert np.isnan(y[1:, 1]).all() and np.isfinite(y[:, 0]).all() and np.isfinite(y[0]).all()
