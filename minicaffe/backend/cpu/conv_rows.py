"""Convolution with the batch innermost, a row of outputs at a time.

The windows are unfolded along all spatial axes but the first. Row r of the (padded) image becomes a matrix

    rows[r]    (C / group * inner taps + 1, inner outputs * N)    the last row all ones, for the bias

and as these matrices lie one behind the other, what an output row h reads is a view of them:

    y[:, h]  = weight rows[h * stride ... h * stride + kernel - 1]          (forward)
    dweight += rows[h * stride ... ] dy[:, h]^T, its rows of ones give dbias (backward)
    drows[r] = weight^T dy[:, those h that read r]                           (backward)

Each value is copied once per inner tap, not once per tap: for a kernel of 5 x 5 a fifth of a whole unfolding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicaffe.backend import layout
from minicaffe.backend.cpu.im2col import fold, fold_target, padded, unpad, windows
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

# Bytes of rows, or of products, that a thread works on at once: a second-level cache's worth.
PIECE_BYTES = 1 << 21
# Fewer values in a row of outputs make products too narrow (measured: docs/performance.md).
SHORTEST_ROW = 256


def suits(y: np.ndarray, window: Window) -> bool:
    """Whether a convolution with the top y can go by rows, and gains by it."""
    if window.is_pointwise or window.dilation[0] > 1 or not y.size:
        return False
    return layout.order_of(y) == layout.BATCH_INNERMOST and y.shape[0] * math.prod(y.shape[3:]) >= SHORTEST_ROW


def forward(x, weight, bias, y, window: Window, group: int, workspace: Workspace) -> None:
    image, out = padded(layout.batch_last(x), window, workspace), layout.batch_last(y)
    w = row_weights(weight, bias, window, group, workspace)

    def multiply(job):
        thread, outputs = job
        for piece in pieces(outputs, row_bytes(image, out, window), window):
            read = rows_read(image, out, window, piece, group, workspace, thread)
            np.matmul(w, read, out=by_group(out[:, piece], group).swapaxes(1, 2))

    TEAM.run(multiply, list(enumerate(cut(out.shape[1], out.size * 8))))


def backward_weight(x, dy, dweight, dbias, window: Window, group: int, workspace: Workspace) -> None:
    image, out = padded(layout.batch_last(x), window, workspace), layout.batch_last(dy)
    jobs = list(enumerate(cut(out.shape[1], out.size * 8)))
    filters, inputs = dweight.shape[0] // group, row_inputs(image, window, group) + 1
    sums = workspace.array("kernel:dweight", (len(jobs), 2, group, window.kernel[0] * inputs, filters), out.dtype)
    most = max(1, PIECE_BYTES // max(1, dweight.nbytes))

    def multiply(job):
        thread, outputs = job
        total, part = sums[thread]
        total.fill(0)
        for piece in pieces(outputs, row_bytes(image, out, window), window, most):
            read = rows_read(image, out, window, piece, group, workspace, thread)
            products = workspace.array(f"kernel:products{thread}", (*read.shape[:3], filters), out.dtype)
            np.matmul(read, by_group(out[:, piece], group).transpose(0, 2, 3, 1), out=products)
            np.sum(products, axis=1, out=part)
            np.add(total, part, out=total)

    TEAM.run(multiply, jobs)
    total = sums[0, 0]
    for other in sums[1:, 0]:
        total += other
    total = total.reshape(group, window.kernel[0], inputs, filters)
    taps_first(dweight, window, group)[...] += split_inputs(total[:, :, :-1], dweight).transpose(0, 4, 1, 2, 3)
    if dbias is not None:
        dbias.reshape(group, filters)[...] += total[:, 0, -1]


def backward_data(dy, weight, dx, window: Window, group: int, workspace: Workspace) -> None:
    image, out = layout.batch_last(dx), layout.batch_last(dy)
    sums = fold_target(image, window, workspace)
    w = [turned_weights(weight, phase, window, group, workspace) for phase in range(window.stride[0])]
    inputs = row_inputs(sums, window, group)

    def multiply(job):
        thread, rows = job
        for piece in pieces(rows, row_bytes(sums, out, window), window):
            into = sums[:, piece]
            shape = (group, into.shape[1], inputs, math.prod(out.shape[2:]))
            drows = workspace.array(f"kernel:rows{thread}", shape, out.dtype)
            multiply_rows(w, out, piece, window, drows, workspace, thread)
            into.fill(0)
            taps = (sums.shape[0] // group, window.inner.taps, *out.shape[2:])
            col = drows.reshape(*drows.shape[:2], *taps)  # (group, rows, C / group, taps, *inner outputs, N)
            col = col.transpose(0, 2, 3, 1, *range(4, col.ndim))
            fold(col, window.inner, into.reshape(group, -1, *into.shape[1:]), lead=2)

    TEAM.run(multiply, list(enumerate(cut(sums.shape[1], out.size * 8))))
    unpad(sums, window, image)


def multiply_rows(w, out, piece: slice, window: Window, drows, workspace: Workspace, thread: int) -> None:
    """drows[:, r - piece.start] = weight^T dy of the outputs that read image row r, for the rows of a piece.

    Rows r = phase + stride * m of one phase meet the same taps, phase, phase + stride, ..., through the outputs
    m, m - 1, ...; all those that lose none of them at the image's ends are one stack of products.
    """
    group, stride, outputs = drows.shape[0], window.stride[0], out.shape[1]
    first = max(0, -((window.kernel[0] - 1 - piece.start) // stride))
    last = min(outputs, (piece.stop - 1) // stride + 1)
    dy = by_group(out[:, first:last], group).swapaxes(1, 2)
    copy = workspace.array(f"kernel:dy{thread}", dy.shape, dy.dtype)
    np.copyto(copy, dy)
    filters = copy.shape[2]
    for phase in range(stride):
        taps = len(range(phase, window.kernel[0], stride))
        begin, end = (-((phase - edge) // stride) for edge in (piece.start, piece.stop))
        for m, stop in runs(begin, end, taps, outputs):
            low, high = max(0, m - taps + 1), min(outputs, m + 1)
            at = phase + stride * m - piece.start
            into = drows[:, at : at + stride * (stop - m - 1) + 1 : stride]
            if low >= high:
                into[...] = 0
                continue
            lost = (low - (m - taps + 1)) * filters
            read = overlapping(copy[:, low - first :], high - low, 1, stop - m)
            np.matmul(w[phase][..., lost : lost + (high - low) * filters], read, out=into)


def runs(begin: int, end: int, taps: int, outputs: int) -> Iterator[tuple[int, int]]:
    """range(begin, end) in runs: all m whose outputs m - taps + 1 ... m exist together, each other m alone."""
    m = begin
    while m < end:
        stop = min(end, outputs) if taps - 1 <= m < outputs and taps else m + 1
        yield m, stop
        m = stop


# --- rows of the image and what an output row reads of them --------------------------------------


def rows_read(image, out, window: Window, piece: slice, group: int, workspace: Workspace, thread: int) -> np.ndarray:
    """The matrix that each output row of the piece reads: (group, outputs, kernel * inputs, inner outputs * N)."""
    kernel, stride = window.kernel[0], window.stride[0]
    count = piece.stop - piece.start
    needed = (count - 1) * stride + kernel
    inputs = row_inputs(image, window, group)
    shape = (group, needed, inputs + 1, math.prod(out.shape[2:]))
    rows = workspace.array(f"kernel:rows{thread}", shape, image.dtype)
    rows[:, :, -1] = 1
    here = image[:, piece.start * stride : piece.start * stride + needed]
    unfolded = windows(here, window.inner, (needed, *out.shape[2 : 1 + len(window.kernel)]))
    # (C, 1, *inner kernel, rows, *inner outputs, N) -> (group, rows, C / group, *inner kernel, *inner outputs, N)
    unfolded = unfolded.reshape(group, -1, *unfolded.shape[2:])
    unfolded = np.moveaxis(unfolded, 1 + len(window.kernel), 1)
    np.copyto(rows[:, :, :-1].reshape(unfolded.shape), unfolded)
    return overlapping(rows, kernel, stride, count)


def overlapping(rows: np.ndarray, taken: int, step: int, count: int) -> np.ndarray:
    """(group, count, taken * R, columns): runs of `taken` rows of (group, any, R, columns), `step` apart; a view."""
    group, _, height, columns = rows.shape
    strides = (rows.strides[0], step * rows.strides[1], *rows.strides[2:])
    return as_strided(rows, (group, count, taken * height, columns), strides, writeable=False)


def row_inputs(image: np.ndarray, window: Window, group: int) -> int:
    return image.shape[0] // group * window.inner.taps


def row_bytes(image: np.ndarray, out: np.ndarray, window: Window) -> int:
    """Bytes of one unfolded row of the image, all groups."""
    return (row_inputs(image, window, 1) + 1) * math.prod(out.shape[2:]) * out.itemsize


def pieces(rows: slice, row_bytes: int, window: Window, most: int | None = None) -> Iterator[slice]:
    """`rows` in runs whose image rows fit PIECE_BYTES, `most` at most, but no image row more than twice for that."""
    step = max(window.kernel[0], (PIECE_BYTES // row_bytes - window.kernel[0]) // window.stride[0] + 1)
    step = min(step, most or step)
    for first in range(rows.start, rows.stop, step):
        yield slice(first, min(first + step, rows.stop))


def by_group(part: np.ndarray, group: int) -> np.ndarray:
    """(O, rows, *inner, N) seen as (group, O / group, rows, inner * N)."""
    return part.reshape(group, part.shape[0] // group, part.shape[1], math.prod(part.shape[2:]))


# --- weights as the rows are laid out ------------------------------------------------------------


def taps_first(weight: np.ndarray, window: Window, group: int) -> np.ndarray:
    """(O, C / group, *kernel) seen as (group, O / group, kernel's rows, C / group, inner taps)."""
    outputs, channels = weight.shape[:2]
    return weight.reshape(group, outputs // group, channels, window.kernel[0], -1).swapaxes(2, 3)


def split_inputs(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(..., C / group * inner taps, last) seen as (..., C / group, inner taps, last)."""
    return rows.reshape(*rows.shape[:-2], weight.shape[1], -1, rows.shape[-1])


def row_weights(weight, bias, window: Window, group: int, workspace: Workspace) -> np.ndarray:
    """(group, 1, O / group, kernel * (C / group * inner taps + 1)); the bias meets the first row of ones."""
    w = taps_first(weight, window, group)
    shape = (*w.shape[:3], w.shape[3] * w.shape[4] + 1)
    rows = workspace.array("kernel:weight rows", shape, weight.dtype)
    rows[..., :-1].reshape(w.shape)[...] = w
    rows[..., -1] = 0
    if bias is not None:
        rows[:, :, 0, -1] = bias.reshape(group, -1)
    return rows.reshape(group, 1, w.shape[1], -1)


def turned_weights(weight, phase: int, window: Window, group: int, workspace: Workspace) -> np.ndarray:
    """(group, 1, C / group * inner taps, taps * O / group) of the taps phase, phase + stride, ..., last tap first."""
    taps = taps_first(weight, window, group)[:, :, phase :: window.stride[0]][:, :, ::-1]
    turned = taps.transpose(0, 3, 4, 2, 1)
    memory = workspace.array(f"kernel:turned weight {phase}", turned.shape, weight.dtype)
    np.copyto(memory, turned)
    return memory.reshape(group, 1, turned.shape[1] * turned.shape[2], -1)
