"""Labels as indices along the class axis: what softmax loss and accuracy share."""

from __future__ import annotations

import numpy as np


def find_bad_label(label: np.ndarray, classes: int, ignore: int | None) -> int:
    flat = label.reshape(-1)
    # Reading towards zero makes -0.5 a 0; NaN fails both comparisons.
    good = (flat > -1) & (flat < classes)
    if ignore is not None:
        good |= np.trunc(flat) == ignore
    return -1 if good.all() else int(np.argmin(good))


def label_index(label: np.ndarray, shape: tuple[int, ...], axis: int, ignore: int | None) -> tuple:
    """(class index of every position, which positions count or None for all).

    Both have `shape` with `axis` shrunk to 1; an ignored position has index 0.
    """
    line = shape[:axis] + (1,) + shape[axis + 1 :]
    index = label.reshape(line).astype(np.intp)
    if ignore is None:
        return index, None
    valid = index != ignore
    return np.where(valid, index, 0), valid
