"""Filter: how many items its tops have, and when."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from net_kit import make_net
from numpy.testing import assert_array_equal

FILTER = 'type: "Filter"'


def test_at_set_up_the_tops_are_as_long_as_the_bottoms():
    run = make_layer(FILTER, (4, 3), (4, 2, 2), np.array([0, 1, 0, 0]), tops=2)
    assert [top.shape for top in run.top] == [(4, 3), (4, 2, 2)]
    run.forward()
    assert [top.shape for top in run.top] == [(1, 3), (1, 2, 2)]


def test_the_selector_is_read_in_every_pass(backend, order, rng):
    """Its shape does not tell whether its values have changed."""
    x = rng.normal(size=(4, 3, 2, 2)).astype(np.float32)
    run = make_layer(FILTER, x, (4, 1, 1, 1))
    for chosen in ([1, 0, 0, 1], [0, 0, 0, 0], [-1, 0.5, np.nan, 2], [0, 0, 1, 0]):
        keep = np.array(chosen) != 0
        run.feed(x, np.reshape(chosen, (4, 1, 1, 1))).forward()
        assert_array_equal(run.top[0].data, x[keep])
        run.top[0].diff[...] = 3
        run.bottom[0].diff[...] = 7
        run.backward([True, False])
        assert_array_equal(run.bottom[0].diff, np.where(keep[:, None, None, None], 3, np.zeros_like(x)))


def test_a_selector_that_a_layer_computed(backend, rng):
    x = rng.normal(size=(3, 2)).astype(np.float32)
    run = make_layer(FILTER, x, np.ones(3))
    run.inner_bottom[1].data[...] = 0
    assert run.forward().top[0].shape == (0, 2)


def test_only_flagged_bottoms_get_a_gradient(backend):
    run = run_layer(FILTER, np.ones((3, 2)), np.ones((3, 4)), np.array([1, 0, 1]), tops=2)
    for blob in run.bottom:
        blob.diff[...] = 7
    run.backward([False, True, False])
    assert_array_equal(run.bottom[0].diff, np.full((3, 2), 7))
    assert not run.bottom[1].diff.any()


@pytest.mark.parametrize("chosen, rows", [([0, 0, 0], 0), ([0, 1, 1], 2)])
def test_layers_behind_follow(chosen, rows):
    net = make_net(
        """
        layer { name: "x" type: "Parameter" top: "x" parameter_param { shape { dim: 3 dim: 4 } } }
        layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 3 } } }
        layer { name: "filter" type: "Filter" bottom: "x" bottom: "s" top: "y" }
        layer { name: "flat" type: "Reshape" bottom: "y" top: "z" reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
        layer { name: "sum" type: "Reduction" bottom: "z" top: "loss" loss_weight: 1 }
        """
    )
    net.params["x"][0].data[...] = 1
    net.blobs["s"].data[...] = chosen
    net.forward()
    assert net.blobs["z"].shape == (rows, 2, 2) and net.blobs["loss"].data == 4 * rows
    net.backward()
    assert_array_equal(net.params["x"][0].diff, np.repeat(np.array(chosen, float)[:, None], 4, axis=1))
