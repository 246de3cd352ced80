"""Depthwise convolution (group = channels), directly: a thread per output, per pixel, or per weight and column."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.backend.geometry import Window
from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.gpu.window import WINDOW, pack
from minicaffe.backend.workspace import Workspace

Array = Any

# With more filters a channel, the products of all columns are taken, as for any other group.
MOST_FILTERS = 8
# Threads that share the sum of one weight, at most.
MOST_LANES = 64

# Places and taps as coordinates, the last axis moving first.
COORDINATES = (
    WINDOW
    + r"""
inline __device__ void coordinates(Index i, const int* sizes, int* at)
{
    for (int a = AXES - 1; a >= 0; a--) {
        at[a] = (int)(i % sizes[a]);
        i /= sizes[a];
    }
}

inline __device__ void next(const int* sizes, int* at)
{
    for (int a = AXES - 1; a >= 0 && ++at[a] == sizes[a]; a--)
        at[a] = 0;
}

// The pixel of a plane that a tap of the output at `out` meets, or -1 outside the image.
inline __device__ Index pixel_met(const Window& win, const int* out, const int* tap)
{
    Index pixel = 0;
    for (int a = 0; a < AXES; a++) {
        int at = out[a] * win.stride[a] - win.pad[a] + tap[a] * win.dilation[a];
        if (at < 0 || at >= win.image[a])
            return -1;
        pixel = pixel * win.image[a] + at;
    }
    return pixel;
}

// The output whose tap meets pixel `at`, or -1 if there is none.
inline __device__ Index output_meeting(const Window& win, const int* at, const int* tap)
{
    Index output = 0;
    for (int a = 0; a < AXES; a++) {
        int start = at[a] + win.pad[a] - tap[a] * win.dilation[a], o = start / win.stride[a];
        if (start < 0 || o * win.stride[a] != start || o >= win.output[a])
            return -1;
        output = output * win.output[a] + o;
    }
    return output;
}
"""
)

DEPTHWISE_FORWARD = Kernel(
    COORDINATES
    + r"""
// i: an output. Plane p of y is filter p % outputs of image p / outputs, and reads plane p / filters of x.
extern "C" __global__ void depthwise_forward(Index total, const T* x, const T* weight, const T* bias, Index has_bias,
                                             Index outputs, Index filters, Index taps, Index pixels, Index places,
                                             Window win, T* y)
{
    GRID_STRIDE_LOOP(i, total) {
        Index plane = i / places, o = plane % outputs;
        const T *from = x + plane / filters * pixels, *w = weight + o * taps;
        int out[AXES], tap[AXES] = {0};
        coordinates(i % places, win.output, out);
        T sum = has_bias ? bias[o] : T(0);
        for (Index t = 0; t < taps; t++, next(win.kernel, tap)) {
            Index pixel = pixel_met(win, out, tap);
            if (pixel >= 0)
                sum += w[t] * from[pixel];
        }
        y[i] = sum;
    }
}
"""
)

DEPTHWISE_BACKWARD_DATA = Kernel(
    COORDINATES
    + r"""
// i: a pixel of dx, which gathers from all outputs of its channel's filters that read it.
extern "C" __global__ void depthwise_backward_data(Index total, const T* dy, const T* weight, Index channels,
                                                   Index filters, Index taps, Index pixels, Index places, Window win,
                                                   T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        Index plane = i / pixels, c = plane % channels;
        const T *from = dy + plane * filters * places, *w = weight + c * filters * taps;
        int at[AXES], tap[AXES] = {0};
        coordinates(i % pixels, win.image, at);
        T sum = 0;
        for (Index t = 0; t < taps; t++, next(win.kernel, tap)) {
            Index output = output_meeting(win, at, tap);
            for (Index q = 0; output >= 0 && q < filters; q++)
                sum += w[q * taps + t] * from[q * places + output];
        }
        dx[i] = sum;
    }
}
"""
)

DEPTHWISE_BACKWARD_WEIGHT = Kernel(
    COORDINATES
    + r"""
// i: a weight and a lane. Sums the products of that weight over all images, in every lanes-th column of the outputs:
// neighbouring threads read neighbouring columns.
extern "C" __global__ void depthwise_backward_weight(Index total, const T* x, const T* dy, Index images, Index outputs,
                                                     Index filters, Index taps, Index pixels, Index places,
                                                     Index lanes, Window win, T* sums)
{
    GRID_STRIDE_LOOP(i, total) {
        Index lane = i % lanes, t = i / lanes % taps, o = i / lanes / taps;
        int columns = win.output[AXES - 1], out[AXES], tap[AXES];
        coordinates(t, win.kernel, tap);
        T sum = 0;
        for (Index n = 0; n < images; n++) {
            Index plane = n * outputs + o;
            const T *from = x + plane / filters * pixels, *d = dy + plane * places;
            for (Index row = 0; row < places; row += columns) {
                coordinates(row, win.output, out);
                for (out[AXES - 1] = (int)lane; out[AXES - 1] < columns; out[AXES - 1] += (int)lanes) {
                    Index pixel = pixel_met(win, out, tap);
                    if (pixel >= 0)
                        sum += d[row + out[AXES - 1]] * from[pixel];
                }
            }
        }
        sums[i] = sum;
    }
}
"""
)


def suits(weight: Array, group: int) -> bool:
    """Whether a convolution with these weights (O, C / group, *kernel) is depthwise, and gains by coming here."""
    return group > 1 and weight.shape[1] == 1 and weight.shape[0] <= MOST_FILTERS * group


def forward(x: Array, weight: Array, bias: Array | None, y: Array, window: Window, group: int) -> None:
    """conv_forward of kernels.py."""
    outputs = y.shape[1]
    sizes = outputs, outputs // group, window.taps, math.prod(x.shape[2:]), math.prod(y.shape[2:])
    win, w = pack(window, x.shape[2:], y.shape[2:]), c_order(weight)
    offsets = (w, 0) if bias is None else (c_order(bias), 1)
    with written(y) as out:
        DEPTHWISE_FORWARD.launch(y.size, c_order(x), w, *offsets, *sizes, win, out, T=x.dtype, AXES=y.ndim - 2)


def backward_data(dy: Array, weight: Array, dx: Array, window: Window, group: int) -> None:
    """conv_backward_data of kernels.py."""
    sizes = group, weight.shape[0] // group, window.taps, math.prod(dx.shape[2:]), math.prod(dy.shape[2:])
    win, w = pack(window, dx.shape[2:], dy.shape[2:]), c_order(weight)
    with written(dx) as out:
        DEPTHWISE_BACKWARD_DATA.launch(dx.size, c_order(dy), w, *sizes, win, out, T=dy.dtype, AXES=dy.ndim - 2)


def backward_weight(x: Array, dy: Array, dweight: Array, window: Window, group: int, workspace: Workspace) -> None:
    """conv_backward_weight of kernels.py, without the bias.  Lanes are summed in a second pass."""
    images, outputs, *places = dy.shape
    lanes = min(places[-1], MOST_LANES)
    sums = workspace.array("kernel:lanes", (dweight.size, lanes), dy.dtype)
    win = pack(window, x.shape[2:], tuple(places))
    sizes = images, outputs, outputs // group, window.taps, math.prod(x.shape[2:]), math.prod(places), lanes
    DEPTHWISE_BACKWARD_WEIGHT.launch(
        sums.size, c_order(x), c_order(dy), *sizes, win, sums, T=dy.dtype, AXES=len(places)
    )
    total = workspace.array("kernel:dweight", (dweight.size,), dy.dtype)
    dweight += sums.sum(axis=1, out=total).reshape(dweight.shape)
