"""Calls of the kernels over odd shapes: the table that every twin is run on.

each case: (id, kernel's name, arguments).  Arrays among the arguments are float64 and are cast to the net's
dtype (labels too); a NumPy integer array is a winner or a flag and keeps its type. WORKSPACE stands for one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import kernel_cases_conv_groups
import kernel_cases_dropout
import kernel_cases_elementwise
import kernel_cases_eltwise
import kernel_cases_losses
import kernel_cases_lrn
import kernel_cases_lstm_unit
import kernel_cases_ranking
import kernel_cases_reduce
import kernel_cases_rows
import numpy as np

from minicaffe.backend.geometry import Window
from minicaffe.backend.kernels import LOWEST

WORKSPACE = object()
NAN, INF = math.nan, math.inf

# name: (x's shape, window) with outputs as a convolution's
CONVOLUTIONS = {
    "plain": ((2, 3, 4, 5), Window.of((3, 3))),
    "one channel, one image": ((1, 1, 5, 4), Window.of((2, 3), (2, 1), (1, 0))),
    "wider than the image": ((2, 2, 2, 3), Window.of((5, 5), (1, 2), (2, 2))),
    "stride beyond the kernel": ((2, 3, 7, 8), Window.of((2, 2), (3, 4))),
    "dilation": ((2, 2, 7, 6), Window.of((2, 3), (1, 2), (1, 2), (3, 2))),
    "padding behind the last window": ((2, 2, 6, 5), Window.of((3, 2), (4, 3), (2, 1))),
    "reads beyond the image": ((1, 2, 2, 2), Window.of((3, 3), (2, 2))),
    "one axis": ((2, 3, 9), Window.of((4,), (2,), (1,))),
    "three axes": ((2, 2, 3, 4, 5), Window.of((2, 3, 2), (1, 2, 1), (1, 0, 1))),
    "four axes": ((1, 2, 3, 2, 4, 3), Window.of((2, 1, 2, 2), (1, 1, 2, 1), (0, 1, 0, 1))),
    "one pixel, one tap": ((3, 4, 1), Window.of((1,))),
    "no image": ((0, 3, 4, 5), Window.of((3, 3))),
    "no output": ((2, 2, 2, 5), Window.of((3, 3))),
    "no pixel": ((2, 2, 0, 3), Window.of((2, 2), None, (1, 1))),
    "one tap": ((2, 4, 3, 5), Window.of((1, 1))),
    "one tap, strided": ((2, 4, 3, 5), Window.of((1, 1), (2, 2))),
}

# Pooling along one axis: size, kernel, stride, pad, the output's size rounded up, and rounded down.
POOLED_SIZES = [
    (6, 3, 2, 0, 3, 2),
    (5, 3, 2, 0, 2, 2),
    (4, 2, 3, 1, 2, 2),
    (3, 3, 2, 2, 3, 3),
    (2, 3, 2, 0, 1, 0),
    (3, 1, 3, 0, 2, 1),
]

# name: (x's shape, window) with outputs as a pooling's
POOLINGS = {
    "plain": ((2, 3, 4, 5), Window.of((2, 2), (2, 2))),
    "overlapping": ((2, 3, 6, 5), Window.of((3, 3), (2, 2))),
    "padded": ((1, 2, 5, 6), Window.of((3, 2), (2, 2), (1, 1))),
    "wider than the image": ((2, 1, 2, 3), Window.of((4, 5), (2, 2), (3, 3))),
    "stride beyond the kernel": ((2, 2, 7, 9), Window.of((2, 2), (3, 4))),
    "empty windows": ((1, 2, 3, 7), Window.of((1, 1), (3, 3))),
    "whole image": ((3, 2, 4, 5), Window.of((4, 5))),
    "more taps than a byte holds": ((1, 2, 17, 18), Window.of((16, 16), (1, 2))),
    "one pixel": ((1, 1, 1, 1), Window.of((1, 1))),
    "no image": ((0, 2, 4, 5), Window.of((2, 2), (2, 2))),
}

# (shape, axis of the classes)
SCORES = [((4, 7), 1), ((2, 3, 4, 5), 1), ((2, 3, 4, 5), -1), ((3, 1, 2), 1), ((5,), 0), ((1, 2, 300), 1), ((0, 3), 1)]


def cases() -> Iterator[tuple[str, str, tuple]]:
    rng = np.random.default_rng(1701)
    yield from kernel_cases_elementwise.cases(rng)
    yield from kernel_cases_reduce.cases(rng, WORKSPACE)
    yield from kernel_cases_lrn.cases(rng, WORKSPACE)
    yield from kernel_cases_dropout.cases()
    yield from kernel_cases_ranking.cases(rng, WORKSPACE)
    yield from kernel_cases_eltwise.cases(rng)
    yield from kernel_cases_rows.cases(rng)
    yield from kernel_cases_lstm_unit.cases(rng, WORKSPACE)
    yield from kernel_cases_conv_groups.cases(rng, WORKSPACE)
    for m, k, n in [(3, 4, 5), (1, 7, 1), (0, 2, 3), (3, 0, 2)]:
        yield f"matmul: {m} {k} {n}", "matmul", (rng.normal(size=(m, k)), rng.normal(size=(k, n)), np.full((m, n), NAN))
    for name, (shape, window) in CONVOLUTIONS.items():
        yield from ((f"{kernel}: {name}", kernel, args) for kernel, args in unfolding(rng, shape, window))
        for group in (1, shape[1]):
            for kernel, args in convolution(rng, shape, window, group):
                yield f"{kernel}: {name}, group {group}", kernel, args
    yield "add_bias", "add_bias", (rng.normal(size=(2, 3, 4, 5)), rng.normal(size=3))
    yield "sum_to_channels", "sum_to_channels", (rng.normal(size=(2, 3, 4, 5)), rng.normal(size=3), WORKSPACE)
    for name, (shape, window) in POOLINGS.items():
        yield from ((f"{kernel}: {name}", kernel, args) for kernel, args in pooling(rng, shape, window))
    yield from ((f"{kernel}: {name}", kernel, args) for name, kernel, args in special_pixels())
    for shape, axis in SCORES:
        yield from ((f"{kernel}: {shape} {axis}", kernel, args) for kernel, args in scores(rng, shape, axis))
    yield from labels()
    yield from updates(rng)


def unfolding(rng, shape, window):
    output = window.conv_output(shape[2:])
    col = rng.normal(size=(shape[0], shape[1] * window.taps, *output))
    yield "im2col", (rng.normal(size=shape), window, np.full_like(col, NAN), WORKSPACE)
    yield "col2im", (col, window, np.full(shape, NAN), WORKSPACE)


def convolution(rng, shape, window, group):
    x, weight = rng.normal(size=shape), rng.normal(size=(2 * group, shape[1] // group, *window.kernel))
    dy = rng.normal(size=(shape[0], 2 * group, *window.conv_output(shape[2:])))
    tail = window, group, WORKSPACE
    yield "conv_forward", (x, weight, None, np.full_like(dy, NAN), *tail)
    yield "conv_forward", (x, weight, rng.normal(size=2 * group), np.full_like(dy, NAN), *tail)
    yield "conv_backward_data", (dy, weight, np.full_like(x, NAN), *tail)
    yield "conv_backward_weight", (x, dy, rng.normal(size=weight.shape), None, *tail)
    yield "conv_backward_weight", (x, dy, rng.normal(size=weight.shape), rng.normal(size=2 * group), *tail)


def pooling(rng, shape, window):
    x, output = rng.normal(size=shape), window.pool_output(shape[2:])
    y = np.full((*shape[:2], *output), NAN)
    dy, uniform = rng.normal(size=y.shape), 1 - rng.random(y.shape)
    winner = winners(rng, y.shape, window, shape[2:])
    yield "max_pool_forward", (x, window, y, np.zeros_like(winner), WORKSPACE)
    yield "max_pool_values", (x, window, y, WORKSPACE)
    yield "max_pool_index", (winner, window, shape[2:], y)
    yield "max_pool_backward", (dy, winner, window, np.full_like(x, NAN), WORKSPACE)
    yield "max_pool_backward_index", (dy, rng.integers(-1, math.prod(shape[2:]), y.shape) * 1.0, np.full_like(x, NAN))
    yield "average_pool_forward", (x, window, y, WORKSPACE)
    yield "average_pool_backward", (dy, window, np.full_like(x, NAN), WORKSPACE)
    yield "stochastic_pool_forward", (abs(x), window, uniform, y, np.zeros_like(winner))
    yield "stochastic_pool_test", (x, window, y, WORKSPACE)


def winners(rng, shape, window, image):
    """Any tap of each window that lies on the image, or none."""
    winner = np.zeros(shape, np.uint8 if window.taps < 255 else np.int32)
    for at in np.ndindex(*shape):
        h, w = (range(*np.array(span) + (0, 1)) for span in spans(window, image, at[2:]))
        taps = [1 + j * window.kernel[1] + i for j in h for i in w]
        winner[at] = rng.choice([0, *taps])
    return winner


def spans(window, image, o):
    """(first, last) tap of the window at `o` on the image, per axis."""
    for oo, k, s, p, i in zip(o, window.kernel, window.stride, window.pad, image, strict=True):
        start = oo * s - p
        yield max(0, -start), min(k, i - start) - 1


def special_pixels():
    """Ties, NaN, infinities, and windows with nothing above LOWEST."""
    window = Window.of((2, 2), (2, 2))
    planes = [
        [[1, 1, 2, 3], [1, 1, 3, 3]],
        [[NAN, 1, NAN, NAN], [0, NAN, NAN, NAN]],
        [[INF, 1, -INF, -INF], [INF, -INF, -INF, -INF]],
        [[-INF, 5, LOWEST, LOWEST], [NAN, INF, LOWEST, LOWEST]],
        [[0, 0, -1, -2], [0, 0, 0, 1]],
    ]
    x, y = np.array([planes]), np.full((1, 5, 1, 2), NAN)
    winner, uniform = np.zeros(y.shape, np.uint8), np.full(y.shape, 0.5)
    yield "special pixels", "max_pool_forward", (x, window, y, winner, WORKSPACE)
    for i in range(len(planes)):
        one = slice(i, i + 1)
        yield f"plane {i}", "max_pool_forward", (x[:, one], window, y[:, one], winner[:, one], WORKSPACE)
        yield f"plane {i}", "max_pool_values", (x[:, one], window, y[:, one], WORKSPACE)
    yield "special pixels", "average_pool_forward", (x, window, y, WORKSPACE)
    yield "special pixels", "stochastic_pool_test", (x, window, y, WORKSPACE)
    yield "special pixels", "stochastic_pool_forward", (x, window, uniform, y, winner)
    yield (
        "threshold is the sum",
        "stochastic_pool_forward",
        (abs(x[:, 4:]), window, uniform[:, 4:] * 2, y[:, 4:], winner[:, 4:]),
    )


def scores(rng, shape, axis):
    axis %= len(shape)
    x, classes = 5 * rng.normal(size=shape), shape[axis]
    around = (*shape[:axis], *shape[axis + 1 :])
    prob = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
    label = np.array(rng.integers(0, classes, around), float)
    flags = np.full(around, 7, np.uint8)
    out = np.full(shape, NAN)
    yield "softmax_forward", (x, axis, out, WORKSPACE)
    yield "softmax_forward", (1000 * x, axis, out, WORKSPACE)
    yield "softmax_backward", (prob, rng.normal(size=shape), axis, out, WORKSPACE)
    for ignore in (None, classes - 1, 255):
        some = label if ignore != 255 else np.where(rng.random(around) < 0.5, 255.0, label)
        yield from kernel_cases_losses.cases(rng, prob, some, axis, ignore, WORKSPACE)
        for top_k in (1, 2):
            yield "accuracy_forward", (np.round(x), some, axis, top_k, ignore, flags, flags)


def labels():
    found = {
        "all good": [0, 1.9, 2, -0.9],
        "too large": [0, 1, 3, 4],
        "negative": [0, 1, 2, -1, -5],
        "not a number": [0, NAN, 3],
        "infinite": [2, 0, -INF, INF],
        "ignored": [255, 1, 255.5, 254],
        "none": [],
    }
    for name, label in found.items():
        for ignore in (None, 255, -1):
            yield f"find_bad_label: {name}, ignore {ignore}", "find_bad_label", (np.array(label, float), 3, ignore)


def updates(rng):
    for size in (0, 1, 1000):
        data, diff, history = rng.normal(size=(3, size))
        data[::7] = 0
        for kind in ("L1", "L2"):
            yield f"regularize: {kind} of {size}", "regularize", (diff, data, 0.5, 0.01, kind)
            yield f"regularize: {kind} of {size}, no decay", "regularize", (diff, data, 1.0, 0.0, kind)
        squares, others = np.abs(rng.normal(size=(2, size)))
        for momentum in (0.0, 0.9):
            yield f"sgd_update: {size}, {momentum}", "sgd_update", (data, diff, history, 0.1, momentum)
            yield f"nesterov_update: {size}, {momentum}", "nesterov_update", (data, diff, history, 0.1, momentum)
            yield f"rmsprop_update: {size}, {momentum}", "rmsprop_update", (data, diff, squares, 0.1, momentum, 1e-8)
            numbers = (0.1, momentum, 1e-6)
            yield f"adadelta_update: {size}, {momentum}", "adadelta_update", (data, diff, squares, others, *numbers)
            numbers = (0.1, momentum, 0.999, 1e-8)
            yield f"adam_update: {size}, {momentum}", "adam_update", (data, diff, history, squares, *numbers)
        yield f"adagrad_update: {size}", "adagrad_update", (data, diff, squares, 0.1, 1e-8)
