"""One step of an LSTM cell: NumPy over whole blocks of gates, in place wherever a result fits.

Many streams are shared by the threads; what is shared is counted by the longest calls, over three blocks.
"""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.workspace import Workspace


def lstm_unit_forward(
    c_prev: np.ndarray,
    gates: np.ndarray,
    cont: np.ndarray,
    act: np.ndarray,
    c: np.ndarray,
    tanh_c: np.ndarray,
    h: np.ndarray,
    workspace: Workspace,
) -> None:
    """As kernels.py."""
    arrays = c_prev, gates, cont, act, c, tanh_c, h, workspace.like(c, "kernel:lstm_unit")
    TEAM.run(lambda n: forward(*[array[n] for array in arrays]), cut(len(h), 3 * h.size))


def forward(
    c_prev: np.ndarray,
    gates: np.ndarray,
    cont: np.ndarray,
    act: np.ndarray,
    c: np.ndarray,
    tanh_c: np.ndarray,
    h: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """The step for some of the streams."""
    activate(gates, cont, act)
    i, f, o, g = blocks(act)
    np.multiply(f, c_prev, out=c)
    c *= cont[:, None]
    c += np.multiply(i, g, out=scratch)
    np.tanh(c, out=tanh_c)
    np.multiply(o, tanh_c, out=h)


def activate(gates: np.ndarray, cont: np.ndarray, act: np.ndarray) -> None:
    """act = sigmoid of the blocks i, f, o and tanh of g; f is 0 where a sequence begins, whatever its gate."""
    first = gates.shape[1] // 4 * 3
    sigmoid = act[:, :first]
    with np.errstate(over="ignore"):
        np.tanh(gates[:, first:], out=act[:, first:])
        np.exp(np.negative(gates[:, :first], out=sigmoid), out=sigmoid)
    sigmoid += 1
    np.reciprocal(sigmoid, out=sigmoid)
    np.copyto(blocks(act)[1], 0, where=cont[:, None] == 0)


def lstm_unit_backward(
    c_prev: np.ndarray,
    act: np.ndarray,
    cont: np.ndarray,
    tanh_c: np.ndarray,
    dc: np.ndarray,
    dh: np.ndarray,
    dc_prev: np.ndarray,
    dgates: np.ndarray,
    workspace: Workspace,
) -> None:
    """As kernels.py."""
    arrays = c_prev, act, cont, tanh_c, dc, dh, dc_prev, dgates, workspace.like(dh, "kernel:lstm_unit")
    TEAM.run(lambda n: backward(*[array[n] for array in arrays]), cut(len(dh), 3 * dh.size))


def backward(
    c_prev: np.ndarray,
    act: np.ndarray,
    cont: np.ndarray,
    tanh_c: np.ndarray,
    dc: np.ndarray,
    dh: np.ndarray,
    dc_prev: np.ndarray,
    dgates: np.ndarray,
    q: np.ndarray,
) -> None:
    """The step back for some of the streams.  q: scratch for the gradient of c, whole."""
    i, f, o, g = blocks(act)
    di, df, do, dg = blocks(dgates)
    slopes(act, dgates)
    np.square(tanh_c, out=q)
    np.subtract(1, q, out=q)
    q *= o
    q *= dh
    q += dc
    do *= dh
    do *= tanh_c
    di *= q
    di *= g
    dg *= q
    dg *= i
    q *= cont[:, None]
    df *= q
    df *= c_prev
    np.multiply(q, f, out=dc_prev)


def slopes(act: np.ndarray, out: np.ndarray) -> None:
    """The derivatives of the gates by what went into them: s (1 - s) of the sigmoids, 1 - g^2."""
    first = act.shape[1] // 4 * 3
    sigmoid, slope = act[:, :first], out[:, :first]
    np.subtract(1, sigmoid, out=slope)
    slope *= sigmoid
    g, slope = act[:, first:], out[:, first:]
    np.square(g, out=slope)
    np.subtract(1, slope, out=slope)


def blocks(gates: np.ndarray) -> list[np.ndarray]:
    """The four gates i, f, o, g, each (N, D), of (N, 4 D)."""
    size = gates.shape[1] // 4
    return [gates[:, k * size : (k + 1) * size] for k in range(4)]
