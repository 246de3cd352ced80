"""Convolution as matrix products over unfolded windows, tiled so that the columns stay in the cache.

With the batch innermost and long rows conv_rows.py does it. Otherwise the work is cut into pieces: a
run of output rows of the whole batch, or in C order of one picture. Each piece is unfolded into
(C / group * taps, outputs) matrices that fit the cache and multiplied at once; the product is written
straight into y.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu import conv_depthwise, conv_rows
from minicaffe.backend.cpu.im2col import fold, fold_target, padded, unpad, windows
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

# Bytes of columns per piece (measured: docs/performance.md). Unfolding wants a second-level cache's worth;
# folding costs a call per tap and piece, so that fewer, larger pieces win.
UNFOLD_BYTES = 1 << 21
FOLD_BYTES = 1 << 22


def conv_forward(x, weight, bias, y, window: Window, group: int, workspace: Workspace) -> None:
    """y = weight @ columns, piece by piece."""
    x = alike(x, y, workspace)
    if conv_depthwise.suits(weight, group):
        conv_depthwise.forward(x, weight, bias, y, window, group, workspace)
        return
    if conv_rows.suits(y, window):
        conv_rows.forward(x, weight, bias, y, window, group, workspace)
        return
    w = matrices(weight, group)
    for image, out in pictures(x, y):
        image = padded(image, window, workspace)

        def multiply(job, image=image, out=out):
            thread, rows = job
            for piece in pieces(image, out, window, rows):
                part = out[:, piece]
                col = columns(image, window, part, piece, group, workspace, thread)
                np.matmul(w, col, out=matrices(part, group))
                if bias is not None:
                    part += bias.reshape(-1, *(1,) * (part.ndim - 1))

        TEAM.run(multiply, list(enumerate(cut(out.shape[1], out.size * 8))))


def conv_backward_data(dy, weight, dx, window: Window, group: int, workspace: Workspace) -> None:
    """columns of dx = weight.T @ dy, piece by piece, folded back onto the image."""
    dy = alike(dy, dx, workspace)
    if conv_depthwise.suits(weight, group):
        conv_depthwise.backward_data(dy, weight, dx, window, group, workspace)
        return
    if conv_rows.suits(dy, window):
        conv_rows.backward_data(dy, weight, dx, window, group, workspace)
        return
    w = matrices(weight, group).transpose(0, 2, 1)
    for image, out in pictures(dx, dy):
        sums = fold_target(image, window, workspace)

        def multiply(job, sums=sums, out=out):
            thread, (g, channels) = job
            taps = slice(channels.start * window.taps, channels.stop * window.taps)
            wt, into = w[g][taps], channel_slice(sums, g, group)[channels]
            dy_g = channel_slice(out, g, group)
            if window.is_pointwise:
                np.matmul(wt, matrices(dy_g)[0], out=matrices(into)[0])
                return
            into.fill(0)
            for piece in pieces(into, out, window, tile=FOLD_BYTES):
                part = dy_g[:, piece]
                col = column_memory(into.shape[0], window, part, 1, workspace, thread)
                np.matmul(wt, matrices(part)[0], out=col[0])
                fold(by_tap(col, window, part), window, into[:, piece.start * window.stride[0] :])

        TEAM.run(multiply, channel_jobs(image.shape[0], group, out.size * 8))
        unpad(sums, window, image)


def conv_backward_weight(x, dy, dweight, dbias, window: Window, group: int, workspace: Workspace) -> None:
    """dweight += (columns @ dy.T).T, summed over the pieces: in this order BLAS is a quarter faster."""
    x = alike(x, dy, workspace)
    if conv_depthwise.suits(dweight, group):
        conv_depthwise.backward_weight(x, dy, dweight, window, group, workspace)
        if dbias is not None:
            sum_to_channels(dy, dbias, workspace)
        return
    if conv_rows.suits(dy, window):
        conv_rows.backward_weight(x, dy, dweight, dbias, window, group, workspace)
        return
    dw = matrices(dweight, group).transpose(0, 2, 1)
    sums = workspace.array("kernel:dweight", (TEAM.size, 2, *dw.shape), dw.dtype)
    sums[:, 0] = 0
    for image, out in pictures(x, dy):
        image = padded(image, window, workspace)

        def multiply(job, image=image, out=out):
            thread, rows = job
            total, product = sums[thread]
            for piece in pieces(image, out, window, rows):
                part = out[:, piece]
                col = columns(image, window, part, piece, group, workspace, thread)
                np.matmul(col, matrices(part, group).swapaxes(1, 2), out=product)
                total += product

        TEAM.run(multiply, list(enumerate(cut(out.shape[1], out.size * 8))))
    # Turned round only once: the gradient lies the other way.
    for other in sums[1:, 0]:
        sums[0, 0] += other
    dw += sums[0, 0]
    if dbias is not None:
        sum_to_channels(dy, dbias, workspace)


def add_bias(y: np.ndarray, bias: np.ndarray) -> None:
    y += bias.reshape(-1, *(1,) * (y.ndim - 2))


def sum_to_channels(dy: np.ndarray, dbias: np.ndarray, workspace: Workspace) -> None:
    """Sums as products with ones, along the memory's own order."""
    if layout.order_of(dy) == layout.BATCH_INNERMOST:
        rows = layout.batch_last(dy).reshape(dy.shape[1], dy.size // dy.shape[1])
        ones_ = ones(rows.shape[1], dy.dtype, workspace)
        sums = workspace.array("kernel:sums", dbias.shape, dy.dtype)
        TEAM.run(lambda span: np.matmul(rows[span], ones_, out=sums[span]), cut(len(rows), rows.size))
        dbias += sums
    else:
        pictures_ = dy.reshape(*dy.shape[:2], math.prod(dy.shape[2:]))
        dbias += (pictures_ @ ones(pictures_.shape[2], dy.dtype, workspace)).sum(axis=0)


def ones(count: int, dtype, workspace: Workspace) -> np.ndarray:
    vector = workspace.array("kernel:ones", (count,), dtype)
    vector.fill(1)
    return vector


# --- pictures, pieces and their columns ---------------------------------------------------------


def pictures(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Channels-first pairs of x and y, of one memory order: (C, *image, N) once, or each (C, *image)."""
    if layout.order_of(y) == layout.BATCH_INNERMOST:
        yield layout.batch_last(x), layout.batch_last(y)
    else:
        yield from zip(x, y, strict=True)


def pieces(
    image: np.ndarray, out: np.ndarray, window: Window, rows: slice | None = None, tile: int = UNFOLD_BYTES
) -> Iterator[slice]:
    """Runs of output rows (all, or those of `rows`) whose columns fit `tile` bytes; at least a row each."""
    rows = rows or slice(0, out.shape[1])
    row_bytes = image.shape[0] * window.taps * math.prod(out.shape[2:]) * out.itemsize
    step = max(1, tile // max(1, row_bytes))
    if window.is_pointwise:
        step = max(1, rows.stop - rows.start)
    for first in range(rows.start, rows.stop, step):
        yield slice(first, min(first + step, rows.stop))


def columns(image, window: Window, part, rows: slice, group: int, workspace: Workspace, thread: int) -> np.ndarray:
    """The unfolded windows of one piece: (group, C / group * taps, outputs).  `image` is padded."""
    if window.is_pointwise:
        return image[:, rows].reshape(group, image.shape[0] // group, -1)
    col = column_memory(image.shape[0], window, part, group, workspace, thread)
    first = image[:, rows.start * window.stride[0] :]
    output = part.shape[1 : 1 + len(window.kernel)]
    np.copyto(col.reshape(image.shape[0], *window.kernel, *part.shape[1:]), windows(first, window, output))
    return col


def column_memory(channels: int, window: Window, part, group: int, workspace: Workspace, thread: int) -> np.ndarray:
    shape = (group, channels // group * window.taps, math.prod(part.shape[1:]))
    return workspace.array(f"kernel:col{thread}", shape, part.dtype)


def by_tap(col: np.ndarray, window: Window, part: np.ndarray) -> np.ndarray:
    """(group, C / group * taps, outputs) as (C, taps, *output[, N])."""
    return col.reshape(-1, window.taps, *part.shape[1:])


def matrices(array: np.ndarray, group: int = 1) -> np.ndarray:
    """Weights (O, C / group, *kernel) or a piece (O, rows, ...) as (group, O / group, all else), a view."""
    view = array.view()
    view.shape = (group, array.shape[0] // group, math.prod(array.shape[1:]))
    return view


def channel_slice(part: np.ndarray, g: int, group: int) -> np.ndarray:
    """Group g of the channels of (O, ...)."""
    size = part.shape[0] // group
    return part[g * size : (g + 1) * size]


def channel_jobs(channels: int, group: int, work: int) -> list[tuple[int, tuple[int, slice]]]:
    """(thread, (group, channels of it)): the input channels, cut for the team."""
    if group > 1:
        # Parts go to threads round robin, and the groups of one thread share its scratch memory.
        return [(g % TEAM.size, (g, slice(0, channels // group))) for g in range(group)]
    return [(thread, (0, span)) for thread, span in enumerate(cut(channels, work))]


def alike(x: np.ndarray, y: np.ndarray, workspace: Workspace) -> np.ndarray:
    """x in y's memory order: itself, or a copy in scratch memory."""
    order = layout.order_of(y)
    if layout.order_of(x) == order:
        return x
    copy = workspace.array("kernel:alike", x.shape, x.dtype, order)
    np.copyto(copy, x)
    return copy
