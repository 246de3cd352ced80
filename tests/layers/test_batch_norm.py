"""BatchNorm beyond the table of all types: the statistics it gathers, and what is kept for backward."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.layers.base import TEST

GLOBAL = 'type: "BatchNorm" batch_norm_param { use_global_stats: true }'
BATCH = 'type: "BatchNorm" batch_norm_param { use_global_stats: false }'
ONE_CHANNEL = np.array([1, 2, 3, 4]).reshape(4, 1)


def blobs_of(run):
    return [blob.data.copy() for blob in run.blobs]


def test_spot_values(backend):
    run = make_layer('type: "BatchNorm"', ONE_CHANNEL)
    assert [blob.shape for blob in run.blobs] == [(1,), (1,), (1,)]
    assert_array_equal(blobs_of(run), [[0], [0], [0]])
    y = run.forward().top[0].data
    assert_allclose(y.ravel(), [-1.3416354, -0.4472118, 0.4472118, 1.3416354], atol=1e-6)
    assert_allclose(blobs_of(run), [[2.5], [1.6666667], [1]], rtol=1e-6)
    assert_allclose(blobs_of(run.forward()), [[4.9975], [3.3316667], [1.999]], rtol=1e-6)


@pytest.mark.parametrize("settings, gathers", [('type: "BatchNorm"', False), (BATCH, True), (GLOBAL, False)])
def test_a_forward_pass_gathers_unless_it_uses_what_was_gathered(backend, settings, gathers):
    """In phase TEST too, as in Caffe."""
    run = run_layer(settings, ONE_CHANNEL, phase=TEST)
    assert blobs_of(run)[2] == (1 if gathers else 0)


def test_without_statistics_only_eps_divides(backend):
    y = run_layer(GLOBAL, ONE_CHANNEL).top[0].data
    assert_allclose(y, ONE_CHANNEL / np.sqrt(1e-5), rtol=1e-6)


def test_one_value_a_channel_has_no_variance(backend):
    """m / (m - 1) is left out where m is 1."""
    run = run_layer('type: "BatchNorm"', np.array([[3.0, -2.0]]))
    assert_array_equal(run.top[0].data, [[0, 0]])
    assert_array_equal(blobs_of(run)[:2], [[3, -2], [0, 0]])


def test_an_empty_batch_leaves_the_statistics_alone(backend):
    run = run_layer('type: "BatchNorm"', (0, 3, 4, 5)).backward()
    assert_array_equal(np.concatenate(blobs_of(run)), [0] * 7)


def test_no_solver_trains_the_statistics(backend):
    run = make_layer('type: "BatchNorm" param { lr_mult: 0 decay_mult: 3 }', ONE_CHANNEL)
    assert [spec.lr_mult for spec in run.layer.layer_param.param] == [0, 0, 0]
    assert [spec.decay_mult for spec in run.layer.layer_param.param] == [3, 1, 1]


def overwritten(run):
    """As a net tells a layer that a later one runs in place."""
    run.layer.top_is_overwritten = True


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("settings", [BATCH, GLOBAL])
def test_backward_does_not_need_a_top_that_is_overwritten(backend, order, rng, settings, in_place):
    x, dy, found = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5)), []
    options = {"in_place": in_place, "blobs": (np.ones(3), np.ones(3), np.ones(1))}
    for prepare in (None, overwritten):
        run = run_layer(settings, x, prepare=prepare, **options)
        if prepare is overwritten:
            run.top[0].data[...] = 7
        run.top[0].diff[...] = dy
        found.append(run.backward().bottom[0].diff)
    assert_array_equal(found[0], found[1])


def test_a_mean_far_from_zero(order, rng):
    """The variance is that of the distances from the mean: E[x^2] - E[x]^2 would leave nothing of it in float32."""
    x = (1000 + rng.normal(size=(20, 2, 50, 50))).astype(np.float32)
    run = run_layer('type: "BatchNorm"', x)
    wide = x.astype(float)
    centre, variance = wide.mean(axis=(0, 2, 3)), wide.var(axis=(0, 2, 3))
    assert_allclose(blobs_of(run)[0], centre, rtol=1e-7)
    assert_allclose(blobs_of(run)[1], variance * 50000 / 49999, rtol=1e-4)
    expected = (wide - centre[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
    assert_allclose(run.top[0].data, expected, atol=2e-4)
