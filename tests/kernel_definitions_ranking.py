"""Definitions of the kernels of ranking.py."""

import math

import numpy as np


def last_maximum(x, axis, place, workspace):
    lines = np.moveaxis(x, axis, -1)
    for at in np.ndindex(*place.shape):
        place[at] = max(range(x.shape[axis]), key=lambda j: (math.isnan(lines[at][j]), nan_first(lines[at][j]), j))


def nan_first(value):
    return 0 if math.isnan(value) else value


def rank_lines(lines, index, workspace):
    for line, places in zip(lines, index, strict=True):
        # NaN has no place in the order of the numbers.
        numbers = [j for j in range(len(line)) if not math.isnan(line[j])]
        others = [j for j in range(len(line)) if math.isnan(line[j])]
        places[:] = (others + sorted(numbers, key=lambda j: (-line[j], j)))[: len(places)]
