"""Softmax along one axis: a thread per position walks its classes."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.gpu.arrays import around, c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.workspace import Workspace

Array = Any

# The values of position i are at (i / inner * channels + c) * inner + i % inner, for each class c.

SOFTMAX_FORWARD = Kernel(r"""
extern "C" __global__ void softmax_forward(Index total, const T* x, Index channels, Index inner, T* y)
{
    GRID_STRIDE_LOOP(i, total) {
        Index first = i / inner * channels * inner + i % inner, end = first + channels * inner;
        T largest = x[first], sum = 0;
        for (Index at = first; at < end; at += inner)
            if (x[at] > largest)
                largest = x[at];
        for (Index at = first; at < end; at += inner)
            sum += y[at] = exp(x[at] - largest);
        for (Index at = first; at < end; at += inner)
            y[at] /= sum;
    }
}
""")

SOFTMAX_BACKWARD = Kernel(r"""
extern "C" __global__ void softmax_backward(Index total, const T* y, const T* dy, Index channels, Index inner, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        Index first = i / inner * channels * inner + i % inner, end = first + channels * inner;
        T dot = 0;
        for (Index at = first; at < end; at += inner)
            dot += dy[at] * y[at];
        for (Index at = first; at < end; at += inner)
            dx[at] = y[at] * (dy[at] - dot);
    }
}
""")


def softmax_forward(x: Array, axis: int, y: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    outer, channels, inner = around(x, axis)
    if x.size:
        with written(y) as out:
            SOFTMAX_FORWARD.launch(outer * inner, c_order(x), channels, inner, out, T=x.dtype)


def softmax_backward(y: Array, dy: Array, axis: int, dx: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    outer, channels, inner = around(y, axis)
    if y.size:
        with written(dx) as out:
            SOFTMAX_BACKWARD.launch(outer * inner, c_order(y), c_order(dy), channels, inner, out, T=y.dtype)
