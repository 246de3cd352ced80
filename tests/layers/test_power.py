"""Power beyond the table of all types."""

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose, assert_array_equal


@pytest.mark.parametrize(
    "settings, value",
    [
        *[("power: 0", 1), ("power: 3 scale: 0 shift: 2", 8), ("power: 0 shift: 5", 1)],
        *[("power: -1 scale: 0", np.inf), ("power: 0.5 scale: 0 shift: -1", np.nan)],
    ],
)
def test_a_constant_does_not_look_at_its_input(backend, settings, value):
    """As in Caffe: not even at NaN."""
    run = run_layer(f'type: "Power" power_param {{ {settings} }}', np.array([np.nan, 1, 2]))
    assert_array_equal(run.top[0].data, [value] * 3)
    run.top[0].diff[...] = 3
    assert_array_equal(run.backward().bottom[0].diff, [0, 0, 0])


def test_the_gradient_at_zero_is_no_number_as_in_caffe(backend):
    run = run_layer('type: "Power" power_param { power: 3 }', np.array([0.0, 2.0]))
    run.top[0].diff[...] = 1
    dx = run.backward().bottom[0].diff
    assert np.isnan(dx[0])
    assert_allclose(dx[1], 12, rtol=1e-6)


def test_a_root_of_a_negative_number_is_none(backend):
    assert np.isnan(run_layer('type: "Power" power_param { power: 0.5 }', np.array([-1.0])).top[0].data[0])


def test_in_place_with_power_1_the_gradient_is_lost_as_in_caffe(backend, capsys):
    run = run_layer('type: "Power" power_param { scale: -3 shift: 1 }', np.array([1.0, 2.0]), in_place=True)
    assert_array_equal(run.top[0].data, [-2, -5])
    run.top[0].diff[...] = 7
    assert_array_equal(run.backward().backward().bottom[0].diff, [9, 9])
    said = capsys.readouterr().err
    assert said.count("layer 'the_layer' runs in place: as in Caffe its backward pass loses the gradient") == 1
    assert "give its top a name of its own" in said
