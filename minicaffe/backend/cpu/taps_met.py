"""What the taps of a window meet in an image, for each tap the outputs' worth of pixels, copied as little as possible.

    met[tap, o] = x[o * stride - pad + tap * dilation], 0 outside the image

Along an axis with a stride of 1 the taps slide: each meets the same pixels, `dilation` further on, so that met is a
view of the padded image. The other axes are unfolded, all taps in one copy. So is the last axis in C order: two axes
of one step in memory, taps and outputs, would make NumPy run along the taps, which are few.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.backend.workspace import Workspace


def taps_met(
    image: np.ndarray, output: Sizes, window: Window, first: int, workspace: Workspace, thread: int
) -> np.ndarray:
    """(..., *kernel, *outputs), for the outputs from row `first` on: a view of the image, or of this thread's scratch.

    image: (..., *image[, N]).  output: (rows, *inner outputs[, N]); its last axes come back as one run.
    """
    axes, lead = len(window.kernel), image.ndim - len(output)
    slid = sliding(window, len(output) > axes)
    memory = unfolded(part_of(image, output, window, first, workspace, thread), output, window, slid, workspace, thread)
    steps = memory.strides
    tap_steps = [steps[lead + axes + a] * window.dilation[a] if slid[a] else steps[lead + a] for a in range(axes)]
    run = max((a for a in range(axes) if slid[a]), default=0)
    shape = (*image.shape[:lead], *window.kernel, *output[:run], math.prod(output[run:]))
    strides = (*steps[:lead], *tap_steps, *steps[lead + axes :][:run], image.itemsize)
    return as_strided(memory, shape, strides, writeable=False)


def sliding(window: Window, batched: bool) -> list[bool]:
    """Whether the taps slide, for each axis."""
    last = len(window.stride) - 1
    return [stride == 1 and (batched or axis < last) for axis, stride in enumerate(window.stride)]


def unfolded(part, output: Sizes, window: Window, slid: list[bool], workspace: Workspace, thread: int) -> np.ndarray:
    """(..., *taps, *sizes[, N]): along an axis that slides one tap and all pixels, else all taps and the outputs."""
    axes, lead = len(slid), part.ndim - len(output)
    kernel = [1 if s else k for s, k in zip(slid, window.kernel, strict=True)]
    sizes = [part.shape[lead + a] if slid[a] else output[a] for a in range(axes)]
    steps = part.strides[lead : lead + axes]
    tap_steps = [step * dilation for step, dilation in zip(steps, window.dilation, strict=True)]
    strides = [step * stride for step, stride in zip(steps, window.stride, strict=True)]
    shape = (*part.shape[:lead], *kernel, *sizes, *output[axes:])
    taken = as_strided(part, shape, (*part.strides[:lead], *tap_steps, *strides, *part.strides[lead + axes :]))
    if all(slid):
        return taken
    memory = workspace.array(f"kernel:taps{thread}", shape, part.dtype)
    np.copyto(memory, taken)
    return memory


def part_of(image, output: Sizes, window: Window, first: int, workspace: Workspace, thread: int) -> np.ndarray:
    """The pixels that the outputs from row `first` on meet, with zeros around the image where they leave it."""
    axes, lead = len(window.kernel), image.ndim - len(output)
    begins = (first * window.stride[0] - window.pad[0], *(-pad for pad in window.pad[1:]))
    sizes = [(o - 1) * s + e for o, s, e in zip(output, window.stride, window.extent, strict=False)]
    spans = []
    for begin, size, pixels in zip(begins, sizes, image.shape[lead:], strict=False):
        low = max(0, begin)
        spans.append((begin, low, max(low, min(begin + size, pixels))))
    pixels = tuple(slice(low, high) for _, low, high in spans)
    inside = image[within(pixels, output)]
    shape = (*image.shape[:lead], *sizes, *output[axes:])
    if inside.shape == shape:
        return inside
    part = workspace.array(f"kernel:part{thread}", shape, image.dtype)
    part.fill(0)
    place = tuple(slice(low - begin, high - begin) for begin, low, high in spans)
    np.copyto(part[within(place, output)], inside)
    return part


def within(spans: tuple[slice, ...], output: Sizes) -> tuple:
    """The index of `spans` of the spatial axes in (..., *image[, N]), where `output` is (*outputs[, N])."""
    return (..., *spans, *[slice(None)] * (len(output) - len(spans)))


def pieces(channels: slice, output: Sizes, window: Window, value_bytes: int, limit: int) -> Iterator[tuple]:
    """(channels, rows of outputs): whole planes of channels that take `limit` bytes, or rows of one channel.

    output: (rows, *inner outputs[, N]).  value_bytes: of one pixel, all filters.
    """
    slid = sliding(window, len(output) > len(window.kernel))
    axes = zip(output, window.extent, window.kernel, slid, strict=False)
    sizes = [o + e - 1 if s else o * k for o, e, k, s in axes]
    row_bytes = max(1, math.prod(sizes[1:]) * math.prod(output[len(slid) :]) * value_bytes)
    row_bytes *= 1 if slid[0] else window.kernel[0]
    beyond = window.extent[0] - 1 if slid[0] else 0
    planes = limit // (row_bytes * max(1, output[0] + beyond))
    rows = output[0] if planes else limit // row_bytes - beyond
    for c in evenly(channels.start, channels.stop, planes):
        for r in evenly(0, output[0], rows):
            yield c, r


def evenly(start: int, stop: int, most: int) -> list[slice]:
    """start ... stop in as few slices of about one length as have at most `most` (at least one) in each."""
    count = -(-(stop - start) // max(1, most))
    return [slice(start + (stop - start) * i // count, start + (stop - start) * (i + 1) // count) for i in range(count)]
