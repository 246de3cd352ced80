"""Definition of the kernel of ranking.py."""

import math


def rank_lines(lines, index, workspace):
    for line, places in zip(lines, index, strict=True):
        # NaN has no place in the order of the numbers.
        numbers = [j for j in range(len(line)) if not math.isnan(line[j])]
        others = [j for j in range(len(line)) if math.isnan(line[j])]
        places[:] = (others + sorted(numbers, key=lambda j: (-line[j], j)))[: len(places)]
