"""Definitions of the kernels of lstm_unit.py, one cell at a time."""

import math

import numpy as np


def sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v > -700 else 0.0


def gates_of(act, n, d):
    """i, f, o, g of cell d in stream n."""
    return act[n].reshape(4, -1)[:, d]


def lstm_unit_forward(c_prev, gates, cont, act, c, tanh_c, h, workspace):
    for n, d in np.ndindex(*h.shape):
        i, f, o, g = gates_of(gates, n, d)
        i, o, g = sigmoid(i), sigmoid(o), math.tanh(g)
        f = sigmoid(f) if cont[n] else 0.0
        c[n, d] = cont[n] * f * c_prev[n, d] + i * g
        tanh_c[n, d] = math.tanh(c[n, d])
        h[n, d] = o * tanh_c[n, d]
        for k, value in enumerate((i, f, o, g)):
            act[n, k * h.shape[1] + d] = value


def lstm_unit_backward(c_prev, act, cont, tanh_c, dc, dh, dc_prev, dgates, workspace):
    for n, d in np.ndindex(*dh.shape):
        i, f, o, g = gates_of(act, n, d)
        into_c = dc[n, d] + dh[n, d] * o * (1 - tanh_c[n, d] ** 2)
        dc_prev[n, d] = into_c * cont[n] * f
        slopes = (
            into_c * g * i * (1 - i),
            into_c * cont[n] * c_prev[n, d] * f * (1 - f),
            dh[n, d] * tanh_c[n, d] * o * (1 - o),
            into_c * i * (1 - g**2),
        )
        for k, value in enumerate(slopes):
            dgates[n, k * dh.shape[1] + d] = value
