"""SigmoidCrossEntropyLoss beside its row of the table: spot values, huge logits, which divisor, all ignored."""

import math

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose


def layer(loss=""):
    return f'type: "SigmoidCrossEntropyLoss" loss_param {{ {loss} }}'


@pytest.mark.parametrize("x, t, loss", [(0, 1, 0.6931472), (2, 0, 2.1269280), (-3, 1, 3.0485874)])
def test_spot_values(backend, x, t, loss):
    assert run_layer(layer(), np.array([float(x)]), np.array([float(t)])).loss == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits(backend, dtype):
    """Nothing overflows: what is right costs nothing, what is wrong costs |x|."""
    x, t = np.array([[1e4, 1e4, -1e4, -1e4]]), np.array([[1.0, 0, 0, 1]])
    run = run_layer(layer(), x, t, dtype=dtype).backward()
    assert run.loss == 2e4
    assert_allclose(run.bottom[0].diff, [[0, 1, 0, -1]])


def test_a_small_loss_is_not_lost(backend):
    """ln(1 + e^-30) is 0 where 1 + e^-30 is rounded first."""
    assert run_layer(layer(), np.array([30.0]), np.array([1.0])).loss == pytest.approx(math.exp(-30), rel=1e-5)


@pytest.mark.parametrize(
    "settings, divisor",
    [
        ("", 2),
        ("normalize: true", 5),
        ("normalize: false", 2),
        ("normalize: true normalization: FULL", 6),
        ("normalize: false normalization: VALID", 5),
        ("normalization: NONE", 1),
    ],
)
def test_which_normalization(backend, settings, divisor):
    """Six elements in two items, one of them ignored: ln 2 each."""
    t = np.array([[1, 0, 1], [0, 7, 1.0]])
    run = run_layer(layer(f"ignore_label: 7 {settings}"), np.zeros((2, 3)), t).backward()
    assert run.loss == pytest.approx(5 * math.log(2) / divisor, rel=1e-6)
    assert_allclose(run.bottom[0].diff, np.array([[-0.5, 0.5, -0.5], [0.5, 0, -0.5]]) / divisor)


@pytest.mark.parametrize("mode", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
def test_all_ignored(backend, order, mode):
    """Even where the logits are not numbers."""
    run = run_layer(
        layer(f"ignore_label: 2 normalization: {mode}"), np.full((2, 3, 4, 5), np.nan), np.full((2, 3, 4, 5), 2.5)
    )
    run.bottom[0].diff[...] = 7
    assert run.loss == 0 and not run.backward().bottom[0].diff.any()


def test_nan_is_seen(backend):
    assert math.isnan(run_layer(layer(), np.array([[1.0, np.nan]]), np.zeros((1, 2))).loss)


@pytest.mark.parametrize("ignore", ["", "ignore_label: -1"])
def test_a_large_sum_keeps_float32s_precision(order, rng, ignore):
    x, t = rng.normal(size=(32, 3, 160, 161)), rng.random((32, 3, 160, 161))
    expected = (np.maximum(x, 0) - x * t + np.log1p(np.exp(-abs(x)))).sum() / 32
    assert run_layer(layer(ignore), x, t).loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_keeps_its_type(dtype):
    run = run_layer(layer("ignore_label: 1 normalization: VALID"), np.ones((2, 3)), np.eye(2, 3), dtype=dtype)
    assert run.backward().bottom[0].diff.dtype == run.top[0].data.dtype == dtype
