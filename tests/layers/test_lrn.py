"""LRN beyond the table of all types."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

ACROSS = 'type: "LRN" lrn_param { local_size: 3 alpha: 0.3 beta: 0.75 k: 2 }'
WITHIN = 'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }'


def test_spot_values_across_channels(backend, order):
    y = run_layer(ACROSS, np.array([1, 2, 3, 4]).reshape(1, 4, 1, 1)).top[0].data
    assert_allclose(y.ravel(), [0.5029734, 0.7987683, 0.9109073, 1.2946447], atol=1e-6)


def test_spot_values_within_a_channel(backend, order):
    y = run_layer(WITHIN, np.ones((1, 1, 3, 3))).top[0].data
    corner, edge, centre = 0.7589696, 0.6817316, 0.5946036
    expected = [[corner, edge, corner], [edge, centre, edge], [corner, edge, corner]]
    assert_allclose(y[0, 0], expected, atol=1e-6)


def test_k_counts_across_channels_alone(backend):
    x = np.ones((1, 1, 3, 3))
    more = WITHIN.replace("local_size", "k: 5 local_size")
    assert_array_equal(run_layer(more, x).top[0].data, run_layer(WITHIN, x).top[0].data)
    assert np.all(run_layer(ACROSS, x).top[0].data != run_layer(ACROSS.replace("k: 2", "k: 5"), x).top[0].data)


@pytest.mark.parametrize("prototxt", [ACROSS, WITHIN])
def test_backward_does_not_need_the_top(backend, order, rng, prototxt):
    """In Caffe, across channels, a ReLU in place behind it spoils the gradient."""
    found = []
    for overwritten in (False, True):
        run = run_layer(prototxt, np.linspace(-1, 1, 120).reshape(2, 3, 4, 5))
        if overwritten:
            run.top[0].data[...] = 7
        run.top[0].diff[...] = 1
        found.append(run.backward().bottom[0].diff)
    assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("size", [99, 2**31 - 1])
@pytest.mark.parametrize("region, axes", [("ACROSS_CHANNELS", (1,)), ("WITHIN_CHANNEL", (2, 3))])
def test_a_huge_window_holds_the_whole_axis(order, rng, region, axes, size):
    """alpha is divided by all places of the window, however many of them lie outside."""
    x, alpha = rng.normal(size=(2, 3, 4, 5)), 0.3 * float(size) ** len(axes)
    y = run_layer(f'type: "LRN" lrn_param {{ norm_region: {region} local_size: {size} alpha: {alpha} }}', x).top[0].data
    assert_allclose(y, x / (1 + 0.3 * (x**2).sum(axis=axes, keepdims=True)) ** 0.75, rtol=1e-5)


@pytest.mark.parametrize("prototxt", [ACROSS, WITHIN])
def test_another_shape(backend, order, rng, prototxt):
    run = make_layer(prototxt, (2, 3, 4, 5))
    for shape in [(1, 7, 2, 2), (17, 2, 5, 3), (2, 3, 4, 5)]:
        x = rng.normal(size=shape)
        run.feed(x).forward()
        assert_allclose(run.top[0].data, run_layer(prototxt, x).top[0].data, rtol=1e-6)
        run.top[0].diff[...] = 1
        assert run.backward().bottom[0].diff.shape == shape
