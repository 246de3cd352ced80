"""Each update rule against the formulas of its paper, step by step in float64, on least squares."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from solver_kit import N, feed, history, least_squares, samples, weights, write_solver

from minicaffe import get_solver
from minicaffe.errors import ParamError
from minicaffe.solver import Solver

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
SLOTS = {"AdaDelta": 2, "Adam": 2}


def next_step(kind, g, state, t, rate, mu, mu2=0.999, decay=0.99, eps=1e-8):
    """The update for gradient g; state: a list of arrays, written to."""
    if kind in ("SGD", "Nesterov"):
        (h,) = state
        before = h.copy()
        h[...] = mu * h + rate * g
        return h.copy() if kind == "SGD" else (1 + mu) * h - mu * before
    if kind == "AdaGrad":
        state[0] += g**2
        return rate * g / (np.sqrt(state[0]) + eps)
    if kind == "RMSProp":
        state[0][...] = decay * state[0] + (1 - decay) * g**2
        return rate * g / (np.sqrt(state[0]) + eps)
    a, b = state
    if kind == "AdaDelta":
        a[...] = mu * a + (1 - mu) * g**2
        u = g * np.sqrt((b + eps) / (a + eps))
        b[...] = mu * b + (1 - mu) * u**2
        return rate * u
    a[...] = mu * a + (1 - mu) * g
    b[...] = mu2 * b + (1 - mu2) * g**2
    return rate * math.sqrt(1 - mu2**t) / (1 - mu**t) * a / (np.sqrt(b) + eps)


def reference(kind, x, t, start, iterations, rate, momentum, weight_decay, **numbers):
    """(weights, what the rule remembers) after so many updates."""
    x = np.hstack([x, np.ones((len(x), 1))])
    w, state = start.copy(), [np.zeros_like(start) for _ in range(SLOTS.get(kind, 1))]
    for i in range(iterations):
        g = x.T @ (x @ w - t[:, 0]) / len(x) + weight_decay * w
        w = w - next_step(kind, g, state, i + 1, rate, momentum, **numbers)
    return w, np.concatenate(state)


def trained(tmp_path, rng, kind, settings, iterations, iter_size=1, dtype="float64"):
    text = f'type: "{kind}" lr_policy: "fixed" {settings} iter_size: {iter_size}'
    solver = Solver(write_solver(tmp_path, text, least_squares(N // iter_size)), dtype=dtype)
    x, t = samples(rng)
    feed(solver.net, x, t)
    start = weights(solver.net)
    solver.step(iterations)
    return solver, start, x, t


def float32s(*values):
    """Settings are float32 in the file, whatever the net computes in."""
    return map(float, np.float32(values))


MOMENTA = [(kind, momentum) for kind in TYPES for momentum in ((0,) if kind in WITHOUT_MOMENTUM else (0, 0.5, 0.95))]


@pytest.mark.parametrize("kind, momentum", MOMENTA)
@pytest.mark.parametrize("decay", [0, 0.5])
@pytest.mark.parametrize("rate, iter_size", [(0.01, 2), (1.0, 1)])
def test_definition(tmp_path, rng, kind, rate, decay, momentum, iter_size, iterations=4):
    settings = f"base_lr: {rate} weight_decay: {decay} momentum: {momentum} delta: 1e-6 rms_decay: 0.9 momentum2: 0.99"
    solver, start, x, t = trained(tmp_path, rng, kind, settings, iterations, iter_size)
    numbers = dict(zip(("mu2", "decay", "eps"), float32s(0.99, 0.9, 1e-6), strict=True))
    rate, momentum, weight_decay = float32s(rate, momentum, decay)
    w, remembered = reference(kind, x, t, start, iterations, rate, momentum, weight_decay, **numbers)
    assert_allclose(weights(solver.net), w, rtol=1e-6, atol=1e-12)
    if kind in SLOTS:  # all parameters' first slot, then all second ones
        count = len(solver.net.learnable_params)
        assert [h.shape for h in solver._updater.history] == [b.shape for b in solver.net.learnable_params] * 2
        assert len(solver._updater.history) == 2 * count
    assert_allclose(history(solver), remembered, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", TYPES)
def test_defaults_and_float32(tmp_path, rng, kind):
    """delta 1e-8, rms_decay 0.99, momentum2 0.999; and the diff holds the update."""
    momentum = 0 if kind in WITHOUT_MOMENTUM else 0.9
    settings = f"base_lr: 0.1 weight_decay: 0.01 momentum: {momentum}"
    solver, start, x, t = trained(tmp_path, rng, kind, settings, 3, dtype="float32")
    w, _ = reference(kind, x, t, start, 3, 0.1, momentum, 0.01)
    # AdaDelta's first steps are quotients of numbers near 1e-8.
    assert_allclose(weights(solver.net), w, rtol=1e-4, atol=1e-5)
    before = weights(solver.net)
    solver.step(1)
    diff = np.concatenate([blob.diff.ravel() for blob in solver.net.params["ip"]])
    assert_allclose(before - weights(solver.net), diff, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("kind", TYPES)
def test_lr_mult_of_zero_moves_nothing_but_the_history(tmp_path, rng, kind):
    """No gradient is computed, but the weights decay into it."""
    momentum = 0 if kind in WITHOUT_MOMENTUM else 0.5
    text = f'type: "{kind}" lr_policy: "fixed" base_lr: 0.1 momentum: {momentum} weight_decay: 0.5'
    net = least_squares(param="param { lr_mult: 0 } param { lr_mult: 1 }")
    solver = Solver(write_solver(tmp_path, text, net), dtype="float64")
    feed(solver.net, *samples(rng))
    before = [np.array(blob.data) for blob in solver.net.params["ip"]]
    solver.step(2)
    weight, bias = solver.net.params["ip"]
    assert np.array_equal(weight.data, before[0])
    assert not np.array_equal(bias.data, before[1])
    # SGD's and Nesterov's remember the step, which is 0; the others the gradient.
    assert np.any(solver._updater.history[0]) == (kind not in ("SGD", "Nesterov"))


def test_adam_of_momentum_one_is_not_a_number_as_in_caffe(tmp_path, rng):
    solver, *_ = trained(tmp_path, rng, "Adam", "base_lr: 0.1 momentum: 1", 1)
    assert np.isnan(weights(solver.net)).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            'type: "AdaGrad" momentum: 0.9',
            "solver.prototxt:2: momentum is 0.9: Momentum cannot be used with AdaGrad; leave it out",
        ),
        ('type: "RMSProp" momentum: 0.9', "momentum is 0.9: Momentum cannot be used with RMSProp; leave it out"),
        ('type: "RMSProp" rms_decay: 1', "rms_decay is 1: rms_decay should lie between 0 and 1, 1 left out"),
        ('type: "RMSProp" rms_decay: -0.1', "rms_decay is -0.1: rms_decay should lie between 0 and 1"),
        ('type: "RMSProp" rms_decay: nan', "rms_decay is nan: rms_decay should lie between 0 and 1"),
        (
            'type: "adam"',
            'type is "adam": Unknown solver type: adam (known types: AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD); '
            'do you mean "Adam"?',
        ),
    ],
)
def test_refused(tmp_path, settings, text):
    with pytest.raises(ParamError) as error:
        Solver(write_solver(tmp_path, f'lr_policy: "fixed" base_lr: 0.1 {settings}'))
    assert text in str(error.value)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("given", ["type", "solver_type"])
def test_get_solver_makes_pycaffes_class(tmp_path, kind, given):
    value = f'"{kind}"' if given == "type" else kind.upper()
    solver = get_solver(write_solver(tmp_path, f'lr_policy: "fixed" base_lr: 0.1 {given}: {value}'))
    assert type(solver).__name__ == f"{kind}Solver"
    assert solver._updater.rule.type == kind
