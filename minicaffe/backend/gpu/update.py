"""The solver's element-wise steps, each one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel

Array = Any

REGULARIZE = Kernel(r"""
extern "C" __global__ void regularize(Index total, double scale, double decay, Index kind, const T* data, T* diff)
{
    GRID_STRIDE_LOOP(i, total) {
        T value = data[i];
        T pull = kind == 2 ? value : T((value > 0) - (value < 0));
        diff[i] = (T)scale * diff[i] + (decay != 0 ? (T)decay * pull : T(0));
    }
}
""")

SGD_UPDATE = Kernel(r"""
extern "C" __global__ void sgd_update(Index total, double rate, double momentum, T* data, T* diff, T* history)
{
    GRID_STRIDE_LOOP(i, total) {
        T step = (T)momentum * history[i] + (T)rate * diff[i];
        history[i] = diff[i] = step;
        data[i] -= step;
    }
}
""")

NESTEROV_UPDATE = Kernel(r"""
extern "C" __global__ void nesterov_update(Index total, double rate, double momentum, T* data, T* diff, T* history)
{
    GRID_STRIDE_LOOP(i, total) {
        T before = (T)momentum * history[i];
        T now = before + (T)rate * diff[i];
        T step = (T)(1 + momentum) * now - before;
        history[i] = now;
        diff[i] = step;
        data[i] -= step;
    }
}
""")

ADAGRAD_UPDATE = Kernel(r"""
extern "C" __global__ void adagrad_update(Index total, double rate, double delta, T* data, T* diff, T* history)
{
    GRID_STRIDE_LOOP(i, total) {
        T g = diff[i];
        T squares = history[i] + g * g;
        T step = (T)rate * g / (sqrt(squares) + (T)delta);
        history[i] = squares;
        diff[i] = step;
        data[i] -= step;
    }
}
""")

RMSPROP_UPDATE = Kernel(r"""
extern "C" __global__ void rmsprop_update(
    Index total, double rate, double rms_decay, double delta,
    T* data, T* diff, T* history)
{
    GRID_STRIDE_LOOP(i, total) {
        T g = diff[i];
        T squares = (T)rms_decay * history[i] + (T)(1 - rms_decay) * g * g;
        T step = (T)rate * g / (sqrt(squares) + (T)delta);
        history[i] = squares;
        diff[i] = step;
        data[i] -= step;
    }
}
""")

ADADELTA_UPDATE = Kernel(r"""
extern "C" __global__ void adadelta_update(
    Index total, double rate, double momentum, double delta,
    T* data, T* diff, T* squares, T* steps)
{
    GRID_STRIDE_LOOP(i, total) {
        T g = diff[i];
        T square = (T)momentum * squares[i] + (T)(1 - momentum) * g * g;
        T step = g * sqrt((steps[i] + (T)delta) / (square + (T)delta));
        squares[i] = square;
        steps[i] = (T)momentum * steps[i] + (T)(1 - momentum) * step * step;
        step *= (T)rate;
        diff[i] = step;
        data[i] -= step;
    }
}
""")

ADAM_UPDATE = Kernel(r"""
extern "C" __global__ void adam_update(
    Index total, double rate, double momentum, double momentum2, double delta,
    T* data, T* diff, T* m, T* v)
{
    GRID_STRIDE_LOOP(i, total) {
        T g = diff[i];
        T mean = (T)momentum * m[i] + (T)(1 - momentum) * g;
        T square = (T)momentum2 * v[i] + (T)(1 - momentum2) * g * g;
        T step = (T)rate * mean / (sqrt(square) + (T)delta);
        m[i] = mean;
        v[i] = square;
        diff[i] = step;
        data[i] -= step;
    }
}
""")


def regularize(diff: Array, data: Array, scale: float, decay: float, kind: str) -> None:
    """As kernels.py."""
    norm = {"L1": 1, "L2": 2}[kind]
    with written(diff) as out:
        REGULARIZE.launch(diff.size, float(scale), float(decay), norm, c_order(data), out, T=diff.dtype)


def sgd_update(data: Array, diff: Array, history: Array, rate: float, momentum: float) -> None:
    """As kernels.py."""
    _launch(SGD_UPDATE, (rate, momentum), data, diff, history)


def nesterov_update(data: Array, diff: Array, history: Array, rate: float, momentum: float) -> None:
    """As kernels.py."""
    _launch(NESTEROV_UPDATE, (rate, momentum), data, diff, history)


def adagrad_update(data: Array, diff: Array, history: Array, rate: float, delta: float) -> None:
    """As kernels.py."""
    _launch(ADAGRAD_UPDATE, (rate, delta), data, diff, history)


def rmsprop_update(data: Array, diff: Array, history: Array, rate: float, rms_decay: float, delta: float) -> None:
    """As kernels.py."""
    _launch(RMSPROP_UPDATE, (rate, rms_decay, delta), data, diff, history)


def adadelta_update(
    data: Array, diff: Array, squares: Array, steps: Array, rate: float, momentum: float, delta: float
) -> None:
    """As kernels.py."""
    _launch(ADADELTA_UPDATE, (rate, momentum, delta), data, diff, squares, steps)


def adam_update(
    data: Array, diff: Array, m: Array, v: Array, rate: float, momentum: float, momentum2: float, delta: float
) -> None:
    """As kernels.py."""
    _launch(ADAM_UPDATE, (rate, momentum, momentum2, delta), data, diff, m, v)


def _launch(kernel: Kernel, numbers: Sequence[float], *arrays: Array) -> None:
    """One pass over arrays of which all are written."""
    with ExitStack() as stack:
        outs = [stack.enter_context(written(array)) for array in arrays]
        kernel.launch(arrays[0].size, *map(float, numbers), *outs, T=arrays[0].dtype)
