"""Calls of the kernels of rows.py."""

import math

import numpy as np

NAN, INF = math.nan, math.inf

# name: (shape of x, which rows)
TAKEN = {
    "all": ((5, 2, 3, 4), [3, 0, 4, 1, 2]),
    "some twice": ((4, 3, 2, 2), [1, 1, 3, 0, 3, 1]),
    "one of many": ((7, 5), [6]),
    "numbers": ((6,), [5, 2, 2]),
    "long rows": ((3, 2, 130, 131), [2, 0, 2]),
    "many rows": ((9, 3), list(range(9)) * 40),
    "none": ((3, 2, 2, 2), []),
    "empty rows": ((3, 2, 0, 2), [1, 1]),
}

FOUND = {
    "all good": [0, 1, 2],
    "too large": [0, 3, 5],
    "below": [1, -0.5, -1],
    "a fraction": [2, 1, 0.5, 2.5],
    "not a number": [0, NAN],
    "infinite": [INF, -INF],
    "none": [],
}


def cases(rng):
    for name, (shape, rows) in TAKEN.items():
        taken, rows = (len(rows), *shape[1:]), np.array(rows, np.int64)
        yield f"take_rows: {name}", "take_rows", (rng.normal(size=shape), rows, np.full(taken, NAN))
        yield f"add_rows: {name}", "add_rows", (rng.normal(size=taken), rows, rng.normal(size=shape))
    for name, index in FOUND.items():
        for whole in (False, True):
            yield f"find_bad_row: {name}, whole {whole}", "find_bad_row", (np.array(index, float), 3, whole)
