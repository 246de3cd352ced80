"""Clip beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_array_equal

CLIP = 'type: "Clip" clip_param { min: -1 max: 2 }'


def test_both_ends_let_the_gradient_through(backend):
    run = run_layer(CLIP, np.array([-1.5, -1, 0, 2, 2.5]))
    assert_array_equal(run.top[0].data, [-1, -1, 0, 2, 2])
    run.top[0].diff[...] = 3
    assert_array_equal(run.backward().bottom[0].diff, [0, 3, 3, 3, 0])


def test_an_interval_upside_down_gives_min_as_in_caffe(backend, capsys):
    run = run_layer('type: "Clip" clip_param { min: 1 max: -1 }', np.array([-2, -1, 0, 1, 2]))
    assert_array_equal(run.top[0].data, [1] * 5)
    run.top[0].diff[...] = 3
    assert_array_equal(run.backward().bottom[0].diff, [0] * 5)
    assert "layer 'the_layer': clip_param.min 1 is above clip_param.max -1" in capsys.readouterr().err


def test_what_is_no_number_becomes_min(backend):
    """As std::max and std::min have it on Caffe's CPU path."""
    run = run_layer(CLIP, np.array([np.nan, np.inf, -np.inf]))
    assert_array_equal(run.top[0].data, [-1, 2, -1])
    run.top[0].diff[...] = 3
    assert_array_equal(run.backward().bottom[0].diff, [0, 0, 0])
