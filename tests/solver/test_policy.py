"""Learning-rate policies against Caffe's own figures, their definitions, and the settings they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.errors import Origin, ParamError
from minicaffe.proto import caffe_pb2
from minicaffe.solver.policy import POLICIES, check_policy, learning_rate


def solver(policy, **settings):
    return caffe_pb2.SolverParameter(base_lr=0.01, lr_policy=policy, **settings)


def rates(param, count, dtype=np.float32):
    """The rates of a run from iteration 0, the step carried along."""
    step, seen = 0, []
    for iteration in range(count):
        rate, step = learning_rate(param, iteration, step, dtype)
        seen.append(rate)
    return seen


# What Caffe 1.0 prints for iterations 0 to 5.
CAFFE = [
    (solver("fixed"), ".01 .01 .01 .01 .01 .01"),
    (solver("step", gamma=0.5, stepsize=2), ".01 .01 .005 .005 .0025 .0025"),
    (solver("exp", gamma=0.5), ".01 .005 .0025 .00125 .000625 .0003125"),
    (solver("inv", gamma=0.1, power=0.75), ".01 .00931012 .00872196 .00821377 .00776969 .00737788"),
    (solver("poly", power=2, max_iter=6), ".01 .00694444 .00444444 .0025 .00111111 .000277778"),
    (solver("sigmoid", gamma=0.5, stepsize=3), ".00182426 .00268941 .00377541 .005 .00622459 .00731059"),
    (solver("multistep", gamma=0.1, stepvalue=[1, 1, 1]), ".01 .001 .0001 1e-05 1e-05 1e-05"),
]


@pytest.mark.parametrize(("param", "expected"), CAFFE, ids=[param.lr_policy for param, _ in CAFFE])
def test_caffes_figures(param, expected):
    assert [f"{rate:g}" for rate in rates(param, 6)] == [f"{float(text):g}" for text in expected.split()]


def test_every_policy_has_figures():
    assert {param.lr_policy for param, _ in CAFFE} == set(POLICIES)


def definition(param, iteration):
    """The formulas, in Python's float64."""
    p, base, gamma = param, param.base_lr, param.gamma
    return {
        "fixed": lambda: base,
        "step": lambda: base * gamma ** (iteration // p.stepsize),
        "exp": lambda: base * gamma**iteration,
        "inv": lambda: base * (1 + gamma * iteration) ** -p.power,
        "multistep": lambda: base * gamma ** sum(iteration >= value for value in p.stepvalue),
        "poly": lambda: base * (1 - iteration / p.max_iter) ** p.power,
        "sigmoid": lambda: base / (1 + math.exp(-gamma * (iteration - p.stepsize))),
    }[param.lr_policy]()


@pytest.mark.parametrize("policy", sorted(POLICIES))
@given(
    gamma=st.floats(0.125, 1.25, width=32),
    power=st.floats(0, 3, width=32),
    stepsize=st.integers(1, 50),
    stepvalue=st.lists(st.integers(1, 60), max_size=3, unique=True),
)
def test_float64_rates_are_the_formulas(policy, gamma, power, stepsize, stepvalue):
    param = solver(policy, gamma=gamma, power=power, stepsize=stepsize, stepvalue=sorted(stepvalue), max_iter=40)
    for iteration, rate in enumerate(rates(param, 40, np.float64)):
        assert rate == pytest.approx(definition(param, iteration), rel=1e-12)


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_float32_rates_are_float32_numbers_near_the_formula(policy):
    param = solver(policy, gamma=0.9, power=0.75, stepsize=7, stepvalue=[3, 11], max_iter=30)
    for iteration, rate in enumerate(rates(param, 30)):
        assert rate == np.float32(rate)
        assert rate == pytest.approx(definition(param, iteration), rel=3e-6)


def test_poly_rounds_as_caffe_does():
    """1 - 449999 / 450000 has two digits left, and is off by 0.8 per cent, in float32."""
    param = solver("poly", power=1, max_iter=450000)
    left = np.float32(1) - np.float32(449999) / np.float32(450000)
    assert learning_rate(param, 449999)[0] == np.float32(param.base_lr * float(left))
    assert abs(learning_rate(param, 449999)[0] / (param.base_lr / 450000) - 1) > 0.005


def test_multistep_advances_by_one_for_each_call():
    param = solver("multistep", gamma=0.1, stepvalue=[2, 5, 5])
    steps, step = [], 0
    for iteration in [0, 1, 2, 3, 4, 5, 6, 7]:
        _, step = learning_rate(param, iteration, step)
        steps.append(step)
    assert steps == [0, 0, 1, 1, 1, 2, 3, 3]


def test_step_stores_its_floor_whatever_it_was_given():
    assert learning_rate(solver("step", gamma=0.5, stepsize=10), 35, step=99) == (np.float32(0.01 * 0.5**3), 3)


@pytest.mark.parametrize(
    ("param", "iteration", "expected"),
    [
        (solver("poly", power=0.5, max_iter=10), 10, 0.0),
        (solver("poly", power=0.5, max_iter=10), 11, math.nan),
        (solver("poly", power=1), 0, math.nan),
        (solver("poly", power=-1, max_iter=10), 10, math.inf),
        (solver("exp", gamma=2), 5000, math.inf),
        (solver("exp", gamma=0), 1, 0.0),
        (solver("exp", gamma=0), 0, np.float32(0.01)),
        (solver("sigmoid", gamma=5, stepsize=1000), 0, 0.0),
    ],
)
def test_where_a_formula_ends(param, iteration, expected):
    rate, _ = learning_rate(param, iteration)
    assert rate == expected or (math.isnan(rate) and math.isnan(expected))


ORIGIN = Origin("lenet_solver.prototxt", 1, {"lr_policy": 7, "gamma": 8, "stepsize": 9})


@pytest.mark.parametrize(
    ("param", "text"),
    [
        (
            solver("setp"),
            'lenet_solver.prototxt:7: lr_policy is "setp": Unknown learning rate policy: setp (known: exp, fixed, inv, '
            'multistep, poly, sigmoid, step); do you mean "step"?',
        ),
        (
            solver(""),
            'lenet_solver.prototxt:7: lr_policy is not set: Unknown learning rate policy: "" (known: exp, fixed, inv, '
            'multistep, poly, sigmoid, step); lr_policy: "fixed" keeps base_lr',
        ),
        (
            solver("step", gamma=0.1),
            'lenet_solver.prototxt:9: stepsize is not set, must be 1 or more for lr_policy: "step"; it '
            "counts iterations",
        ),
        (
            solver("sigmoid", gamma=0.1, stepsize=-2),
            'lenet_solver.prototxt:9: stepsize is -2, must be 1 or more for lr_policy: "sigmoid"; it counts iterations',
        ),
    ],
)
def test_what_is_refused(param, text):
    with pytest.raises(ParamError) as caught:
        check_policy(param, ORIGIN)
    assert str(caught.value) == text


@pytest.mark.parametrize("gamma", [-0.1, math.nan])
@pytest.mark.parametrize("policy", ["step", "exp", "inv", "multistep", "sigmoid"])
def test_a_gamma_below_zero_is_refused_where_it_is_used(policy, gamma):
    with pytest.raises(ParamError, match=r"prototxt:8: gamma is (-0.1|nan), must be 0 or more for lr_policy"):
        check_policy(solver(policy, gamma=gamma, stepsize=1), ORIGIN)


@pytest.mark.parametrize("policy", ["fixed", "poly"])
def test_settings_of_other_policies_are_not_looked_at(policy):
    check_policy(solver(policy, gamma=-1, stepsize=-5, power=-1), ORIGIN)
