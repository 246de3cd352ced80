"""Calls of the kernel `sum_to`: any neighbouring axes kept, operands of any shape, sizes that fill several boxes."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.formula import formula


@formula
def itself(xp, x):
    return x


@formula
def centred(xp, x, y, mean, *, a):
    return x, a * (x - mean) * y, xp.where(x > 0, y, 0)


# (shape, shape of the sums)
SHAPES = [
    ((2, 3, 4, 5), (1, 3, 1, 1)),
    ((2, 3, 4, 5), (2, 3, 1, 1)),
    ((2, 3, 4, 5), (2, 1, 1, 1)),
    ((2, 3, 4, 5), (1, 3, 4, 1)),
    ((2, 3, 4, 5), (1, 1, 1, 5)),
    ((2, 3, 4, 5), (1, 1, 1, 1)),
    ((2, 3, 4, 5), (2, 3, 4, 5)),
    ((2, 1, 4, 1), (2, 1, 1, 1)),
    ((3, 4), (1, 4)),
    ((7,), (1,)),
    ((), ()),
    ((0, 3, 4, 5), (1, 3, 1, 1)),
    ((2, 0, 4, 5), (1, 0, 1, 1)),
    ((2, 3, 2, 2, 3), (1, 3, 2, 1, 1)),
    ((300, 2, 1, 3), (1, 2, 1, 1)),
    ((2, 1, 17, 19), (1, 1, 1, 1)),
]


def cases(rng, workspace):
    for shape, kept in SHAPES:
        x, y = (np.array(rng.normal(size=shape)) for _ in range(2))
        out = tuple(np.full(kept, np.nan) for _ in range(3))
        yield f"itself, {shape} to {kept}", "sum_to", (itself, (x,), out[:1], {}, workspace)
        for mean in {kept, (), (1,) * len(shape)}:
            arrays = x, y, np.array(rng.normal(size=mean))
            yield f"{shape} to {kept}, operand {mean}", "sum_to", (centred, arrays, out, {"a": 0.5}, workspace)
    x = np.array([[1.0, np.nan, 3.0], [np.inf, 1.0, 2.0]])
    yield "not numbers", "sum_to", (itself, (x,), (np.zeros((2, 1)),), {}, workspace)
