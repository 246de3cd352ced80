"""The solver's element-wise steps, each one pass over memory."""

from __future__ import annotations

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


def regularize(diff: Array, data: Array, scale: float, decay: float, kind: str) -> None:
    """As kernels.py."""
    norm = {"L1": 1, "L2": 2}[kind]
    with written(diff) as out:
        REGULARIZE.launch(diff.size, float(scale), float(decay), norm, c_order(data), out, T=diff.dtype)


def sgd_update(data: Array, diff: Array, history: Array, rate: float, momentum: float) -> None:
    """As kernels.py."""
    with written(data) as d, written(diff) as g, written(history) as h:
        SGD_UPDATE.launch(data.size, float(rate), float(momentum), d, g, h, T=data.dtype)
