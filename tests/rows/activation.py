"""Rows of the layers that work on each element alone."""

import math
from dataclasses import replace

import numpy as np
from layer_table import Case, Refusal, Row

from minicaffe.errors import GraphError, ParamError, ShapeError
from minicaffe.layers.base import TEST


def each(function):
    """A reference that applies function(param, v) to each number of the bottom."""

    def reference(param, bottoms, blobs):
        values = [function(param, float(v)) for v in bottoms[0].flat]
        return [np.reshape(values, bottoms[0].shape)]

    return reference


def positive(rng, n):
    return (rng.uniform(0.5, 2, size=(n, 3, 4, 5)),)


def any_rank(*shape):
    """Normal values of another number of axes, the batch first."""
    return lambda rng, n: (rng.normal(size=(n, *shape)),)


def scalar(rng, n):
    return (rng.normal(size=()),)


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def exp(param, v):
    p = param.exp_param
    return (math.e if p.base == -1 else p.base) ** (p.shift + p.scale * v)


def log(param, v):
    p = param.log_param
    return math.log(p.shift + p.scale * v) / (1 if p.base == -1 else math.log(p.base))


def power(param, v):
    p = param.power_param
    return (p.shift + p.scale * v) ** p.power


def relu(param, v):
    return v if v > 0 else param.relu_param.negative_slope * v


def prelu(param, bottoms, blobs):
    x, a = bottoms[0], np.broadcast_to(blobs[0], bottoms[0].shape[1])
    return [np.reshape([v if v > 0 else a[place[1]] * v for place, v in np.ndenumerate(x)], x.shape)]


def elu(param, v):
    return v if v > 0 else param.elu_param.alpha * (math.exp(v) - 1)


SHAPES = (Case(), Case(bottoms=any_rank()), Case(bottoms=any_rank(1, 1, 1)), Case(bottoms=scalar))


def cases(*settings):
    """The usual shapes with the default settings, then the usual bottom with each of `settings`."""
    return SHAPES + tuple(Case(text) for text in settings)


def refused(settings, field, *words, bottoms=((2, 3),), kind=ParamError, **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


def clip_interval(low, high):
    return f"clip_param {{ min: {low} max: {high} }}"


ROWS = {
    "AbsVal": Row(cases(), each(lambda param, v: abs(v)), kinks=(0,)),
    "BNLL": Row(cases(), each(lambda param, v: math.log(1 + math.exp(v)))),
    "Clip": Row(
        tuple(Case(clip_interval(*ends)) for ends in [(-0.5, 0.8), (0, 6), (-2, -1), (0.25, 0.25), (1, -1)]),
        each(lambda param, v: max(param.clip_param.min, min(v, param.clip_param.max))),
        # The ends are stored in float32.
        kinks=(-0.5, float(np.float32(0.8)), 0, 6, -2, -1, 0.25, 1),
        refused=(
            refused("", "clip_param", "is absent", "clip_param { min: 0 max: 6 }"),
            refused(clip_interval("nan", 1), "clip_param.min", "is nan"),
            refused(clip_interval(1, "nan"), "clip_param.max", "is nan"),
        ),
    ),
    "Dropout": Row(
        (
            Case("dropout_param { dropout_ratio: 0.4 }", compared=False),
            Case(compared=False),
            Case("dropout_param { dropout_ratio: 0 }"),
            Case("dropout_param { dropout_ratio: 0.9 }", phase=TEST),
        ),
        each(lambda param, v: v),
        refused=tuple(
            refused(f"dropout_param {{ dropout_ratio: {ratio} }}", "dropout_param.dropout_ratio", f"is {ratio}")
            for ratio in ("1", "-0.1", "1.5", "nan")
        ),
    ),
    "ELU": Row(cases("elu_param { alpha: 0.5 }", "elu_param { alpha: 0 }"), each(elu), kinks=(0,)),
    "Exp": Row(
        cases(
            "exp_param { base: 2 scale: 0.5 shift: -1 }", "exp_param { scale: -0.3 shift: 1 }", "exp_param { base: 1 }"
        ),
        each(exp),
        refused=tuple(
            refused(f"exp_param {{ base: {base} }}", "exp_param.base", f"is {base}", "above 0, or -1")
            for base in ("0", "-2", "inf", "nan")
        ),
    ),
    "Log": Row(
        (
            Case(bottoms=positive),
            Case("log_param { base: 2 scale: 0.5 shift: 1 }", positive),
            Case("log_param { base: 0.5 scale: -1 shift: 3 }", positive),
        ),
        each(log),
        refused=(
            *(
                refused(f"log_param {{ base: {base} }}", "log_param.base", f"is {base}", "above 0, or -1")
                for base in ("0", "-2", "inf", "nan")
            ),
            refused("log_param { base: 1 }", "log_param.base", "is 1", "another number above 0"),
        ),
    ),
    "Power": Row(
        (
            Case("power_param { power: 2.5 scale: 0.5 shift: 1 }", positive),
            Case("power_param { power: -1 }", positive),
            Case("power_param { power: 0.5 scale: 2 }", positive),
            *(replace(case, in_place_gradient=False) for case in cases("power_param { scale: -2 shift: 0.5 }")),
            *map(
                Case,
                (
                    "power_param { power: 2 scale: 3 shift: -0.5 }",
                    "power_param { power: 3 scale: 0.5 shift: 0.1 }",
                    "power_param { power: 0 }",
                    "power_param { power: 3 scale: 0 shift: 2 }",
                ),
            ),
        ),
        each(power),
    ),
    "PReLU": Row(
        (
            Case(),
            Case(bottoms=any_rank(3)),
            Case(bottoms=any_rank(1, 1, 1)),
            Case(bottoms=any_rank(3, 4)),
            Case("prelu_param { channel_shared: true }"),
            Case('prelu_param { filler { type: "gaussian" } }'),
        ),
        prelu,
        kinks=(0,),
        refused=(
            refused("", "", "bottom[0] 2 (2) has 1 axes", "must have 2 to 4", bottoms=[(2,)], kind=ShapeError),
            refused("", "", "has 5 axes", bottoms=[(2, 3, 4, 5, 1)], kind=ShapeError),
            refused(
                *("", "", "has 4 channels, must have 3", "channel_shared: true"),
                kind=ShapeError,
                act=lambda run: run.feed(np.zeros((2, 4))).forward(),
            ),
            refused('prelu_param { filler { type: "none" } }', "prelu_param.filler", "none"),
            refused("blobs { shape { dim: 2 } data: 1 data: 1 }", "blobs[0]", "2 (2)", "3 (3)", kind=ShapeError),
        ),
    ),
    "ReLU": Row(
        cases("relu_param { negative_slope: 0.1 }", "relu_param { negative_slope: -0.5 }"), each(relu), kinks=(0,)
    ),
    "Sigmoid": Row(cases(), each(lambda param, v: sigmoid(v))),
    "Swish": Row(
        cases("swish_param { beta: 0.5 }", "swish_param { beta: 0 }"),
        each(lambda param, v: v * sigmoid(param.swish_param.beta * v)),
    ),
    "TanH": Row(cases(), each(lambda param, v: math.tanh(v))),
    "Threshold": Row(
        cases("threshold_param { threshold: 0.3 }"),
        each(lambda param, v: 1.0 if v > param.threshold_param.threshold else 0.0),
        gradient=None,
        refused=(
            refused(
                *("", "propagate_down", "bottom[0], over which a threshold is flat: it can have no gradient"),
                kind=GraphError,
                act=lambda run: run.forward().backward(),
            ),
        ),
    ),
}
