"""Calls of the kernels of LRN: windows of all sizes along the channels or the plane."""

from __future__ import annotations

import numpy as np

SHAPES = [(2, 3, 4, 5), (1, 7, 1, 1), (2, 1, 3, 2), (0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5), (3, 2, 9, 1)]
# (places, beta)
SIZES = [(1, 0.75), (3, 0.75), (5, 1.0), (7, 0.6), (2**31 - 1, 0.5)]


def cases(rng, workspace):
    for shape in SHAPES:
        for axes in [(1,), (2, 3)]:
            for size, beta in SIZES:
                x, dy, out = rng.normal(size=shape), rng.normal(size=shape), np.full(shape, np.nan)
                scale = rng.uniform(1, 2, size=shape)
                name = f"{shape}, {size} along {axes}, beta {beta}"
                yield name, "lrn_forward", (x, axes, size, 0.3, beta, 1.5, out, out, workspace)
                yield name, "lrn_backward", (x, scale, dy, axes, size, 0.3, beta, out, workspace)
