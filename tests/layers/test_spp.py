"""SPP: shapes, the order of its values, chance, and what Pooling refuses."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal

from minicaffe.errors import FormatError
from minicaffe.layers.base import TEST


def spp(height, pool="MAX"):
    return f'type: "SPP" spp_param {{ pyramid_height: {height} pool: {pool} }}'


def test_values_lie_level_by_level_channel_by_channel_row_by_row(backend, order):
    x = np.arange(2 * 2 * 4 * 4, dtype=float).reshape(2, 2, 4, 4)
    run = run_layer(spp(2), x)
    expected = [[15, 31, 5, 7, 13, 15, 21, 23, 29, 31], [47, 63, 37, 39, 45, 47, 53, 55, 61, 63]]
    assert_array_equal(run.top[0].data, expected)
    run.top[0].diff[...] = 1
    dx = run.backward().bottom[0].diff
    assert dx.sum() == 20 and dx[0, 0, 3, 3] == 2 and dx[0, 0, 1, 1] == 1


@pytest.mark.parametrize("height, shape", [(1, (2, 3, 1, 1)), (2, (2, 15)), (3, (2, 63)), (4, (2, 255))])
def test_shapes(height, shape):
    assert make_layer(spp(height), (2, 3, 8, 16)).top[0].shape == shape


def test_the_image_may_change(order, rng):
    """The top does not: that is what it is for."""
    run = make_layer(spp(2, "AVE"), (2, 3, 8, 8))
    for size in ((8, 8), (9, 6), (2, 31), (8, 8)):
        x = rng.normal(size=(2, 3, *size))
        run.feed(x).forward()
        assert run.top[0].shape == (2, 15)
        np.testing.assert_allclose(run.top[0].data[:, :3], x.mean(axis=(2, 3)), rtol=1e-4, atol=1e-6)


def test_a_level_that_does_not_fit_later_leaves_the_layer_as_it_was(rng):
    run = make_layer(spp(2), (2, 3, 8, 8))
    with pytest.raises(Exception, match=r"level 1, of 2 x 2 bins, does not fit images of 1 x 1 pixels"):
        run.feed(np.zeros((2, 3, 1, 1))).forward()
    x = rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
    assert_array_equal(run.feed(x).forward().top[0].data[:, :3], x.max(axis=(2, 3)))


def test_stochastic_draws_anew_and_goes_on_where_it_was(backend, order):
    x = np.random.default_rng(3).uniform(0.1, 1, size=(2, 3, 8, 8)).astype(np.float32)
    run = run_layer(spp(2, "STOCHASTIC"), x)
    first = np.array(run.top[0].data)
    state = run.layer.state()
    second = np.array(run.forward().top[0].data)
    assert not np.array_equal(first, second)
    run.layer.restore(state)
    assert_array_equal(run.forward().top[0].data, second)
    assert np.isin(second[0, 0], x[0, 0])


@pytest.mark.parametrize(
    "state, words", [({}, "it has no forward_count"), ({"forward_count": -1}, "its forward_count is -1")]
)
def test_a_state_that_is_none(state, words):
    run = make_layer(spp(2), (2, 3, 8, 8))
    with pytest.raises(FormatError, match=rf'layer "the_layer" \(SPP\): cannot go on from the snapshot: {words}'):
        run.layer.restore(state)


def test_stochastic_in_the_test_phase_is_a_weighted_mean(order):
    x = np.random.default_rng(3).uniform(0.1, 1, size=(2, 3, 4, 4))
    y = run_layer(spp(1, "STOCHASTIC"), x, phase=TEST, dtype="float64").top[0].data
    np.testing.assert_allclose(y[:, :, 0, 0], (x * x).sum(axis=(2, 3)) / x.sum(axis=(2, 3)))
