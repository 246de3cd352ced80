"""Depthwise convolution: every channel by itself (group = channels).

For the q-th of a channel's O / C filters, w[c, q, tap], and what a tap meets in the outputs, met[c, tap] (taps_met.py),

    y[c, q] = bias + sum over taps of w[c, q, tap] met[c, tap]        (forward)
    dweight[c, q, tap] += dy[c, q] . met[c, tap]                      (backward)

and dx is such a sum over what dy holds: with a stride, one for each phase of the image, the pixels that meet the same
taps. Threads share the channels, and go through theirs in pieces that fit the cache.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.taps_met import pieces, taps_met, within
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.geometry import Sizes, Window
from minicaffe.backend.workspace import Workspace

# Bytes of what the taps meet that a thread works on at once (measured: docs/performance.md).
PIECE_BYTES = 3 << 19
# With more filters a channel, products of all columns are faster (measured: docs/performance.md).
MOST_FILTERS = 2


def suits(weight: np.ndarray, group: int) -> bool:
    """Whether a convolution with these weights (O, C / group, *kernel) is depthwise, and gains by coming here."""
    return group > 1 and weight.shape[1] == 1 and weight.shape[0] <= MOST_FILTERS * group


def forward(x, weight, bias, y, window: Window, group: int, workspace: Workspace) -> None:
    w = by_channel(weight[:, 0], group)

    def work(job):
        thread, channels = job
        for c, part, met in pieces_met(x, y, channels, window, group, workspace, thread):
            sum_taps(w[c], met, part)
            if bias is not None:
                part += bias.reshape(group, -1, *(1,) * (part.ndim - 2))[c]

    TEAM.run(work, channel_jobs(group, y, window))


def backward_data(dy, weight, dx, window: Window, group: int, workspace: Workspace) -> None:
    parts = list(phases(window, dx.shape[2:]))
    if len(parts) < math.prod(map(min, window.stride, dx.shape[2:])):
        dx.fill(0)  # Some pixels meet no tap.
    # The filters of a channel count as taps: (C, 1, O / C, *kernel).
    w = by_channel(weight[:, 0], group)[:, None]
    strided = set(window.stride) != {1}

    def work(job):
        thread, channels = job
        for image, out in pictures(dy, dx, group):
            for pixels, taps, phase in parts:
                into, part_w = out[within(pixels, out.shape[2:])], w[within(taps, taps)]
                for c, rows in pieces(channels, into.shape[2:], phase, image.shape[1] * dy.itemsize, PIECE_BYTES):
                    part = into[c, :, rows]
                    met = taps_met(image[c], part.shape[2:], phase, rows.start, workspace, thread)
                    if strided:
                        sums = workspace.array(f"kernel:sums{thread}", part.shape, part.dtype)
                        sum_taps(part_w[c], met, sums)
                        np.copyto(part, sums)
                    else:
                        sum_taps(part_w[c], met, part)

    TEAM.run(work, channel_jobs(group, dx, window))


def backward_weight(x, dy, dweight, window: Window, group: int, workspace: Workspace) -> None:
    dw = by_channel(dweight[:, 0], group)
    ones = (1,) * len(window.kernel)

    def work(job):
        thread, channels = job
        for c, part, met in pieces_met(x, dy, channels, window, group, workspace, thread):
            outputs = met.shape[1 + len(ones) :]
            dots = np.vecdot(part.reshape(*part.shape[:2], *ones, *outputs), met[:, None])
            dw[c] += dots.sum(axis=tuple(range(dw.ndim, dots.ndim)))

    TEAM.run(work, channel_jobs(group, dy, window))


def sum_taps(w: np.ndarray, met: np.ndarray, out: np.ndarray) -> None:
    """out (C, q, ...) = the sum over taps of w (C, q, *taps) * met (C, *taps, *outputs)."""
    channels, filters, *taps = w.shape
    outputs = met.shape[1 + len(taps) :]
    if met.flags.c_contiguous:
        w, met = (
            w.reshape(channels, filters, math.prod(taps)),
            met.reshape(channels, math.prod(taps), math.prod(outputs)),
        )
        np.matmul(w, met, out=out.reshape(channels, filters, math.prod(outputs)))
    else:
        axes = list(range(2, 2 + len(taps)))
        np.einsum(w, [0, 1, *axes], met, [0, *axes, ...], [0, 1, ...], out=out.reshape(channels, filters, *outputs))


# --- channels and pictures -----------------------------------------------------------------------


def pieces_met(
    x: np.ndarray, y: np.ndarray, channels: slice, window: Window, group: int, workspace: Workspace, thread: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """A thread's pieces of y one after the other: (channels, the piece, what the taps of its windows meet in x)."""
    for image, out in pictures(x, y, group):
        for c, rows in pieces(channels, out.shape[2:], window, y.itemsize, PIECE_BYTES):
            part = out[c, :, rows]
            yield c, part, taps_met(image[c, 0], part.shape[2:], window, rows.start, workspace, thread)


def by_channel(array: np.ndarray, group: int) -> np.ndarray:
    """(channels, ...) seen as (C, channels / C, ...)."""
    return array.reshape(group, array.shape[0] // group, *array.shape[1:])


def pictures(x: np.ndarray, y: np.ndarray, group: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of x and y, of one memory order: (C, channels / C, *image, N) once, or each (C, channels / C, *image)."""
    if layout.order_of(y) == layout.BATCH_INNERMOST:
        pairs = [(layout.batch_last(x), layout.batch_last(y))]
    else:
        pairs = list(zip(x, y, strict=True))
    for a, b in pairs:
        yield by_channel(a, group), by_channel(b, group)


def channel_jobs(channels: int, y: np.ndarray, window: Window) -> list[tuple[int, slice]]:
    return list(enumerate(cut(channels, y.size * window.taps)))


# --- phases of an image: pixels that are `stride` apart meet the same taps -------------------------


def phases(window: Window, image: Sizes) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], Window]]:
    """(pixels, the taps that meet them, last first, and the window with which these slide over the outputs) of each."""
    sizes = zip(window.kernel, window.stride, window.pad, window.dilation, image, strict=True)
    for parts in itertools.product(*(list(axis_phases(*size)) for size in sizes)):
        pixels, taps, kernel, pad, dilation = zip(*parts, strict=True)
        yield pixels, taps, Window(kernel, (1,) * len(kernel), pad, dilation)


def axis_phases(kernel: int, stride: int, pad: int, dilation: int, image: int) -> Iterator[tuple]:
    """One axis of it.  Pixel first + stride * m meets tap j in output m + (first + pad - j * dilation) / stride."""
    step = stride // math.gcd(stride, dilation)
    for first in range(min(stride, image)):
        for j in range(min(kernel, step)):
            if (first + pad - j * dilation) % stride == 0:
                taps = range(j, kernel, step)
                turned = slice(taps[-1], j - step if j >= step else None, -step)
                shift = (taps[-1] * dilation - first - pad) // stride
                yield slice(first, None, stride), turned, len(taps), shift, dilation * step // stride
