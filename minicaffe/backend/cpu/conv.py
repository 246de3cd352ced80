"""Convolution as matrix products over unfolded windows, tiled so that the columns stay in the cache.

The work is cut into pieces: with the batch innermost a piece is a run of output rows of the whole
batch, in C order a run of rows of one picture. Each piece is unfolded into (C / group * taps, outputs)
matrices that fit the cache and multiplied at once; the product is written straight into y.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.im2col import fold, fold_target, padded, unpad, windows
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

# Bytes of columns per piece (measured: docs/performance.md). Unfolding wants a second-level cache's worth;
# folding costs a call per tap and piece, so that fewer, larger pieces win.
UNFOLD_BYTES = 1 << 21
FOLD_BYTES = 1 << 22
# OpenBLAS has kernels without packing for products of at most this many multiply-adds. A long, thin
# product is up to four times faster as a stack of such ones, a row of outputs each.
SMALL_PRODUCT = 1_000_000
SHORTEST_ROW = 256
# A copy of the weights costs less than a pass over the outputs, if there are so many times more of these.
COPY_PAYS = 4


def conv_forward(x, weight, bias, y, window: Window, group: int, workspace: Workspace) -> None:
    """y = weight @ columns, piece by piece.

    The bias rides along as one more column of the weights against a row of ones, where the weights are
    few enough to be copied; otherwise it is added to each piece.
    """
    w = matrices(weight, group)
    x = alike(x, y, workspace)
    rides = bias is not None and group == 1 and not window.is_pointwise and weight.size * COPY_PAYS <= y.size
    if rides:
        w = with_bias(w, bias, workspace)
    for image, out in pictures(x, y):
        image = padded(image, window, workspace)

        def multiply(job, image=image, out=out):
            thread, rows = job
            for piece in pieces(image, out, window, rows):
                part = out[:, piece]
                col = columns(image, window, part, piece, group, workspace, thread, ones=rides)
                for g in range(group):
                    multiply_rows(w[g], col[g], channel_slice(part, g, group))
                if bias is not None and not rides:
                    part += bias.reshape(-1, *(1,) * (part.ndim - 1))

        TEAM.run(multiply, list(enumerate(cut(out.shape[1], out.size * 8))))


def with_bias(w: np.ndarray, bias: np.ndarray, workspace: Workspace) -> np.ndarray:
    """(1, O, K) and (O,) as (1, O, K + 1), in scratch memory."""
    _, outputs, inputs = w.shape
    both = workspace.array("kernel:weight and bias", (1, outputs, inputs + 1), w.dtype)
    both[:, :, :-1] = w
    both[:, :, -1] = bias
    return both


def conv_backward_data(dy, weight, dx, window: Window, group: int, workspace: Workspace) -> None:
    """columns of dx = weight.T @ dy, piece by piece, folded back onto the image."""
    w = matrices(weight, group).transpose(0, 2, 1)
    dy = alike(dy, dx, workspace)
    for image, out in pictures(dx, dy):
        sums = image if window.is_pointwise else fold_target(image, window, workspace)

        def multiply(job, sums=sums, out=out):
            thread, (g, channels) = job
            taps = slice(channels.start * window.taps, channels.stop * window.taps)
            wt, into = w[g][taps], channel_slice(sums, g, group)[channels]
            dy_g = channel_slice(out, g, group)
            if window.is_pointwise:
                np.matmul(wt, as_matrix(dy_g), out=as_matrix(into))
                return
            for piece in pieces(into, out, window, tile=FOLD_BYTES):
                part = dy_g[:, piece]
                col = column_memory(into.shape[0], window, part, 1, workspace, thread)
                np.matmul(wt, as_matrix(part), out=col[0])
                fold(by_tap(col, window, part), window, into[:, piece.start * window.stride[0] :])

        TEAM.run(multiply, channel_jobs(image.shape[0], group, out.size * 8))
        unpad(sums, window, image)


def conv_backward_weight(x, dy, dweight, window: Window, group: int, workspace: Workspace) -> None:
    """dweight += (columns @ dy.T).T, summed over the pieces: in this order BLAS is a quarter faster."""
    dw = matrices(dweight, group).transpose(0, 2, 1)
    x = alike(x, dy, workspace)
    for image, out in pictures(x, dy):
        image = padded(image, window, workspace)
        rows = cut(out.shape[1], out.size * 8)
        sums = workspace.array("kernel:dweight", (len(rows), 2, *dw.shape), dw.dtype)

        def multiply(job, image=image, out=out, sums=sums):
            thread, rows = job
            total, product = sums[thread]
            total.fill(0)
            for piece in pieces(image, out, window, rows):
                part = out[:, piece]
                col = columns(image, window, part, piece, group, workspace, thread)
                for g in range(group):
                    sum_of_products(channel_slice(part, g, group), col[g], product[g], workspace, thread)
                total += product

        TEAM.run(multiply, list(enumerate(rows)))
        for total, _ in sums:
            dw += total


def multiply_rows(weight: np.ndarray, col: np.ndarray, part: np.ndarray) -> None:
    """part (O, rows, ...) = weight (O, K) @ col (K, outputs)."""
    rows = part.shape[1]
    if not is_small(weight.size, math.prod(part.shape[2:])):
        np.matmul(weight, col, out=as_matrix(part))
        return
    stack = part.reshape(part.shape[0], rows, -1)
    np.matmul(weight, col.reshape(col.shape[0], rows, -1).transpose(1, 0, 2), out=stack.transpose(1, 0, 2))


def sum_of_products(part: np.ndarray, col: np.ndarray, out: np.ndarray, workspace: Workspace, thread: int) -> None:
    """out (K, O) = col (K, outputs) @ part.T (rows, ..., O)."""
    rows = part.shape[1]
    if not is_small(out.size, math.prod(part.shape[2:])):
        np.matmul(col, as_matrix(part).T, out=out)
        return
    products = workspace.array(f"kernel:products{thread}", (rows, *out.shape), out.dtype)
    stack = part.reshape(part.shape[0], rows, -1)
    np.matmul(col.reshape(col.shape[0], rows, -1).transpose(1, 0, 2), stack.transpose(1, 2, 0), out=products)
    np.sum(products, axis=0, out=out)


def is_small(matrix: int, row: int) -> bool:
    """Whether the product of a matrix of so many values with a row of outputs is better done by itself."""
    return row >= SHORTEST_ROW and matrix * row <= SMALL_PRODUCT


def add_bias(y: np.ndarray, bias: np.ndarray) -> None:
    y += bias.reshape(-1, *(1,) * (y.ndim - 2))


def sum_to_channels(dy: np.ndarray, dbias: np.ndarray, workspace: Workspace) -> None:
    """Sums as products with ones, along the memory's own order."""
    if layout.order_of(dy) == layout.BATCH_INNERMOST:
        rows = layout.batch_last(dy).reshape(dy.shape[1], -1)
        ones_ = ones(rows.shape[1], dy.dtype, workspace)
        sums = workspace.array("kernel:sums", dbias.shape, dy.dtype)
        TEAM.run(lambda span: np.matmul(rows[span], ones_, out=sums[span]), cut(len(rows), rows.size))
        dbias += sums
    else:
        pictures_ = dy.reshape(*dy.shape[:2], -1)
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


def columns(
    image, window: Window, part, rows: slice, group: int, workspace: Workspace, thread: int, ones: bool = False
) -> np.ndarray:
    """The unfolded windows of one piece: (group, C / group * taps, outputs).  `image` is padded.

    ones: with a row of ones below them, in the one group there is.
    """
    if window.is_pointwise:
        return image[:, rows].reshape(group, image.shape[0] // group, -1)
    col = column_memory(image.shape[0], window, part, group, workspace, thread, extra=int(ones))
    unfolded = col
    if ones:
        unfolded = col[:, :-1]
        col[:, -1].fill(1)
    first = image[:, rows.start * window.stride[0] :]
    output = part.shape[1 : 1 + len(window.kernel)]
    np.copyto(unfolded.reshape(image.shape[0], *window.kernel, *part.shape[1:]), windows(first, window, output))
    return col


def column_memory(
    channels: int, window: Window, part, group: int, workspace: Workspace, thread: int, extra: int = 0
) -> np.ndarray:
    shape = (group, channels // group * window.taps + extra, math.prod(part.shape[1:]))
    return workspace.array(f"kernel:col{thread}", shape, part.dtype)


def by_tap(col: np.ndarray, window: Window, part: np.ndarray) -> np.ndarray:
    """(group, C / group * taps, outputs) as (C, taps, *output[, N])."""
    return col.reshape(-1, window.taps, *part.shape[1:])


def matrices(weight: np.ndarray, group: int) -> np.ndarray:
    """(O, C / group, *kernel) as (group, O / group, C / group * taps)."""
    return weight.reshape(group, weight.shape[0] // group, -1)


def channel_slice(part: np.ndarray, g: int, group: int) -> np.ndarray:
    """Group g of the channels of (O, ...)."""
    size = part.shape[0] // group
    return part[g * size : (g + 1) * size]


def as_matrix(part: np.ndarray) -> np.ndarray:
    """(O, rows, ...) as (O, outputs), a view: the rows of a piece lie side by side."""
    matrix = part.view()
    matrix.shape = (part.shape[0], math.prod(part.shape[1:]))
    return matrix


def channel_jobs(channels: int, group: int, work: int) -> list[tuple[int, tuple[int, slice]]]:
    """(thread, (group, channels of it)): the input channels, cut for the team."""
    if group > 1:
        return [(g, (g, slice(0, channels // group))) for g in range(group)]
    return [(thread, (0, span)) for thread, span in enumerate(cut(channels, work))]


def alike(x: np.ndarray, y: np.ndarray, workspace: Workspace) -> np.ndarray:
    """x in y's memory order: itself, or a copy in scratch memory."""
    order = layout.order_of(y)
    if layout.order_of(x) == order:
        return x
    copy = workspace.array("kernel:alike", x.shape, x.dtype, order)
    np.copyto(copy, x)
    return copy
