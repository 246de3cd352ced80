"""Accuracy: which positions are among the top k."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.labels import label_index


def accuracy_forward(
    x: np.ndarray, label: np.ndarray, axis: int, top_k: int, ignore: int | None, correct: np.ndarray, valid: np.ndarray
) -> None:
    index, counts = label_index(label, x.shape, axis, ignore)
    chosen = np.take_along_axis(x, index, axis)
    # The true class scores at least as much as itself, hence <=; a NaN there compares with nothing.
    at_least = np.count_nonzero(x >= chosen, axis=axis, keepdims=True)
    good = at_least <= top_k
    if counts is not None:
        good &= counts
    valid[...] = 1 if counts is None else counts.reshape(valid.shape)
    correct[...] = good.reshape(correct.shape)
