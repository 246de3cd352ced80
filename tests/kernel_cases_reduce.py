"""Calls of the kernel `sum_to`: any neighbouring axes kept, operands of any shape, results kept whole."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.formula import formula


@formula
def itself(xp, x):
    return x


@formula
def centred(xp, x, y, mean, *, a):
    return x, a * (x - mean) * y, xp.where(x > 0, y, 0)


@formula
def counted(xp, x, y, *, ignore):
    counts = xp.trunc(y) != ignore
    return x - y, xp.where(counts, x * y, 0), counts


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
    yield from kept_whole(rng, workspace)
    x = np.array([[1.0, np.nan, 3.0], [np.inf, 1.0, 2.0]])
    yield "not numbers", "sum_to", (itself, (x,), (np.zeros((2, 1)),), {}, workspace)


def kept_whole(rng, workspace):
    """Some results are written as they are, the others summed."""
    shapes = [((2, 3, 4, 5), (1, 1, 1, 1)), ((2, 3, 4, 5), (1, 3, 1, 1)), ((3, 1), (1, 1)), ((1, 1), (1, 1)), ((), ())]
    for shape, sums in [*shapes, ((0, 3), (1, 1)), ((0, 3), (1, 3))]:
        x = np.array(rng.normal(size=shape))
        for operand in {shape, shape[-2:], (1,) * len(shape)}:
            y, out = np.array(rng.normal(size=operand) * 2), np.full(shape, np.nan)
            totals = [np.full(sums, np.nan) for _ in range(2)]
            for kept in ((out, *totals), (out, np.full(shape, np.nan), totals[0])):
                arguments = (counted, (x, y), kept, {"ignore": -1.0}, workspace)
                yield f"{len(kept)} of {shape} to {sums}, operand {operand}", "sum_to", arguments
