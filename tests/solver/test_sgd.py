"""SGD against the formulas of its definition, on least squares, whose gradient is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from solver_kit import D, N, feed, history, least_squares, samples, weights, write_solver

from minicaffe.solver import Solver


def reference(x, t, start, iterations, rate, momentum=0.0, decay=0.0):
    """(weights, history) after so many updates of all samples. The bias is a feature that is always 1."""
    x = np.hstack([x, np.ones((len(x), 1))])
    w, h = start.copy(), np.zeros_like(start)
    for _ in range(iterations):
        gradient = x.T @ (x @ w - t[:, 0]) / len(x) + decay * w
        h = momentum * h + rate * gradient
        w = w - h
    return w, h


def trained(tmp_path, rng, settings, iterations, iter_size=1, net=None, dtype="float64"):
    """(solver after so many iterations, weights before them, features, targets)."""
    text = f'lr_policy: "fixed" {settings} iter_size: {iter_size}'
    path = write_solver(tmp_path, text, net or least_squares(N // iter_size))
    solver = Solver(path, dtype=dtype)
    x, t = samples(rng)
    feed(solver.net, x, t)
    start = weights(solver.net)
    solver.step(iterations)
    return solver, start, x, t


@pytest.mark.parametrize("iterations, iter_size", [(1, 1), (2, 4), (4, 2)])
def test_least_squares(tmp_path, rng, iterations, iter_size, rate=0.01, decay=0.5, momentum=0.5):
    """As all rules in test_rules.py, here for larger iter_size."""
    settings = f"base_lr: {rate} weight_decay: {decay} momentum: {momentum}"
    solver, start, x, t = trained(tmp_path, rng, settings, iterations, iter_size)
    # The settings are float32 in the file, whatever the net computes in.
    w, h = reference(x, t, start, iterations, *map(float, np.float32([rate, momentum, decay])))
    assert_allclose(weights(solver.net), w, rtol=1e-6, atol=1e-12)
    assert_allclose(history(solver), h, rtol=1e-6, atol=1e-12)
    assert solver.iter == iterations


def test_float32_comes_within_its_precision(tmp_path, rng):
    settings = "base_lr: 0.1 weight_decay: 0.01 momentum: 0.9"
    solver, start, x, t = trained(tmp_path, rng, settings, 4, dtype="float32")
    w, h = reference(x, t, start, 4, 0.1, 0.9, 0.01)
    assert_allclose(weights(solver.net), w, rtol=1e-5, atol=1e-6)
    assert_allclose(history(solver), h, rtol=1e-5, atol=1e-6)
    assert solver.net.params["ip"][0].data.dtype == np.float32


def test_the_diff_holds_the_update(tmp_path, rng):
    solver, start, _, _ = trained(tmp_path, rng, "base_lr: 0.1 momentum: 0.9", 1)
    diff = np.concatenate([blob.diff.ravel() for blob in solver.net.params["ip"]])
    assert_allclose(start - weights(solver.net), diff, rtol=1e-12)
    assert_allclose(history(solver), diff, rtol=0)


def test_a_change_of_rate_leaves_the_history(tmp_path, rng):
    """The rate sits inside h: with a rate of 0 the run goes on by momentum alone."""
    solver, _, _, _ = trained(tmp_path, rng, "base_lr: 0.1 momentum: 0.5", 1)
    before, h = weights(solver.net), history(solver)
    solver.param.base_lr = 0
    solver.step(2)
    assert_allclose(weights(solver.net), before - 0.5 * h - 0.25 * h, rtol=1e-12)


def shared_twice():
    """Two layers that share weights and bias, each with half of the loss: the gradients add up to one layer's."""
    branch = """
    layer {{ name: "ip{0}" type: "InnerProduct" bottom: "x" top: "y{0}"
             param {{ name: "w" }} param {{ name: "b" }} inner_product_param {{ num_output: 1
             weight_filler {{ type: "gaussian" std: 1 }} bias_filler {{ type: "constant" value: 0.5 }} }} }}
    layer {{ name: "loss{0}" type: "TestSquares" bottom: "y{0}" bottom: "t" top: "loss{0}" loss_weight: 0.5 }}"""
    inputs = least_squares().split('layer { name: "ip"')[0]
    return inputs + branch.format(1) + branch.format(2)


def test_shared_parameters_take_one_update_of_both_gradients(tmp_path, rng):
    settings = "base_lr: 0.1 momentum: 0.9 weight_decay: 0.1"
    solver, start, x, t = trained(tmp_path, rng, settings, 3, net=shared_twice())
    assert len(solver._updater.history) == 2
    w, h = reference(x, t, start[: D + 1], 3, *map(float, np.float32([0.1, 0.9, 0.1])))
    assert_allclose(weights(solver.net), np.tile(w, 2), rtol=1e-6)
    assert_allclose(history(solver), h, rtol=1e-6)
