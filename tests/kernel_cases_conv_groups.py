"""Calls of convolution in groups, and with as many groups as channels, which has kernels of its own."""

from __future__ import annotations

import math

import numpy as np

from minicaffe.backend.geometry import Window

# name: (x's shape, filters a channel, window)
DEPTHWISE = {
    "3 x 3": ((2, 3, 5, 6), 1, Window.of((3, 3), pad=(1, 1))),
    "3 x 3, stride 2": ((2, 3, 7, 6), 1, Window.of((3, 3), (2, 2), (1, 1))),
    "stride 2 along rows": ((2, 2, 7, 6), 3, Window.of((2, 3), (1, 2), (0, 1))),
    "stride 2 along columns": ((2, 2, 7, 6), 2, Window.of((3, 2), (2, 1), (0, 1))),
    "twice as large by interpolation": ((1, 2, 8, 6), 1, Window.of((4, 4), (2, 2), (1, 1))),
    "stride beyond the kernel": ((2, 3, 9, 8), 1, Window.of((2, 1), (3, 4))),
    "dilation and stride with a common factor": ((1, 2, 13, 12), 2, Window.of((3, 3), (4, 2), (3, 2), (2, 4))),
    "dilation": ((2, 2, 9, 7), 1, Window.of((3, 2), dilation=(3, 2), pad=(4, 1))),
    "more padding than kernel": ((2, 2, 3, 2), 1, Window.of((2, 2), (1, 2), (4, 3))),
    "one tap, padded": ((2, 3, 3, 2), 1, Window.of((1, 1), (1, 1), (1, 2))),
    "one tap, strided": ((2, 3, 5, 4), 2, Window.of((1, 1), (2, 3))),
    "whole image": ((2, 3, 4, 5), 1, Window.of((4, 5))),
    "reads beyond the image": ((2, 2, 2, 2), 1, Window.of((3, 3), (2, 2))),
    "many filters": ((2, 2, 4, 5), 6, Window.of((3, 3), pad=(1, 1))),
    "one axis": ((3, 2, 9), 2, Window.of((3,), pad=(1,))),
    "one axis, strided": ((3, 2, 9), 1, Window.of((4,), (2,), (1,))),
    "three axes": ((2, 2, 3, 4, 5), 1, Window.of((2, 3, 2), (1, 2, 1), (1, 1, 1))),
    "no image": ((0, 2, 4, 5), 1, Window.of((3, 3))),
    "no output": ((2, 2, 2, 5), 1, Window.of((3, 3))),
    "no pixel": ((2, 2, 0, 3), 1, Window.of((2, 2), None, (1, 1))),
}

# name: (x's shape, groups, filters a group, window)
GROUPED = {
    "2 groups": ((2, 4, 5, 6), 2, 3, Window.of((3, 3), pad=(1, 1))),
    "2 groups, strided": ((2, 6, 7, 6), 2, 1, Window.of((3, 2), (2, 3), (1, 0))),
    "3 groups, dilated": ((2, 6, 7, 6), 3, 2, Window.of((2, 2), dilation=(3, 2))),
    "2 groups, one tap": ((3, 4, 3, 2), 2, 2, Window.of((1, 1))),
    "2 groups, one axis": ((2, 4, 7), 2, 2, Window.of((3,), (2,), (1,))),
}


def cases(rng, workspace):
    for name, (shape, filters, window) in DEPTHWISE.items():
        yield from convolution(rng, f"depthwise: {name}", shape, shape[1], filters, window, workspace)
    for name, (shape, group, filters, window) in GROUPED.items():
        yield from convolution(rng, name, shape, group, filters, window, workspace)


def convolution(rng, name, shape, group, filters, window, workspace):
    outputs = group * filters
    x, weight = rng.normal(size=shape), rng.normal(size=(outputs, shape[1] // group, *window.kernel))
    bias, dy = rng.normal(size=outputs), rng.normal(size=(shape[0], outputs, *window.conv_output(shape[2:])))
    y, dx = np.full_like(dy, math.nan), np.full_like(x, math.nan)
    tail = window, group, workspace
    yield name, "conv_forward", (x, weight, bias, y, *tail)
    yield f"{name}, no bias", "conv_forward", (x, weight, None, y, *tail)
    yield name, "conv_backward_data", (dy, weight, dx, *tail)
    yield name, "conv_backward_weight", (x, dy, weight, bias, *tail)
    yield f"{name}, no bias", "conv_backward_weight", (x, dy, weight, None, *tail)
