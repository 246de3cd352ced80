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
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

# Bytes of columns per piece: half of a 2 MB second-level cache (measured: docs/performance.md).
TILE_BYTES = 1 << 20


def conv_forward(x, weight, bias, y, window: Window, group: int, workspace: Workspace) -> None:
    """y = weight @ columns, piece by piece; the bias is added while the piece is in the cache."""
    w = matrices(weight, group)
    for image, out in pictures(alike(x, y, workspace), y):
        image = padded(image, window, workspace)
        for rows in pieces(image, out, window):
            part = out[:, rows]
            col = columns(image, window, part, rows, group, workspace)
            for g in range(group):
                np.matmul(w[g], col[g], out=channel_group(part, g, group))
            if bias is not None:
                part += bias.reshape(-1, *(1,) * (part.ndim - 1))


def conv_backward_data(dy, weight, dx, window: Window, group: int, workspace: Workspace) -> None:
    """columns of dx = weight.T @ dy, piece by piece, folded back onto the image."""
    w = matrices(weight, group).transpose(0, 2, 1)
    for image, out in pictures(dx, alike(dy, dx, workspace)):
        if window.is_pointwise:
            for g in range(group):
                np.matmul(w[g], channel_group(out, g, group), out=channel_group(image, g, group))
            continue
        sums = fold_target(image, window, workspace)
        for rows in pieces(image, out, window):
            part = out[:, rows]
            col = column_memory(image, window, part, group, workspace)
            for g in range(group):
                np.matmul(w[g], channel_group(part, g, group), out=col[g])
            fold(by_tap(col, window, part), window, sums[:, rows.start * window.stride[0] :] if rows.start else sums)
        unpad(sums, window, image)


def conv_backward_weight(x, dy, dweight, window: Window, group: int, workspace: Workspace) -> None:
    """dweight += dy @ columns.T, summed over the pieces."""
    dw = matrices(dweight, group)
    product = workspace.array("kernel:dweight", dw.shape[1:], dw.dtype)
    for image, out in pictures(alike(x, dy, workspace), dy):
        image = padded(image, window, workspace)
        for rows in pieces(image, out, window):
            part = out[:, rows]
            col = columns(image, window, part, rows, group, workspace)
            for g in range(group):
                np.matmul(channel_group(part, g, group), col[g].T, out=product)
                dw[g] += product


def add_bias(y: np.ndarray, bias: np.ndarray) -> None:
    y += bias.reshape(-1, *(1,) * (y.ndim - 2))


def sum_to_channels(dy: np.ndarray, dbias: np.ndarray, workspace: Workspace) -> None:
    """Sums as products with ones, along the memory's own order."""
    if layout.order_of(dy) == layout.BATCH_INNERMOST:
        rows = layout.batch_last(dy).reshape(dy.shape[1], -1)
        dbias += rows @ ones(rows.shape[1], dy.dtype, workspace)
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


def pieces(image: np.ndarray, out: np.ndarray, window: Window) -> Iterator[slice]:
    """Runs of output rows whose columns fit TILE_BYTES; at least a row each."""
    height = out.shape[1]
    row_bytes = image.shape[0] * window.taps * math.prod(out.shape[2:]) * out.itemsize
    step = height if window.is_pointwise else max(1, TILE_BYTES // max(1, row_bytes))
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))


def columns(image, window: Window, part, rows: slice, group: int, workspace: Workspace) -> np.ndarray:
    """The unfolded windows of one piece: (group, C / group * taps, outputs).  `image` is padded."""
    if window.is_pointwise:
        return image[:, rows].reshape(group, image.shape[0] // group, -1)
    col = column_memory(image, window, part, group, workspace)
    first = image[:, rows.start * window.stride[0] :]
    output = part.shape[1 : 1 + len(window.kernel)]
    np.copyto(col.reshape(image.shape[0], *window.kernel, *part.shape[1:]), windows(first, window, output))
    return col


def column_memory(image, window: Window, part, group: int, workspace: Workspace) -> np.ndarray:
    rows = image.shape[0] // group * window.taps
    return workspace.array("kernel:col", (group, rows, math.prod(part.shape[1:])), image.dtype)


def by_tap(col: np.ndarray, window: Window, part: np.ndarray) -> np.ndarray:
    """(group, C / group * taps, outputs) as (C, taps, *output[, N])."""
    return col.reshape(-1, window.taps, *part.shape[1:])


def matrices(weight: np.ndarray, group: int) -> np.ndarray:
    """(O, C / group, *kernel) as (group, O / group, C / group * taps)."""
    return weight.reshape(group, weight.shape[0] // group, -1)


def channel_group(part: np.ndarray, g: int, group: int) -> np.ndarray:
    """Group g of the channels of (O, rows, ...), as the matrix (O / group, outputs); a view."""
    size = part.shape[0] // group
    matrix = part[g * size : (g + 1) * size].view()
    matrix.shape = (size, math.prod(part.shape[1:]))
    return matrix


def alike(x: np.ndarray, y: np.ndarray, workspace: Workspace) -> np.ndarray:
    """x in y's memory order: itself, or a copy in scratch memory."""
    order = layout.order_of(y)
    if layout.order_of(x) == order:
        return x
    copy = workspace.array("kernel:alike", x.shape, x.dtype, order)
    np.copyto(copy, x)
    return copy
