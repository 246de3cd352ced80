"""Local response normalization: a thread per value walks its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.workspace import Workspace

Array = Any

# A window reaches `reach` places both ways, along the channels or along height and width.
WINDOW = r"""
inline __device__ Index from(Index at, Index reach) { return at > reach ? at - reach : 0; }
inline __device__ Index to(Index at, Index reach, Index size) { return at + reach < size ? at + reach + 1 : size; }

// The sum of the values, or of their squares, in the window around value i.
inline __device__ T window_sum(const T* x, Index i, Index channels, Index height, Index width, Index channel_reach,
                               Index plane_reach, bool squares)
{
    Index w = i % width, h = i / width % height, c = i / width / height % channels;
    const T* picture = x + i / width / height / channels * channels * height * width;
    T sum = 0;
    for (Index cc = from(c, channel_reach); cc < to(c, channel_reach, channels); cc++)
        for (Index hh = from(h, plane_reach); hh < to(h, plane_reach, height); hh++)
            for (Index ww = from(w, plane_reach); ww < to(w, plane_reach, width); ww++) {
                T v = picture[(cc * height + hh) * width + ww];
                sum += squares ? v * v : v;
            }
    return sum;
}
"""

LRN_FORWARD = Kernel(
    WINDOW
    + r"""
extern "C" __global__ void lrn_forward(Index total, const T* x, Index channels, Index height, Index width,
                                       Index channel_reach, Index plane_reach, double alpha, double beta, double k,
                                       T* y, T* scale)
{
    GRID_STRIDE_LOOP(i, total) {
        T s = (T)k + (T)alpha * window_sum(x, i, channels, height, width, channel_reach, plane_reach, true);
        scale[i] = s;
        y[i] = x[i] * pow(s, (T)-beta);
    }
}
"""
)

LRN_RATIO = Kernel(r"""
extern "C" __global__ void lrn_ratio(Index total, const T* x, const T* scale, const T* dy, double beta, T* ratio)
{
    GRID_STRIDE_LOOP(i, total)
        ratio[i] = dy[i] * pow(scale[i], (T)-beta) * x[i] / scale[i];
}
""")

LRN_BACKWARD = Kernel(
    WINDOW
    + r"""
extern "C" __global__ void lrn_backward(Index total, const T* x, const T* scale, const T* dy, const T* ratio,
                                        Index channels, Index height, Index width, Index channel_reach,
                                        Index plane_reach, double alpha, double beta, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        T sum = window_sum(ratio, i, channels, height, width, channel_reach, plane_reach, false);
        dx[i] = dy[i] * pow(scale[i], (T)-beta) - (T)(2 * alpha * beta) * x[i] * sum;
    }
}
"""
)


def lrn_forward(
    x: Array,
    axes: Sequence[int],
    size: int,
    alpha: float,
    beta: float,
    k: float,
    y: Array,
    scale: Array,
    workspace: Workspace,
) -> None:
    """As kernels.py."""
    with written(y) as out, written(scale) as s:
        LRN_FORWARD.launch(x.size, c_order(x), *x.shape[1:], *reaches(axes, size), alpha, beta, k, out, s, T=x.dtype)


def lrn_backward(
    x: Array,
    scale: Array,
    dy: Array,
    axes: Sequence[int],
    size: int,
    alpha: float,
    beta: float,
    dx: Array,
    workspace: Workspace,
) -> None:
    """As kernels.py."""
    x, scale, dy = c_order(x), c_order(scale), c_order(dy)
    ratio = workspace.array("kernel:ratio", x.shape, x.dtype)
    LRN_RATIO.launch(x.size, x, scale, dy, beta, ratio, T=x.dtype)
    with written(dx) as out:
        window = *x.shape[1:], *reaches(axes, size)
        LRN_BACKWARD.launch(x.size, x, scale, dy, ratio, *window, alpha, beta, out, T=x.dtype)


def reaches(axes: Sequence[int], size: int) -> tuple[int, int]:
    """How far the window reaches along the channels, and along height and width."""
    reach = (size - 1) // 2
    return (reach, 0) if tuple(axes) == (1,) else (0, reach)
