"""Calls of the kernel `elementwise`: every operator and function, every way an operand can be broadcast."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.formula import formula


@formula
def operators(xp, x, y, *, a):
    return (a + x) * (x - y) / (1 + abs(y)) - (-x) * 2.5 + 3 / (2 + xp.abs(x)) - (a - x) / 4


@formula
def truths(xp, x, y, *, a):
    inside = (x > -1) & (x <= a) | (y == x)
    return xp.where(inside, x, y) + (x >= y) * 2 - (x != y) + 3 * (~inside) + xp.where(x < 0, 1, a), inside


@formula
def functions(xp, x, y):
    size = xp.abs(x) + 0.5
    smooth = xp.exp(-size) + xp.expm1(y) * xp.log(size) + xp.log1p(size) + xp.sqrt(size) + xp.tanh(x)
    return (
        smooth + xp.power(size, -0.75) + xp.square(y) + xp.trunc(3 * x),
        xp.maximum(x, y),
        xp.minimum(x, 0),
        xp.sign(x),
    )


@formula
def one_number(xp, x, *, alpha):
    return xp.maximum(x, 0) + alpha * xp.expm1(xp.minimum(x, 0))


@formula
def from_flags(xp, flags, x):
    return flags * x, xp.where(flags > 0, x, 0)


# The shapes of an operand beside x's (2, 3, 4, 5).
BROADCAST = [(), (1,), (5,), (3, 1, 1), (1, 3, 1, 1), (2, 1, 1, 1), (4, 5), (2, 3, 1, 1), (3, 4, 1), (2, 1, 4, 1)]


def cases(rng):
    x, y = rng.normal(size=(2, 2, 3, 4, 5))
    out = [np.full_like(x, np.nan) for _ in range(4)]
    numbers = {"a": 0.7}
    yield "operators", "elementwise", (operators, (x, y), (out[0],), numbers)
    yield "truths", "elementwise", (truths, (x, y), (out[0], np.zeros(x.shape, np.uint8)), numbers)
    yield "functions", "elementwise", (functions, (x, y), tuple(out), {})
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    yield "not numbers", "elementwise", (functions, (odd, odd[::-1].copy()), tuple(np.zeros((4, 6))), {})
    yield "flags", "elementwise", (from_flags, ((x > 0).astype(np.uint8), y), (out[0], out[1]), {})
    for shape in BROADCAST:
        yield f"operand of {shape}", "elementwise", (operators, (x, rng.normal(size=shape)), (out[0],), numbers)
        yield f"first of {shape}", "elementwise", (operators, (rng.normal(size=shape), x), (out[0],), numbers)
    # Rows of a batch that are the same for all places of a picture.
    short = rng.normal(size=(24, 2, 6, 5))
    for shape in [(24, 2, 1, 1), (24, 1, 1, 1), (2, 1, 1), (24, 2, 1, 5)]:
        values = short, rng.normal(size=shape)
        yield f"short rows, {shape}", "elementwise", (operators, values, (np.full_like(short, np.nan),), numbers)
    for shape in [(), (7,), (2, 0, 3), (1, 1, 1, 1), (3, 1, 2), (2, 3, 1, 2, 2)]:
        values = rng.normal(size=shape)
        yield f"shape {shape}", "elementwise", (one_number, (values,), (np.full(shape, np.nan),), {"alpha": 0.5})
    # Large enough to be cut into pieces, one that does not divide them.
    large = rng.normal(size=(17, 3, 101, 67))
    for shape in [(), (3, 1, 1), (101, 67), (17, 1, 1, 1), (3, 1, 67)]:
        values = large, rng.normal(size=shape)
        yield f"large, operand of {shape}", "elementwise", (operators, values, (np.full_like(large, np.nan),), numbers)
