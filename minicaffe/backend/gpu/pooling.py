"""Pooling over (H, W). Forward runs a thread per output; backward a thread per pixel, which gathers: the same sum
every time, and no two threads write one place."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.geometry import Window
from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.gpu.window import WINDOW, pack
from minicaffe.backend.kernels import LOWEST
from minicaffe.backend.workspace import Workspace

Array = Any

# Where a window lies, and which windows hold a pixel, along one axis. Each span is first ... last - 1.
SPANS = (
    "enum { AXES = 2 };\n"
    + WINDOW
    + r"""
struct Span { int first, last; };

inline __device__ int corner_of(Window win, int axis, int o) { return o * win.stride[axis] - win.pad[axis]; }

inline __device__ Span pixels_in(Window win, int axis, int o)
{
    int corner = corner_of(win, axis, o);
    Span span = {max(corner, 0), min(corner + win.kernel[axis], win.image[axis])};
    return span;
}

// What the average divides by: padding counts, cells beyond it do not (pooling_layer.cpp).
inline __device__ int length_of(Window win, int axis, int o)
{
    int corner = corner_of(win, axis, o);
    return min(corner + win.kernel[axis], win.image[axis] + win.pad[axis]) - corner;
}

inline __device__ Span windows_over(Window win, int axis, int pixel)
{
    int padded = pixel + win.pad[axis], kernel = win.kernel[axis], stride = win.stride[axis];
    Span span = {padded < kernel ? 0 : (padded - kernel) / stride + 1, min(padded / stride + 1, win.output[axis])};
    return span;
}
"""
)

MAX_POOL_FORWARD = Kernel(
    SPANS
    + r"""
extern "C" __global__ void max_pool_forward(Index total, const T* x, Window win, double lowest, T* y, W* winner)
{
    GRID_STRIDE_LOOP(i, total) {
        int ow = i % win.output[1], oh = i / win.output[1] % win.output[0];
        const T* plane = x + i / win.output[1] / win.output[0] * win.image[0] * win.image[1];
        Span rows = pixels_in(win, 0, oh), columns = pixels_in(win, 1, ow);
        T best = (T)lowest;
        int won = 0;
        for (int h = rows.first; h < rows.last; h++)
            for (int w = columns.first; w < columns.last; w++) {
                T value = plane[(Index)h * win.image[1] + w];
                if (value > best) {
                    best = value;
                    won = (h - corner_of(win, 0, oh)) * win.kernel[1] + (w - corner_of(win, 1, ow)) + 1;
                }
            }
        y[i] = best;
        winner[i] = (W)won;
    }
}
"""
)

MAX_POOL_BACKWARD = Kernel(
    SPANS
    + r"""
extern "C" __global__ void max_pool_backward(Index total, const T* dy, const W* winner, Window win, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        int w = i % win.image[1], h = i / win.image[1] % win.image[0];
        Index plane = i / win.image[1] / win.image[0] * win.output[0];
        Span rows = windows_over(win, 0, h), columns = windows_over(win, 1, w);
        T sum = 0;
        for (int oh = rows.first; oh < rows.last; oh++)
            for (int ow = columns.first; ow < columns.last; ow++) {
                Index o = (plane + oh) * win.output[1] + ow;
                int tap = (h - corner_of(win, 0, oh)) * win.kernel[1] + (w - corner_of(win, 1, ow));
                if ((int)winner[o] == tap + 1)
                    sum += dy[o];
            }
        dx[i] = sum;
    }
}
"""
)

MAX_POOL_INDEX = Kernel(
    SPANS
    + r"""
extern "C" __global__ void max_pool_index(Index total, const W* winner, Window win, T* index)
{
    GRID_STRIDE_LOOP(i, total) {
        int ow = i % win.output[1], oh = i / win.output[1] % win.output[0];
        int tap = (int)winner[i] - 1;
        int h = corner_of(win, 0, oh) + tap / win.kernel[1], w = corner_of(win, 1, ow) + tap % win.kernel[1];
        index[i] = tap < 0 ? T(-1) : T((Index)h * win.image[1] + w);
    }
}
"""
)

MAX_POOL_BACKWARD_INDEX = Kernel(
    r"""
// i: a plane, which one thread walks from end to end, since any output may point at any pixel.
extern "C" __global__ void max_pool_backward_index(Index total, const T* dy, const T* index, Index outputs,
                                                   Index pixels, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        for (Index pixel = 0; pixel < pixels; pixel++)
            dx[i * pixels + pixel] = 0;
        for (Index o = i * outputs; o < (i + 1) * outputs; o++)
            if (index[o] >= 0 && index[o] < pixels)
                dx[i * pixels + (Index)index[o]] += dy[o];
    }
}
"""
)

AVERAGE_POOL_FORWARD = Kernel(
    SPANS
    + r"""
extern "C" __global__ void average_pool_forward(Index total, const T* x, Window win, T* y)
{
    GRID_STRIDE_LOOP(i, total) {
        int ow = i % win.output[1], oh = i / win.output[1] % win.output[0];
        const T* plane = x + i / win.output[1] / win.output[0] * win.image[0] * win.image[1];
        Span rows = pixels_in(win, 0, oh), columns = pixels_in(win, 1, ow);
        T sum = 0;
        for (int h = rows.first; h < rows.last; h++)
            for (int w = columns.first; w < columns.last; w++)
                sum += plane[(Index)h * win.image[1] + w];
        y[i] = sum / ((T)length_of(win, 0, oh) * length_of(win, 1, ow));
    }
}
"""
)

AVERAGE_POOL_BACKWARD = Kernel(
    SPANS
    + r"""
extern "C" __global__ void average_pool_backward(Index total, const T* dy, Window win, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        int w = i % win.image[1], h = i / win.image[1] % win.image[0];
        Index plane = i / win.image[1] / win.image[0] * win.output[0];
        Span rows = windows_over(win, 0, h), columns = windows_over(win, 1, w);
        T sum = 0;
        for (int oh = rows.first; oh < rows.last; oh++)
            for (int ow = columns.first; ow < columns.last; ow++)
                sum += dy[(plane + oh) * win.output[1] + ow]
                    / ((T)length_of(win, 0, oh) * length_of(win, 1, ow));
        dx[i] = sum;
    }
}
"""
)

STOCHASTIC_POOL_FORWARD = Kernel(
    SPANS
    + r"""
extern "C" __global__ void stochastic_pool_forward(Index total, const T* x, Window win, const T* uniform, T* y,
                                                   W* winner)
{
    GRID_STRIDE_LOOP(i, total) {
        int ow = i % win.output[1], oh = i / win.output[1] % win.output[0];
        const T* plane = x + i / win.output[1] / win.output[0] * win.image[0] * win.image[1];
        Span rows = pixels_in(win, 0, oh), columns = pixels_in(win, 1, ow);
        T sum = 0;
        for (int h = rows.first; h < rows.last; h++)
            for (int w = columns.first; w < columns.last; w++)
                sum += plane[(Index)h * win.image[1] + w];

        T threshold = uniform[i] * sum, running = 0, chosen = 0;
        int won = 0;
        bool reached = false;
        for (int h = rows.first; h < rows.last && !reached; h++)
            for (int w = columns.first; w < columns.last && !reached; w++) {
                chosen = plane[(Index)h * win.image[1] + w];
                won = (h - corner_of(win, 0, oh)) * win.kernel[1] + (w - corner_of(win, 1, ow)) + 1;
                running += chosen;
                reached = running >= threshold;
            }
        y[i] = chosen;
        winner[i] = (W)won;
    }
}
"""
)

STOCHASTIC_POOL_TEST = Kernel(
    SPANS
    + r"""
extern "C" __global__ void stochastic_pool_test(Index total, const T* x, Window win, T* y)
{
    GRID_STRIDE_LOOP(i, total) {
        int ow = i % win.output[1], oh = i / win.output[1] % win.output[0];
        const T* plane = x + i / win.output[1] / win.output[0] * win.image[0] * win.image[1];
        Span rows = pixels_in(win, 0, oh), columns = pixels_in(win, 1, ow);
        T sum = 0, squares = 0;
        for (int h = rows.first; h < rows.last; h++)
            for (int w = columns.first; w < columns.last; w++) {
                T value = plane[(Index)h * win.image[1] + w];
                sum += value;
                squares += value * value;
            }
        y[i] = sum > 0 ? squares / sum : T(0);
    }
}
"""
)


def max_pool_forward(x: Array, window: Window, y: Array, winner: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    win = pack(window, x.shape[2:], y.shape[2:])
    with written(y) as out, written(winner) as won:
        MAX_POOL_FORWARD.launch(y.size, c_order(x), win, LOWEST, out, won, T=x.dtype, W=winner.dtype)


def max_pool_index(winner: Array, window: Window, image: tuple[int, ...], index: Array) -> None:
    """As kernels.py."""
    win = pack(window, tuple(image), winner.shape[2:])
    with written(index) as out:
        MAX_POOL_INDEX.launch(winner.size, c_order(winner), win, out, T=index.dtype, W=winner.dtype)


def max_pool_backward(dy: Array, winner: Array, window: Window, dx: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    win = pack(window, dx.shape[2:], dy.shape[2:])
    with written(dx) as out:
        MAX_POOL_BACKWARD.launch(dx.size, c_order(dy), c_order(winner), win, out, T=dy.dtype, W=winner.dtype)


def max_pool_backward_index(dy: Array, index: Array, dx: Array) -> None:
    """As kernels.py.  An index outside the plane gets nothing."""
    planes, outputs, pixels = dy.shape[0] * dy.shape[1], dy.shape[2] * dy.shape[3], dx.shape[2] * dx.shape[3]
    with written(dx) as out:
        MAX_POOL_BACKWARD_INDEX.launch(planes, c_order(dy), c_order(index), outputs, pixels, out, T=dy.dtype)


def average_pool_forward(x: Array, window: Window, y: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    win = pack(window, x.shape[2:], y.shape[2:])
    with written(y) as out:
        AVERAGE_POOL_FORWARD.launch(y.size, c_order(x), win, out, T=x.dtype)


def average_pool_backward(dy: Array, window: Window, dx: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    win = pack(window, dx.shape[2:], dy.shape[2:])
    with written(dx) as out:
        AVERAGE_POOL_BACKWARD.launch(dx.size, c_order(dy), win, out, T=dy.dtype)


def stochastic_pool_forward(x: Array, window: Window, uniform: Array, y: Array, winner: Array) -> None:
    """As kernels.py."""
    win = pack(window, x.shape[2:], y.shape[2:])
    with written(y) as out, written(winner) as won:
        inputs = c_order(x), win, c_order(uniform)
        STOCHASTIC_POOL_FORWARD.launch(y.size, *inputs, out, won, T=x.dtype, W=winner.dtype)


def stochastic_pool_test(x: Array, window: Window, y: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    win = pack(window, x.shape[2:], y.shape[2:])
    with written(y) as out:
        STOCHASTIC_POOL_TEST.launch(y.size, c_order(x), win, out, T=x.dtype)
