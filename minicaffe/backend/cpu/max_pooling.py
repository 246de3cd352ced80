"""Max pooling over the whole batch: a tap of all windows is one strided slice of the image.

Where every window lies inside the image, its rows are pooled first and then their maxima: a pixel is
compared once for each window along its row, and the second half of the work goes through long runs
of memory. Elsewhere it goes tap by tap.
"""

from __future__ import annotations

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.pooling import by_channels, taps
from minicaffe.backend.geometry import Window
from minicaffe.backend.kernels import LOWEST
from minicaffe.backend.workspace import Workspace

# With more taps than these the gradient is scattered, window by window (measured: docs/performance.md).
MOST_TAPS = {layout.BATCH_INNERMOST: 32, layout.C_ORDER: 12}


def max_pool_forward(x: np.ndarray, window: Window, y: np.ndarray, winner: np.ndarray, workspace: Workspace) -> None:
    more = workspace.like(winner, "kernel:more")
    if not lies_inside(window, x, y):
        by_channels(lambda *arrays: pool_taps(window, *arrays), x, y, winner, more)
        return
    number = workspace.like(winner, "kernel:number")
    rows, order = (*x.shape[:3], y.shape[3]), layout.order_of(y)
    best = workspace.array("kernel:row best", rows, x.dtype, order)
    column, row_more = (workspace.array(f"kernel:row {name}", rows, winner.dtype, order) for name in ("winner", "more"))

    def pool(x, y, winner, more, number, best, column, row_more):
        pool_rows(window, x, best, column, row_more)
        pool_columns(window, best, column, y, winner, more, number)
        # NaN has been handed on so far, and nothing compared with LOWEST.
        if not y.min(initial=np.inf) > LOWEST:
            pool_taps(window, x, y, winner, more)

    by_channels(pool, x, y, winner, more, number, best, column, row_more)


def lies_inside(window: Window, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether every window meets the image with all of its taps, and all rows of the image matter."""
    axes = zip(x.shape[2:], y.shape[2:], window.kernel, window.stride, strict=True)
    inside = not any(window.pad) and all((o - 1) * s + k <= i for i, o, k, s in axes)
    return inside and len(window.kernel) == 2 and window.stride[0] <= window.kernel[0]


def pool_rows(window: Window, x: np.ndarray, best: np.ndarray, column: np.ndarray, more: np.ndarray) -> None:
    """best = the maximum of each window's taps in each row of x, column = which of them it is, from 0."""
    step, reach = window.stride[1], window.stride[1] * (best.shape[3] - 1) + 1
    first, *others = (x[..., tap : tap + reach : step] for tap in range(window.kernel[1]))
    if not others:
        np.copyto(best, first)
        column.fill(0)
        return
    greater(others[0], first, column)
    np.maximum(others[0], first, out=best)
    for tap, pixels in enumerate(others[1:], start=2):
        keep_greater(np.maximum, best, pixels, column.dtype.type(tap), best, column, more)


def pool_columns(window: Window, best: np.ndarray, column: np.ndarray, y, winner, more, number) -> None:
    """y, winner from the rows' maxima."""
    step, reach = window.stride[0], window.stride[0] * (y.shape[2] - 1) + 1
    before = best[:, :, :reach:step]
    np.add(column[:, :, :reach:step], 1, out=winner)
    for row in range(1, window.kernel[0]):
        here = (..., slice(row, row + reach, step), slice(None))
        np.add(column[here], 1 + row * window.kernel[1], out=number)
        keep_greater(np.maximum, before, best[here], number, y, winner, more)
        before = y
    if before is not y:
        np.copyto(y, before)


def pool_taps(window: Window, x: np.ndarray, y: np.ndarray, winner: np.ndarray, more: np.ndarray) -> None:
    """Tap by tap, from LOWEST."""
    y.fill(LOWEST)
    winner.fill(0)
    for tap, pixels, best, won, above in taps(x, window, y, winner, more):
        keep_greater(np.fmax, best, pixels, won.dtype.type(tap + 1), best, won, above)


def keep_greater(maximum: np.ufunc, before, values, number, best, winner, more) -> None:
    """best = values and winner = number where values are strictly greater than before, else best = before.

    maximum: np.fmax, which never takes NaN, or np.maximum, which takes it and keeps it.
    number: above all earlier ones, so that the last to be strictly greater wins.
    """
    greater(values, before, more)
    maximum(before, values, out=best)
    np.multiply(more, number, out=more)
    np.maximum(winner, more, out=winner)


def greater(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = 1 where a > b, else 0; bytes are written as they are, other integers cost a conversion."""
    np.greater(a, b, out=out.view(bool) if out.itemsize == 1 else out, casting="unsafe")


def max_pool_index(winner: np.ndarray, window: Window, image: tuple[int, ...], index: np.ndarray) -> None:
    row, column = pixels(winner, window)
    np.copyto(index, np.where(winner > 0, row * image[1] + column, -1))


def pixels(winner: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of each window's winner in its plane; of no meaning where there is none."""
    height, width = np.ogrid[: winner.shape[2], : winner.shape[3]]
    tap_h, tap_w = np.divmod(winner.astype(np.int64) - 1, window.kernel[1])
    row = height * window.stride[0] - window.pad[0] + tap_h
    return row, width * window.stride[1] - window.pad[1] + tap_w


def max_pool_backward(dy: np.ndarray, winner: np.ndarray, window: Window, dx: np.ndarray, workspace: Workspace) -> None:
    """dy's bits are masked: five times as fast as a masked copy, and unlike a product right for Inf and NaN."""
    if window.taps > MOST_TAPS[layout.order_of(dx)]:
        scatter(dy, winner, window, dx)
        return
    bits = np.dtype(f"i{dy.itemsize}")
    mine = workspace.like(dy, "kernel:mine", np.int8)
    mask = workspace.like(dy, "kernel:mask", bits)
    places = enumerate(np.ndindex(*window.kernel))
    firsts = {tap for tap, place in places if all(i < s for i, s in zip(place, window.stride, strict=True))}

    def unpool(dx, dy, winner, mine, mask):
        zero_what_is_only_added_to(dx, window, dy.shape[2:])
        for tap, into, gradient, keep in taps(dx, window, dy, mask):
            np.equal(winner, winner.dtype.type(tap + 1), out=mine.view(bool))
            # 1 becomes -1, which is all bits set, and stays so as it is widened.
            np.negative(mine, out=mine)
            np.copyto(mask, mine)
            if tap in firsts:
                np.bitwise_and(gradient.view(bits), keep, out=into.view(bits))
            else:
                np.bitwise_and(gradient.view(bits), keep, out=keep)
                np.add(into, keep.view(dy.dtype), out=into)

    by_channels(unpool, dx, dy, winner, mine, mask)


def zero_what_is_only_added_to(dx: np.ndarray, window: Window, output: tuple[int, ...]) -> None:
    """A window's first taps, up to the stride, are no other window's first: they write, and the later ones add.

    Left over are the pixels behind the last window's first taps, and where windows are apart those between them.
    """
    if any(k < s for k, s in zip(window.kernel, window.stride, strict=True)):
        dx.fill(0)
        return
    for axis, (count, step, pad) in enumerate(zip(output, window.stride, window.pad, strict=True), start=2):
        dx[(slice(None),) * axis + (slice(max(0, count * step - pad), None),)] = 0


def scatter(dy: np.ndarray, winner: np.ndarray, window: Window, dx: np.ndarray) -> None:
    """Window by window instead of tap by tap."""
    row, column = pixels(winner, window)
    n, c, _, _ = np.ogrid[tuple(slice(size) for size in dx.shape)]
    steps = [stride // dx.itemsize for stride in dx.strides]
    place = n * steps[0] + c * steps[1] + row * steps[2] + column * steps[3]
    chosen, values = winner > 0, layout.flat(dx)
    values.fill(0)
    np.add.at(values, place[chosen], dy[chosen])


def max_pool_backward_index(dy: np.ndarray, index: np.ndarray, dx: np.ndarray) -> None:
    dx.fill(0)
    n, c, h, w = np.nonzero(index >= 0)
    row, column = np.divmod(index[n, c, h, w].astype(np.int64), dx.shape[3])
    np.add.at(dx, (n, c, row, column), dy[n, c, h, w])
