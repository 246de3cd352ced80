"""The greatest values of lines."""

from __future__ import annotations

import math

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.workspace import Workspace


def last_maximum(x: np.ndarray, axis: int, place: np.ndarray, workspace: Workspace) -> None:
    """As kernels.py.  Along memory: what equals its line's maximum is noted, later ones over earlier ones."""
    innermost = layout.order_of(x) == layout.BATCH_INNERMOST
    if innermost:
        x, axis = layout.batch_last(x), (axis - 1) % x.ndim
    greatest = x.max(axis=axis, keepdims=True)
    equal = np.equal(x, greatest, out=workspace.array("kernel:equal", x.shape, bool))
    found = np.full(greatest.shape, -1)
    note_last(equal, axis, found)
    if found.size and found.min() < 0:
        # NaN equals nothing, itself neither.
        note_last(np.isnan(x, out=equal), axis, found)
    place[...] = (np.moveaxis(found, -1, 0) if innermost else found).reshape(place.shape)


def note_last(marked: np.ndarray, axis: int, found: np.ndarray) -> None:
    """found = the last place along the axis that is marked, where there is one."""
    length, inner = marked.shape[axis], math.prod(marked.shape[axis + 1 :])
    flat = np.flatnonzero(marked)
    found.reshape(-1)[flat // (length * inner) * inner + flat % inner] = flat // inner % length


def rank_lines(lines: np.ndarray, index: np.ndarray, workspace: Workspace) -> None:
    if index.shape[1] == 1:
        np.argmax(lines, axis=1, out=index[:, 0])
    elif index.size:
        rank_several(lines, index, workspace)


def rank_several(lines: np.ndarray, index: np.ndarray, workspace: Workspace) -> None:
    """Only what is not below a line's k-th greatest value is put in order; lines with more of those are sorted."""
    (_, length), k = lines.shape, index.shape[1]
    parted = workspace.like(lines, "kernel:parted")
    np.copyto(parted, lines)
    parted.partition(length - k, axis=1)
    chosen = np.greater_equal(lines, parted[:, length - k, None], out=workspace.like(lines, "kernel:chosen", bool))
    # NaN is sorted to the end, and chosen by no comparison.
    simple = (np.count_nonzero(chosen, axis=1) == k) & ~np.isnan(parted[:, length - k :].max(axis=1))
    places = np.nonzero(chosen[simple])[1].reshape(-1, k)
    values = np.take_along_axis(lines[simple], places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    index[simple] = np.take_along_axis(places, order, axis=1)
    if not simple.all():
        index[~simple] = sorted_places(lines[~simple])[:, :k]


def sorted_places(lines: np.ndarray) -> np.ndarray:
    """From the greatest to the least, NaN first, equals as they stand."""
    backwards = np.argsort(lines[:, ::-1], axis=1, kind="stable")[:, ::-1]
    return lines.shape[1] - 1 - backwards
