"""Calls of the kernels of ranking.py."""

import math

import numpy as np

NAN, INF = math.nan, math.inf

LINES = {
    "ties": [[3, 5, 5, 1], [1, 1, 1, 1], [0, -0.0, 2, 2]],
    "special": [[NAN, 1, NAN, 2], [INF, -INF, INF, 3], [NAN, 5, 5, 1], [-INF, -INF, NAN, -INF]],
    "one value": [[4], [-1]],
}


def cases(rng, workspace):
    several = {"random": rng.normal(size=(5, 40)), "coarse": np.round(rng.normal(size=(6, 30))), **LINES}
    several["no lines"] = np.zeros((0, 4))
    for name, lines in several.items():
        lines = np.array(lines, float)
        for k in {1, min(2, lines.shape[1]), min(3, lines.shape[1]), lines.shape[1]}:
            yield f"rank_lines: {name}, {k}", "rank_lines", (lines, np.full((len(lines), k), -7, np.int64), workspace)
    for shape in [(2, 3, 4, 5), (4, 7), (6,), (0, 3), (1, 1, 2, 1)]:
        for axis in range(bool(shape[0] == 0), len(shape)):
            place = np.full(shape[:axis] + shape[axis + 1 :], -7, np.int64)
            for name, x in (("random", rng.normal(size=shape)), ("coarse", rng.integers(0, 3, size=shape) * 1.0)):
                yield f"last_maximum: {name} {shape} {axis}", "last_maximum", (x, axis, place, workspace)
    for name, lines in LINES.items():
        lines = np.array(lines, float)
        place = np.full(len(lines), -7, np.int64)
        yield f"last_maximum: {name}", "last_maximum", (lines, 1, place, workspace)
