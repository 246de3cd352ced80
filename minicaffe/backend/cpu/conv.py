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
from minicaffe.backend.cpu.small_products import product, row_sums
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
            for piece in pieces(len(image), out, window, rows):
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
        into_groups = by_group(sums, group)

        def multiply(job, into_groups=into_groups, out=out):
            thread, groups, channels = job
            into, dy_groups = into_groups[groups, channels], by_group(out, group)[groups]
            wt = w[groups, channels.start * window.taps : channels.stop * window.taps]
            if window.is_pointwise:
                np.matmul(wt, matrices_of(dy_groups), out=matrices_of(into))
                return
            into.fill(0)
            for piece in pieces(len(into) * into.shape[1], out, window, tile=FOLD_BYTES):
                part = dy_groups[:, :, piece]
                col = workspace.array(f"kernel:col{thread}", (*wt.shape[:2], math.prod(part.shape[2:])), part.dtype)
                np.matmul(wt, matrices_of(part), out=col)
                taps = col.reshape(*into.shape[:2], window.taps, *part.shape[2:])
                fold(taps, window, into[:, :, piece.start * window.stride[0] :], lead=2)

        TEAM.run(multiply, group_jobs(group, into_groups.shape[1], out.size * 8))
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
            total, more = sums[thread]
            for piece in pieces(len(image), out, window, rows):
                part = out[:, piece]
                col = columns(image, window, part, piece, group, workspace, thread)
                product(col, matrices(part, group).swapaxes(1, 2), out=more)
                total += more

        TEAM.run(multiply, list(enumerate(cut(out.shape[1], out.size * 8))))
    # Turned round only once: the gradient lies the other way.
    for other in sums[1:, 0]:
        sums[0, 0] += other
    dw += sums[0, 0]
    if dbias is not None:
        sum_to_channels(dy, dbias, workspace)


def add_bias(y: np.ndarray, bias: np.ndarray) -> None:
    b = bias.reshape(-1, *(1,) * (y.ndim - 2))
    TEAM.run(lambda c: np.add(y[:, c], b[c], out=y[:, c]), cut(y.shape[1], y.size))


def sum_to_channels(dy: np.ndarray, dbias: np.ndarray, workspace: Workspace) -> None:
    """Sums as products with ones, along the memory's own order."""
    if layout.order_of(dy) == layout.BATCH_INNERMOST:
        rows = layout.batch_last(dy).reshape(dy.shape[1], dy.size // dy.shape[1])
        sums = workspace.array("kernel:sums", dbias.shape, np.float64)
        TEAM.run(lambda span: np.copyto(sums[span], row_sums(rows[span])), cut(len(rows), rows.size))
    else:
        sums = row_sums(dy.reshape(*dy.shape[:2], math.prod(dy.shape[2:]))).sum(axis=0)
    np.add(dbias, sums, out=dbias, casting="same_kind")


# --- pictures, pieces and their columns ---------------------------------------------------------


def pictures(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Channels-first pairs of x and y, of one memory order: (C, *image, N) once, or each (C, *image)."""
    if layout.order_of(y) == layout.BATCH_INNERMOST:
        yield layout.batch_last(x), layout.batch_last(y)
    else:
        yield from zip(x, y, strict=True)


def pieces(
    channels: int, out: np.ndarray, window: Window, rows: slice | None = None, tile: int = UNFOLD_BYTES
) -> Iterator[slice]:
    """Runs of output rows (all, or those of `rows`) whose columns fit `tile` bytes; at least a row each."""
    rows = rows or slice(0, out.shape[1])
    row_bytes = channels * window.taps * math.prod(out.shape[2:]) * out.itemsize
    step = max(1, tile // max(1, row_bytes))
    if window.is_pointwise:
        step = max(1, rows.stop - rows.start)
    for first in range(rows.start, rows.stop, step):
        yield slice(first, min(first + step, rows.stop))


def columns(image, window: Window, part, rows: slice, group: int, workspace: Workspace, thread: int) -> np.ndarray:
    """The unfolded windows of one piece: (group, C / group * taps, outputs).  `image` is padded."""
    if window.is_pointwise:
        return image[:, rows].reshape(group, image.shape[0] // group, -1)
    shape = (group, image.shape[0] // group * window.taps, math.prod(part.shape[1:]))
    col = workspace.array(f"kernel:col{thread}", shape, part.dtype)
    first = image[:, rows.start * window.stride[0] :]
    output = part.shape[1 : 1 + len(window.kernel)]
    np.copyto(col.reshape(image.shape[0], *window.kernel, *part.shape[1:]), windows(first, window, output))
    return col


def matrices(array: np.ndarray, group: int = 1) -> np.ndarray:
    """Weights (O, C / group, *kernel) or a piece (O, rows, ...) as (group, O / group, all else), a view."""
    return array.reshape(group, array.shape[0] // group, math.prod(array.shape[1:]))


def by_group(part: np.ndarray, group: int) -> np.ndarray:
    """(O, ...) as (group, O / group, ...)."""
    return part.reshape(group, part.shape[0] // group, *part.shape[1:])


def matrices_of(groups: np.ndarray) -> np.ndarray:
    """(group, channels, rows, ...) as (group, channels, all else), a view."""
    return groups.reshape(*groups.shape[:2], math.prod(groups.shape[2:]))


def group_jobs(group: int, channels: int, work: int) -> list[tuple[int, slice, slice]]:
    """(thread, groups, input channels of each): the groups cut for the team, or where they are few the channels."""
    if group >= TEAM.size:
        return [(thread, groups, slice(0, channels)) for thread, groups in enumerate(cut(group, work))]
    return [(thread, slice(0, group), span) for thread, span in enumerate(cut(channels, work))]


def alike(x: np.ndarray, y: np.ndarray, workspace: Workspace) -> np.ndarray:
    """x in y's memory order: itself, or a copy in scratch memory."""
    order = layout.order_of(y)
    if layout.order_of(x) == order:
        return x
    copy = workspace.array("kernel:alike", x.shape, x.dtype, order)
    np.copyto(copy, x)
    return copy
