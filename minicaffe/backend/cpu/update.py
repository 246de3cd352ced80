"""The solver's arithmetic on flat arrays. The solver calls it in runs that fit the cache."""

from __future__ import annotations

import numpy as np


def regularize(diff: np.ndarray, data: np.ndarray, scale: float, decay: float, kind: str) -> None:
    if scale != 1:
        diff *= scale
    if decay != 0:
        diff += (data if kind == "L2" else np.sign(data)) * diff.dtype.type(decay)


def sgd_update(data: np.ndarray, diff: np.ndarray, history: np.ndarray, rate: float, momentum: float) -> None:
    diff *= rate
    history *= momentum
    history += diff
    np.copyto(diff, history)
    data -= history
