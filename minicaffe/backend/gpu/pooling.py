"""Pooling over (H, W). Forward runs a thread per output; backward a thread per pixel, which gathers: the same sum
every time, and no two threads write one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend.geometry import Window
from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.gpu.window import WINDOW, pack
from minicaffe.backend.kernels import LOWEST
from minicaffe.backend.workspace import Workspace

Array = Any

# Where a window lies, and which windows hold a pixel: along one axis, then on a plane. A span is first ... last - 1.
WINDOWS = (
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

// Output i of all: its place, its plane of x, and the pixels that its window holds.
struct Output { int h, w; const T* plane; Span rows, columns; };

inline __device__ Output output_at(const T* x, Window win, Index i)
{
    int w = i % win.output[1], h = i / win.output[1] % win.output[0];
    const T* plane = x + i / win.output[1] / win.output[0] * win.image[0] * win.image[1];
    Output o = {h, w, plane, pixels_in(win, 0, h), pixels_in(win, 1, w)};
    return o;
}

// Pixel i of all: its place, the first of its plane's rows of outputs, and the windows that hold it.
struct Pixel { int h, w; Index first_row; Span rows, columns; };

inline __device__ Pixel pixel_at(Window win, Index i)
{
    int w = i % win.image[1], h = i / win.image[1] % win.image[0];
    Pixel p = {h, w, i / win.image[1] / win.image[0] * win.output[0], windows_over(win, 0, h), windows_over(win, 1, w)};
    return p;
}

// What a winner is: 1 + the number of the tap with which the window of output (oh, ow) meets pixel (h, w).
inline __device__ int tap_number(Window win, int oh, int ow, int h, int w)
{
    return (h - corner_of(win, 0, oh)) * win.kernel[1] + (w - corner_of(win, 1, ow)) + 1;
}

inline __device__ T area_of(Window win, int oh, int ow) { return (T)length_of(win, 0, oh) * length_of(win, 1, ow); }

inline __device__ T sum_of(Output o, Window win)
{
    T sum = 0;
    for (int h = o.rows.first; h < o.rows.last; h++)
        for (int w = o.columns.first; w < o.columns.last; w++)
            sum += o.plane[(Index)h * win.image[1] + w];
    return sum;
}
"""
)

MAX_POOL_FORWARD = Kernel(
    WINDOWS
    + r"""
extern "C" __global__ void max_pool_forward(Index total, const T* x, Window win, double lowest, T* y, W* winner)
{
    GRID_STRIDE_LOOP(i, total) {
        Output o = output_at(x, win, i);
        T best = (T)lowest;
        int won = 0;
        for (int h = o.rows.first; h < o.rows.last; h++)
            for (int w = o.columns.first; w < o.columns.last; w++) {
                T value = o.plane[(Index)h * win.image[1] + w];
                if (value > best) {
                    best = value;
                    won = tap_number(win, o.h, o.w, h, w);
                }
            }
        y[i] = best;
        winner[i] = (W)won;
    }
}
"""
)

MAX_POOL_BACKWARD = Kernel(
    WINDOWS
    + r"""
extern "C" __global__ void max_pool_backward(Index total, const T* dy, const W* winner, Window win, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        Pixel p = pixel_at(win, i);
        T sum = 0;
        for (int oh = p.rows.first; oh < p.rows.last; oh++)
            for (int ow = p.columns.first; ow < p.columns.last; ow++) {
                Index o = (p.first_row + oh) * win.output[1] + ow;
                if ((int)winner[o] == tap_number(win, oh, ow, p.h, p.w))
                    sum += dy[o];
            }
        dx[i] = sum;
    }
}
"""
)

MAX_POOL_INDEX = Kernel(
    WINDOWS
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
    WINDOWS
    + r"""
extern "C" __global__ void average_pool_forward(Index total, const T* x, Window win, T* y)
{
    GRID_STRIDE_LOOP(i, total) {
        Output o = output_at(x, win, i);
        y[i] = sum_of(o, win) / area_of(win, o.h, o.w);
    }
}
"""
)

AVERAGE_POOL_BACKWARD = Kernel(
    WINDOWS
    + r"""
extern "C" __global__ void average_pool_backward(Index total, const T* dy, Window win, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        Pixel p = pixel_at(win, i);
        T sum = 0;
        for (int oh = p.rows.first; oh < p.rows.last; oh++)
            for (int ow = p.columns.first; ow < p.columns.last; ow++)
                sum += dy[(p.first_row + oh) * win.output[1] + ow] / area_of(win, oh, ow);
        dx[i] = sum;
    }
}
"""
)

STOCHASTIC_POOL_FORWARD = Kernel(
    WINDOWS
    + r"""
extern "C" __global__ void stochastic_pool_forward(Index total, const T* x, Window win, const T* uniform, T* y,
                                                   W* winner)
{
    GRID_STRIDE_LOOP(i, total) {
        Output o = output_at(x, win, i);
        T threshold = uniform[i] * sum_of(o, win), running = 0, chosen = 0;
        int won = 0;
        bool reached = false;
        for (int h = o.rows.first; h < o.rows.last && !reached; h++)
            for (int w = o.columns.first; w < o.columns.last && !reached; w++) {
                chosen = o.plane[(Index)h * win.image[1] + w];
                won = tap_number(win, o.h, o.w, h, w);
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
    WINDOWS
    + r"""
extern "C" __global__ void stochastic_pool_test(Index total, const T* x, Window win, T* y)
{
    GRID_STRIDE_LOOP(i, total) {
        Output o = output_at(x, win, i);
        T sum = 0, squares = 0;
        for (int h = o.rows.first; h < o.rows.last; h++)
            for (int w = o.columns.first; w < o.columns.last; w++) {
                T value = o.plane[(Index)h * win.image[1] + w];
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


def max_pool_values(x: Array, window: Window, y: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    max_pool_forward(x, window, y, workspace.array("kernel:winner", y.shape, np.int32), workspace)


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
