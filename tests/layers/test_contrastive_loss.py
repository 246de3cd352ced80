"""ContrastiveLoss beside its row of the table: spot values, Caffe's own slope within the margin, flags."""

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose


def layer(settings=""):
    return f'type: "ContrastiveLoss" contrastive_loss_param {{ {settings} }}'


ORIGIN, POINT = np.zeros((1, 2)), np.array([[0.3, 0.4]])


@pytest.mark.parametrize(
    "settings, similar, loss", [("", 1, 0.125), ("", 0, 0.125), ("legacy_version: true", 0, 0.375)]
)
def test_spot_values(backend, settings, similar, loss):
    assert run_layer(layer(settings), ORIGIN, POINT, np.array([similar])).loss == pytest.approx(loss, rel=1e-6)


def definition(a, b, similar, margin, legacy):
    """da: Caffe's slope, with its 1e-4 beside the distance."""
    da = np.zeros(a.shape)
    for n, delta in enumerate(a - b):
        squared = (delta**2).sum()
        distance = np.sqrt(squared)
        if similar[n]:
            da[n] = delta
        elif legacy:
            da[n] = -delta if margin - squared > 0 else 0
        elif margin - distance > 0:
            da[n] = -(margin - distance) / (distance + 1e-4) * delta
    return da / len(a)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("margin", [0.5, 2.5, 100])
@pytest.mark.parametrize("ones", [(), (1, 1)])
def test_gradient(backend, order, rng, legacy, margin, ones):
    a, b = 0.8 * rng.normal(size=(2, 17, 4))
    similar = rng.integers(0, 2, 17)
    text = layer(f"margin: {margin} legacy_version: {str(legacy).lower()}")
    bottoms = (a.reshape(17, 4, *ones), b.reshape(17, 4, *ones), similar.reshape(17, *ones))
    run = run_layer(text, *bottoms, dtype="float64")
    run.top[0].diff[...] = 3
    for blob in run.bottom:
        blob.diff[...] = 7
    run.backward([True, True, False])
    expected = 3 * definition(a, b, similar, margin, legacy)
    assert_allclose(run.bottom[0].diff.reshape(17, 4), expected, rtol=1e-9, atol=1e-12)
    assert_allclose(run.bottom[1].diff.reshape(17, 4), -expected, rtol=1e-9, atol=1e-12)
    assert (run.bottom[2].diff == 7).all()


@pytest.mark.parametrize("flag, similar", [(1, True), (-1, True), (3.7, True), (0.9, False), (-0.9, False), (0, False)])
def test_a_flag_is_cut_off_to_an_integer(backend, flag, similar):
    """Far apart: only a similar pair costs anything."""
    loss = run_layer(layer(), ORIGIN, 10 * POINT, np.array([flag])).loss
    assert loss == pytest.approx(12.5 if similar else 0, rel=1e-6)


def test_a_dissimilar_pair_at_one_place_has_no_direction(backend):
    """D = 0: the whole margin is lost, and the slope is finite."""
    run = run_layer(layer("margin: 2"), ORIGIN, ORIGIN, np.array([0])).backward()
    assert run.loss == 2 and not run.bottom[0].diff.any() and not run.bottom[1].diff.any()


def test_one_side_alone(backend):
    run = run_layer(layer(), ORIGIN, POINT, np.array([1]))
    run.bottom[0].diff[...] = 7
    run.backward([False, True, False])
    assert (run.bottom[0].diff == 7).all()
    assert_allclose(run.bottom[1].diff, POINT, rtol=1e-6)


def test_a_pair_may_be_without_channels(backend):
    """One axis: one channel, whether or not the other says so."""
    run = run_layer(layer(), np.array([1.0, 2]), np.array([[3.0], [2]]), np.array([1, 1]))
    assert run.loss == pytest.approx(1)
