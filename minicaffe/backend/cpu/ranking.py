"""The greatest values of lines."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.workspace import Workspace


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
