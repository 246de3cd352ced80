"""Windows unfolded into columns and folded back, for any number of spatial axes."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.backend.geometry import Window
from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.gpu.window import WINDOW, pack
from minicaffe.backend.workspace import Workspace

Array = Any

# The tap loops count like an odometer: the last axis moves first, and one that comes full circle moves the next.

IM2COL = Kernel(
    WINDOW
    + r"""
// i: an image, a channel and an output place. Writes that window down the rows of col.
// Row r of image n is at col + n * image_step + r * row_step.
extern "C" __global__ void im2col(Index total, const T* x, Index channels, Index pixels, Index taps, Index places,
                                  Window win, Index image_step, Index row_step, T* col)
{
    GRID_STRIDE_LOOP(i, total) {
        Index place = i % places, c = i / places % channels, n = i / places / channels;
        const T* plane = x + (n * channels + c) * pixels;
        T* to = col + n * image_step + c * taps * row_step + place;

        int corner[AXES], tap[AXES] = {0};
        for (int a = AXES - 1; a >= 0; a--) {
            corner[a] = (int)(place % win.output[a]) * win.stride[a] - win.pad[a];
            place /= win.output[a];
        }
        for (Index t = 0; t < taps; t++, to += row_step) {
            Index pixel = 0;
            bool inside = true;
            for (int a = 0; a < AXES; a++) {
                int at = corner[a] + tap[a] * win.dilation[a];
                inside = inside && at >= 0 && at < win.image[a];
                pixel = pixel * win.image[a] + at;
            }
            *to = inside ? plane[pixel] : T(0);
            for (int a = AXES - 1; a >= 0 && ++tap[a] == win.kernel[a]; a--)
                tap[a] = 0;
        }
    }
}
"""
)

COL2IM = Kernel(
    WINDOW
    + r"""
// i: a pixel of x. Sums the entries of col that im2col would have read from it: no two threads write one place.
extern "C" __global__ void col2im(Index total, const T* col, Index channels, Index pixels, Index taps,
                                  Window win, Index image_step, Index row_step, T* x)
{
    GRID_STRIDE_LOOP(i, total) {
        Index pixel = i % pixels, c = i / pixels % channels, n = i / pixels / channels;
        const T* from = col + n * image_step + c * taps * row_step;

        int padded[AXES], tap[AXES] = {0};
        for (int a = AXES - 1; a >= 0; a--) {
            padded[a] = (int)(pixel % win.image[a]) + win.pad[a];
            pixel /= win.image[a];
        }
        T sum = 0;
        for (Index t = 0; t < taps; t++, from += row_step) {
            Index place = 0;
            bool meets = true;  // is there a window whose tap t lies on this pixel?
            for (int a = 0; a < AXES; a++) {
                int start = padded[a] - tap[a] * win.dilation[a];
                int at = start / win.stride[a];
                meets = meets && start >= 0 && at * win.stride[a] == start && at < win.output[a];
                place = place * win.output[a] + at;
            }
            if (meets)
                sum += from[place];
            for (int a = AXES - 1; a >= 0 && ++tap[a] == win.kernel[a]; a--)
                tap[a] = 0;
        }
        x[i] = sum;
    }
}
"""
)


def im2col(x: Array, window: Window, col: Array, workspace: Workspace) -> None:
    """As kernels.py.  Each thread unfolds one window, so that neighbours write neighbouring places."""
    if window.is_pointwise:
        col[...] = x
        return
    places = math.prod(col.shape[2:])
    with written(col) as out:
        unfold(c_order(x), window, col.shape[2:], out, image_step=col.shape[1] * places, row_step=places)


def col2im(col: Array, window: Window, x: Array, workspace: Workspace) -> None:
    """As kernels.py.  Each thread gathers one pixel, in the order of the taps: the same sum every time."""
    if window.is_pointwise:
        x[...] = col
        return
    places = math.prod(col.shape[2:])
    with written(x) as out:
        fold(c_order(col), window, col.shape[2:], out, image_step=col.shape[1] * places, row_step=places)


def unfold(x: Array, window: Window, output: tuple[int, ...], col: Array, image_step: int, row_step: int) -> None:
    """im2col of C-order arrays, with the place of an image's columns in `col` given in elements."""
    images, channels, *image = x.shape
    places = math.prod(output)
    packed = pack(window, tuple(image), output)
    sizes = channels, math.prod(image), window.taps, places
    total = images * channels * places
    IM2COL.launch(total, x, *sizes, packed, image_step, row_step, col, T=x.dtype, AXES=len(image))


def fold(col: Array, window: Window, output: tuple[int, ...], x: Array, image_step: int, row_step: int) -> None:
    """col2im of C-order arrays, the reverse of `unfold`."""
    _, channels, *image = x.shape
    packed = pack(window, tuple(image), output)
    sizes = channels, math.prod(image), window.taps
    COL2IM.launch(x.size, col, *sizes, packed, image_step, row_step, x, T=x.dtype, AXES=len(image))
