"""Convolution: windows unfolded into a matrix, a piece of the batch at a time, and one product per group.

rows   (group, C / group * taps, images * places)    the windows of some images, side by side
tops   (group, O / group, images * places)           their outputs

forward    tops = weight rows        backward    rows = weight^T dtops,   dweight += dtops rows^T
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from minicaffe.backend.geometry import Window
from minicaffe.backend.gpu import conv_depthwise
from minicaffe.backend.gpu.arrays import add, c_order, written
from minicaffe.backend.gpu.im2col import fold, unfold
from minicaffe.backend.gpu.matmul import matmul
from minicaffe.backend.workspace import Workspace

Array = Any

# What rows and tops may take together, in bytes, unless a single image needs more.
MOST_COLUMN_BYTES = 64 * 2**20


def conv_forward(
    x: Array, weight: Array, bias: Array | None, y: Array, window: Window, group: int, workspace: Workspace
) -> None:
    """As kernels.py.  The pass that turns tops into y's axis order adds the bias on its way."""
    if y.size == 0:
        return
    if conv_depthwise.suits(weight, group):
        conv_depthwise.forward(x, weight, bias, y, window, group)
        return
    if window.is_pointwise:
        _pointwise_forward(x, weight, bias, y, group)
        return
    filters = _filters(weight, group)
    for part in _parts(x, y, window):
        rows = _unfolded(c_order(x[part]), window, y.shape[2:], group, workspace)
        tops = _tops(y[part], group, workspace)
        matmul(filters, rows, out=tops)
        values = _by_image(tops, y[part])
        if bias is None:
            y[part] = values
        else:
            add(values, _per_channel(bias, y), out=y[part])


def conv_backward_data(dy: Array, weight: Array, dx: Array, window: Window, group: int, workspace: Workspace) -> None:
    """As kernels.py."""
    if dy.size == 0:
        dx[...] = 0
        return
    if conv_depthwise.suits(weight, group):
        conv_depthwise.backward_data(dy, weight, dx, window, group)
        return
    filters = _turned_filters(weight, group, workspace)
    if window.is_pointwise:
        with written(dx) as out:
            matmul(filters, _by_group(c_order(dy), group), out=_by_group(out, group))
        return
    for part in _parts(dx, dy, window):
        tops = _tops(dy[part], group, workspace)
        _by_image(tops, dy[part])[...] = dy[part]
        rows = _rows(dx[part], window, dy.shape[2:], group, workspace)
        matmul(filters, tops, out=rows)
        with written(dx[part]) as out:
            fold(rows, window, dy.shape[2:], out, *_steps(rows, len(out)))


def conv_backward_weight(
    x: Array, dy: Array, dweight: Array, dbias: Array | None, window: Window, group: int, workspace: Workspace
) -> None:
    """As kernels.py."""
    if dy.size == 0:
        return
    if conv_depthwise.suits(dweight, group):
        conv_depthwise.backward_weight(x, dy, dweight, window, group, workspace)
    else:
        _add_products(x, dy, dweight, window, group, workspace)
    if dbias is not None:
        sum_to_channels(dy, dbias, workspace)


def _add_products(x: Array, dy: Array, dweight: Array, window: Window, group: int, workspace: Workspace) -> None:
    """dweight^T += rows dtops^T, part by part, both laid out so that no operand has to be turned."""
    filters = dweight.shape[0] // group
    for part in _parts(x, dy, window):
        rows = _unfolded(c_order(x[part]), window, dy.shape[2:], group, workspace)
        columns = rows.shape[2]
        turned = workspace.array("kernel:tops", (group, columns, filters), dy.dtype)
        images = turned.reshape(group, len(dy[part]), -1, filters).transpose(1, 0, 3, 2)
        images[...] = _by_group(c_order(dy[part]), group)
        product = workspace.array("kernel:dweight", (group, rows.shape[1], filters), dy.dtype)
        matmul(rows, turned, out=product)
        dweight += product.transpose(0, 2, 1).reshape(dweight.shape)


def add_bias(y: Array, bias: Array) -> None:
    """As kernels.py."""
    y += _per_channel(bias, y)


def sum_to_channels(dy: Array, dbias: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    sums = workspace.array("kernel:channels", dbias.shape, dbias.dtype)
    dbias += dy.sum(axis=(0, *range(2, dy.ndim)), out=sums)


def _pointwise_forward(x: Array, weight: Array, bias: Array | None, y: Array, group: int) -> None:
    """One tap: x is its own matrix of columns, image by image, and y takes the products as they are."""
    filters = _filters(weight, group)
    with written(y) as out:
        matmul(filters, _by_group(c_order(x), group), out=_by_group(out, group))
        if bias is not None:
            add_bias(out, bias)


def _filters(weight: Array, group: int) -> Array:
    """weight as a matrix for each group, (group, O / group, C / group * taps)."""
    return c_order(weight).reshape(group, weight.shape[0] // group, -1)


def _turned_filters(weight: Array, group: int, workspace: Workspace) -> Array:
    """weight^T of each group, (group, C / group * taps, O / group)."""
    filters = _filters(weight, group).transpose(0, 2, 1)
    turned = workspace.array("kernel:filters", filters.shape, weight.dtype)
    turned[...] = filters
    return turned


def _parts(x: Array, y: Array, window: Window) -> Iterator[slice]:
    """Runs of images whose rows and tops fit into MOST_COLUMN_BYTES."""
    height = x.shape[1] * window.taps + y.shape[1]
    image_bytes = height * math.prod(y.shape[2:]) * y.itemsize
    step = max(1, MOST_COLUMN_BYTES // image_bytes)
    for first in range(0, len(y), step):
        yield slice(first, min(first + step, len(y)))


def _rows(x: Array, window: Window, output: tuple[int, ...], group: int, workspace: Workspace) -> Array:
    """Scratch of (group, C / group * taps, images * places)."""
    shape = (group, x.shape[1] // group * window.taps, len(x) * math.prod(output))
    return workspace.array("kernel:rows", shape, x.dtype)


def _unfolded(x: Array, window: Window, output: tuple[int, ...], group: int, workspace: Workspace) -> Array:
    """The rows of x."""
    rows = _rows(x, window, output, group, workspace)
    if window.is_pointwise:
        _by_image(rows, x)[...] = x
    else:
        unfold(x, window, output, rows, *_steps(rows, len(x)))
    return rows


def _steps(rows: Array, images: int) -> tuple[int, int]:
    """(from an image's columns to the next image's, from a row to the next), in elements."""
    columns = rows.shape[2]
    return columns // images, columns


def _tops(y: Array, group: int, workspace: Workspace) -> Array:
    """Scratch of (group, O / group, images * places)."""
    return workspace.array("kernel:tops", (group, y.shape[1] // group, y.size // y.shape[1]), y.dtype)


def _by_image(tops: Array, y: Array) -> Array:
    """tops seen in the shape of y, (images, O, *output); or pointwise rows in the shape of x."""
    return tops.reshape(y.shape[1], len(y), *y.shape[2:]).swapaxes(0, 1)


def _by_group(x: Array, group: int) -> Array:
    """(N, C, *image) seen as (N, group, C / group, pixels)."""
    return x.reshape(len(x), group, x.shape[1] // group, math.prod(x.shape[2:]))


def _per_channel(bias: Array, y: Array) -> Array:
    """(O,) seen as (O, 1, ..., 1), which broadcasts over y."""
    return bias.reshape(-1, *[1] * (y.ndim - 2))
