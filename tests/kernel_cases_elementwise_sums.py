"""Calls of the kernel `elementwise_sums`: results kept and summed, broadcast operands, many pieces."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.formula import formula


@formula
def squares(xp, a, b):
    return xp.square(a - b)


@formula
def counted(xp, x, y, *, ignore):
    counts = xp.trunc(y) != ignore
    return x - y, xp.where(counts, x * y, 0), counts


@formula
def both_kept(xp, x, y):
    return x + y, x * y, xp.abs(x)


def cases(rng, workspace):
    for shape in [(2, 3, 4, 5), (), (1,), (0, 3), (3, 1, 2)]:
        x, y = (np.array(rng.normal(size=shape)) for _ in range(2))
        kept = [np.full(shape, np.nan) for _ in range(2)]
        yield f"squares of {shape}", "elementwise_sums", (squares, (x, y), (), {}, workspace)
        arguments = (counted, (x, y), (kept[0],), {"ignore": -1.0}, workspace)
        yield f"one kept of {shape}", "elementwise_sums", arguments
        yield f"two kept of {shape}", "elementwise_sums", (both_kept, (x, y), tuple(kept), {}, workspace)
    x = rng.normal(size=(2, 3, 4, 5))
    for shape in [(), (5,), (3, 1, 1), (2, 1, 1, 1), (2, 1, 4, 1)]:
        operands = x, rng.normal(size=shape)
        yield f"operand of {shape}", "elementwise_sums", (squares, operands, (), {}, workspace)
    # Large enough to be cut into pieces, one that does not divide them.
    large = rng.normal(size=(17, 3, 101, 67))
    for shape in [large.shape, (3, 1, 67)]:
        arguments = (counted, (large, rng.normal(size=shape)), (np.full_like(large, np.nan),), {"ignore": 0.0})
        yield f"large, operand of {shape}", "elementwise_sums", (*arguments, workspace)
