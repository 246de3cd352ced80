"""Calls of the kernels of eltwise.py."""

import math

import numpy as np

NAN, INF = math.nan, math.inf


def cases(rng):
    for shape in [(2, 3, 4, 5), (7,), (), (1, 1, 1, 1), (2, 0, 3), (3, 5, 101, 103)]:
        a, b, dy = (np.asarray(rng.normal(size=shape)) for _ in range(3))
        won, empty = np.asarray(rng.integers(0, 2, size=shape), np.uint8), np.full(shape, NAN)
        yield f"max_forward: {shape}", "max_forward", (a, b, empty, won)
        yield f"max_backward: {shape}", "max_backward", (dy, won, empty, empty)
    special = np.array([0, -0.0, 1, NAN, INF, -INF])
    a, b = (x.ravel() for x in np.meshgrid(special, special))
    yield "max_forward: special", "max_forward", (a, b, np.zeros(a.shape), np.full(a.shape, 7, np.uint8))
    won = np.arange(a.size, dtype=np.uint8) % 2
    yield "max_backward: special", "max_backward", (a, won, np.zeros(a.shape), np.zeros(a.shape))
