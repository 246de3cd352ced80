"""MultinomialLogisticLoss beside its row of the table: impossible probabilities, labels of any shape."""

import math

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose

MULTINOMIAL = 'type: "MultinomialLogisticLoss"'


def test_spot_value(backend):
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    run = run_layer(MULTINOMIAL, p, np.array([0, 2])).backward()
    assert run.loss == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2, rel=1e-6)
    assert_allclose(run.bottom[0].diff, [[-1, 0, 0], [0, 0, -0.625]], rtol=1e-6)


@pytest.mark.parametrize("p", [0.0, 1e-30, -1.0])
def test_an_impossible_probability_is_clamped(backend, p):
    run = run_layer(MULTINOMIAL, np.array([[p, 1]]), np.array([0])).backward()
    assert run.loss == pytest.approx(-math.log(1e-20), rel=1e-6)
    assert_allclose(run.bottom[0].diff, [[-1e20, 0]], rtol=1e-6)


def test_nan_is_seen(backend):
    assert math.isnan(run_layer(MULTINOMIAL, np.array([[np.nan, 1]]), np.array([0])).loss)


def test_an_item_may_have_axes(backend, order, rng):
    """Its classes are numbered in C order, whatever the order in memory."""
    p, labels = rng.uniform(0.1, 1, size=(17, 2, 3, 4)), rng.integers(0, 24, 17)
    run = run_layer(MULTINOMIAL, p, labels, dtype="float64").backward()
    chosen = p.reshape(17, 24)[np.arange(17), labels]
    assert run.loss == pytest.approx(-np.log(chosen).sum() / 17, rel=1e-9)
    dp = run.bottom[0].diff.reshape(17, 24)
    assert_allclose(dp[np.arange(17), labels], -1 / chosen / 17)
    assert np.count_nonzero(dp) == 17


def test_fractions_of_labels_are_cut_off(backend):
    p = np.array([[0.5, 0.25], [0.25, 0.75]])
    assert run_layer(MULTINOMIAL, p, np.array([1.9, -0.5])).loss == run_layer(MULTINOMIAL, p, np.array([1, 0])).loss
