"""Pooling, tap by tap over the whole batch: each tap of the window is one strided slice of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.geometry import Window
from minicaffe.backend.kernels import LOWEST
from minicaffe.backend.workspace import Workspace


def taps(x: np.ndarray, window: Window, *outputs: np.ndarray) -> Iterator[tuple]:
    """For each tap: (index, the pixels of x it meets, the same places in each of `outputs`)."""
    for tap, pixels, places in window.each_tap(x.shape[2:], outputs[0].shape[2:]):
        pixel_index: Any = (..., *pixels)
        output_index: Any = (..., *places)
        part = x[pixel_index]
        if part.size:
            yield tap, part, *(output[output_index] for output in outputs)


def by_channels(function: Callable[..., None], x: np.ndarray, *arrays: np.ndarray) -> None:
    """function(x, y, *rest), the channels shared out over the team. All arrays are (N, C, ...).

    One call works on as many values as there are outputs.
    """
    spans = cut(x.shape[1], arrays[0].size)
    TEAM.run(lambda span: function(*(array[:, span] for array in (x, *arrays))), spans)


def max_pool_forward(x: np.ndarray, window: Window, y: np.ndarray, winner: np.ndarray, workspace: Workspace) -> None:
    """The running maximum; a later tap wins only where it is strictly greater."""
    above = workspace.array("kernel:above", y.shape, winner.dtype, layout.order_of(y))

    # Where the first tap meets every window, what it starts from need not be written.
    starts_everywhere = (
        bool(x.size)
        and not any(window.pad)
        and all((o - 1) * s < i for o, s, i in zip(y.shape[2:], window.stride, x.shape[2:], strict=True))
    )

    def pool(x, y, winner, above):
        each = taps(x, window, y, winner, above)
        if starts_everywhere:
            _, pixels, best, won, _ = next(each)
            np.greater(pixels, LOWEST, out=won, casting="unsafe")
            np.fmax(pixels, LOWEST, out=best)
        else:
            y.fill(LOWEST)
            winner.fill(0)
        for tap, pixels, best, won, more in each:
            np.greater(pixels, best, out=more, casting="unsafe")
            np.fmax(best, pixels, out=best)
            # Later taps have greater numbers: the last to be strictly greater is the maximum so far.
            np.multiply(more, won.dtype.type(tap + 1), out=more)
            np.maximum(won, more, out=won)

    by_channels(pool, x, y, winner, above)


def max_pool_index(winner: np.ndarray, window: Window, image: tuple[int, ...], index: np.ndarray) -> None:
    height, width = np.ogrid[: winner.shape[2], : winner.shape[3]]
    tap_h, tap_w = np.divmod(winner.astype(np.int64) - 1, window.kernel[1])
    row = height * window.stride[0] - window.pad[0] + tap_h
    column = width * window.stride[1] - window.pad[1] + tap_w
    np.copyto(index, np.where(winner > 0, row * image[1] + column, -1))


def max_pool_backward(dy: np.ndarray, winner: np.ndarray, window: Window, dx: np.ndarray, workspace: Workspace) -> None:
    """dy's bits are masked: five times as fast as a masked copy, and unlike a product right for Inf and NaN."""
    bits = np.dtype(f"i{dy.itemsize}")
    order = layout.order_of(dy)
    mine = workspace.array("kernel:mine", dy.shape, np.int8, order)
    mask = workspace.array("kernel:mask", dy.shape, bits, order)
    disjoint = all(k <= s for k, s in zip(window.kernel, window.stride, strict=True))
    # Windows like tiles on a floor: every pixel is written, so none need be zeroed.
    covers = (
        window.kernel == window.stride
        and not any(window.pad)
        and all(k * o == i for k, o, i in zip(window.kernel, dy.shape[2:], dx.shape[2:], strict=True))
    )

    def unpool(dx, dy, winner, mine, mask):
        if not covers:
            dx.fill(0)
        for tap, into, gradient, won, is_mine, keep in taps(dx, window, dy, winner, mine, mask):
            np.equal(won, tap + 1, out=is_mine, casting="unsafe")
            # 1 becomes -1, all bits set.
            np.negative(is_mine, out=keep)
            if disjoint:
                np.bitwise_and(gradient.view(bits), keep, out=into.view(bits))
            else:
                np.bitwise_and(gradient.view(bits), keep, out=keep)
                np.add(into, keep.view(dy.dtype), out=into)

    by_channels(unpool, dx, dy, winner, mine, mask)


def max_pool_backward_index(dy: np.ndarray, index: np.ndarray, dx: np.ndarray) -> None:
    dx.fill(0)
    n, c, h, w = np.nonzero(index >= 0)
    row, column = np.divmod(index[n, c, h, w].astype(np.int64), dx.shape[3])
    np.add.at(dx, (n, c, row, column), dy[n, c, h, w])


def average_pool_forward(x: np.ndarray, window: Window, y: np.ndarray, workspace: Workspace) -> None:
    areas = window_areas(window, x.shape[2:], y)

    def pool(x, y):
        y.fill(0)
        for _, pixels, total in taps(x, window, y):
            total += pixels
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(y, areas, out=y)

    by_channels(pool, x, y)


def average_pool_backward(dy: np.ndarray, window: Window, dx: np.ndarray, workspace: Workspace) -> None:
    share = workspace.like(dy, "kernel:share")
    areas = window_areas(window, dx.shape[2:], dy)

    def unpool(dx, dy, share):
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(dy, areas, out=share)
        dx.fill(0)
        for _, into, gradient in taps(dx, window, share):
            into += gradient

    by_channels(unpool, dx, dy, share)


def window_areas(window: Window, image: tuple[int, ...], y: np.ndarray) -> np.ndarray:
    """Cells of each output's window that lie on the image or its padding, (*output)."""
    sides = []
    for axis, (size, count) in enumerate(zip(image, y.shape[2:], strict=True)):
        kernel, stride, pad = window.kernel[axis], window.stride[axis], window.pad[axis]
        start = np.arange(count) * stride - pad
        sides.append(np.minimum(start + kernel, size + pad) - start)
    return reduce(np.multiply.outer, sides).astype(y.dtype)


def stochastic_pool_forward(
    x: np.ndarray, window: Window, uniform: np.ndarray, y: np.ndarray, winner: np.ndarray
) -> None:
    total = np.zeros_like(y)
    for _, pixels, part in taps(x, window, total):
        part += pixels
    threshold, running = uniform * total, np.zeros_like(y)
    y.fill(0)
    winner.fill(0)
    done = np.zeros(y.shape, bool)
    for tap, pixels, value, won, so_far, limit, stop in taps(x, window, y, winner, running, threshold, done):
        so_far += pixels
        np.copyto(value, pixels, where=~stop)
        np.copyto(won, tap + 1, where=~stop)
        stop |= so_far >= limit


def stochastic_pool_test(x: np.ndarray, window: Window, y: np.ndarray, workspace: Workspace) -> None:
    total = workspace.like(y, "kernel:total")
    total.fill(0)
    y.fill(0)
    for _, pixels, squares, part in taps(x, window, y, total):
        part += pixels
        squares += pixels * pixels
    positive = total > 0
    np.divide(y, total, out=y, where=positive)
    np.copyto(y, 0, where=~positive)
