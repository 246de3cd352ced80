"""Average and stochastic pooling, tap by tap over the whole batch: a tap of all windows is one slice of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.small_products import column_sums, row_sums
from minicaffe.backend.cpu.team import TEAM, cut
from minicaffe.backend.geometry import Window
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

    The work is as much as x holds.
    """
    spans = cut(x.shape[1], x.size)
    TEAM.run(lambda span: function(*(array[:, span] for array in (x, *arrays))), spans)


def average_pool_forward(x: np.ndarray, window: Window, y: np.ndarray, workspace: Workspace) -> None:
    areas = window_areas(window, x.shape[2:], y)
    if is_whole_image(window, x, y):
        images_sum = sum_in_c_order if layout.order_of(x) == layout.C_ORDER else sum_batch_innermost
        by_channels(images_sum, x, y)
        np.divide(y, areas, out=y)
        return

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
    if is_whole_image(window, dx, dy):
        np.divide(dy, areas, out=share)
        by_channels(np.copyto, dx, share)
        return

    def unpool(dx, dy, share):
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(dy, areas, out=share)
        dx.fill(0)
        for _, into, gradient in taps(dx, window, share):
            into += gradient

    by_channels(unpool, dx, dy, share)


def is_whole_image(window: Window, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether there is one window, and all pixels lie in it, as with global pooling."""
    reach = zip(x.shape[2:], window.kernel, window.pad, strict=True)
    return y.shape[2:] == (1, 1) and x.size > 0 and all(kernel - pad >= size for size, kernel, pad in reach)


def sum_in_c_order(x: np.ndarray, y: np.ndarray) -> None:
    """y = the sum of each image, as a product with ones: BLAS takes a third of np.sum's time."""
    y[:, :, 0, 0] = row_sums(x.reshape(*x.shape[:2], -1))


def sum_batch_innermost(x: np.ndarray, y: np.ndarray) -> None:
    """As sum_in_c_order."""
    y[:, :, 0, 0] = column_sums(layout.batch_last(x).reshape(x.shape[1], -1, x.shape[0])).T


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
