"""Local response normalization by its definition."""

import itertools


def window(axes, size, at, shape):
    """The places of the window around `at` that lie in an array of `shape`."""
    reach = (size - 1) // 2
    spans = [
        range(max(0, i - reach), min(n, i + reach + 1)) if axis in axes else [i]
        for axis, (i, n) in enumerate(zip(at, shape, strict=True))
    ]
    return itertools.product(*spans)


def lrn_forward(x, axes, size, alpha, beta, k, y, scale, workspace):
    for at in itertools.product(*map(range, x.shape)):
        scale[at] = k + alpha * sum(x[near] ** 2 for near in window(axes, size, at, x.shape))
        y[at] = x[at] * scale[at] ** -beta


def lrn_backward(x, scale, dy, axes, size, alpha, beta, dx, workspace):
    for at in itertools.product(*map(range, x.shape)):
        others = sum(dy[n] * x[n] * scale[n] ** (-beta - 1) for n in window(axes, size, at, x.shape))
        dx[at] = dy[at] * scale[at] ** -beta - 2 * alpha * beta * x[at] * others
