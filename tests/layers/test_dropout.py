"""Dropout beyond the table of all types."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal

from minicaffe.backend import CPU
from minicaffe.errors import FormatError
from minicaffe.layers.base import TEST

DROPOUT = 'type: "Dropout" dropout_param { dropout_ratio: 0.3 }'
ONES = np.ones((20, 30, 40, 5))


@pytest.mark.parametrize("in_place", [False, True])
def test_the_share_and_the_mean(backend, in_place):
    y = run_layer(DROPOUT, ONES, in_place=in_place).top[0].data
    kept = y != 0
    # 120,000 draws: three standard deviations are 0.004.
    assert abs(kept.mean() - 0.7) < 0.004
    assert np.allclose(y[kept], 1 / 0.7)
    # No two rows are alike, along any axis.
    assert len({kept[n].tobytes() for n in range(20)}) == 20
    assert len({kept[:, :, :, w].tobytes() for w in range(5)}) == 5


def test_backward_uses_the_mask_of_forward(backend, order):
    run = run_layer(DROPOUT, ONES)
    run.top[0].diff[...] = 1
    assert_array_equal(run.backward().bottom[0].diff, run.top[0].data)


def test_every_pass_draws_anew_and_can_be_repeated(backend):
    run = make_layer(DROPOUT, ONES)
    state = run.layer.state()
    first, second = (np.array(run.forward().top[0].data) for _ in range(2))
    assert (first != second).any()
    run.layer.restore(state)
    assert_array_equal(run.forward().top[0].data, first)
    assert_array_equal(run.forward().top[0].data, second)


def test_a_state_without_the_count_is_refused_and_changes_nothing():
    run = run_layer(DROPOUT, ONES)
    with pytest.raises(FormatError, match=r'"the_layer" \(Dropout\): cannot go on .* it has no forward_count'):
        run.layer.restore({"items": 3})
    assert run.layer.state() == {"forward_count": 1}


def test_layers_of_other_names_draw_otherwise(backend):
    first, second = (run_layer(f'name: "{name}" {DROPOUT}', ONES).top[0].data for name in ("drop6", "drop7"))
    assert (first != second).any()


def test_both_devices_draw_the_same(fake_gpu):
    assert_array_equal(
        run_layer(DROPOUT, ONES).top[0].data, run_layer(DROPOUT, ONES, backend=CPU, order="c").top[0].data
    )


def test_in_phase_test_nothing_is_drawn(backend):
    run = make_layer(DROPOUT, ONES, phase=TEST)
    assert_array_equal(run.forward().top[0].data, ONES)
    assert run.layer.state() == {"forward_count": 0}


def test_what_is_left_out_is_zero_even_where_it_was_large(backend):
    """0 * inf would be NaN, as it is in Caffe; a finite number is 0."""
    y = run_layer(DROPOUT, ONES * 3e38).top[0].data
    assert (y == 0).any()


def test_backward_before_any_forward_pass_lets_nothing_through(backend):
    """As in Caffe, whose mask is zeros at first."""
    run = make_layer(DROPOUT, ONES)
    run.top[0].diff[...] = run.bottom[0].diff[...] = 1
    assert_array_equal(run.backward().bottom[0].diff, 0 * ONES)
    run.forward()
    run.feed(ONES[:1])
    run.layer.reshape(run.inner_bottom, run.inner_top)
    run.top[0].diff[...] = 1
    assert run.backward().bottom[0].diff.shape == ONES[:1].shape
