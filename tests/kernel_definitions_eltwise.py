"""Definitions of the kernels of eltwise.py, one number at a time."""

import numpy as np


def max_forward(a, b, y, won):
    for at in np.ndindex(*y.shape):
        won[at] = a[at] > b[at]
        y[at] = a[at] if a[at] > b[at] else b[at]


def max_backward(dy, won, da, db):
    for at in np.ndindex(*dy.shape):
        da[at], db[at] = (dy[at], 0) if won[at] else (0, dy[at])
