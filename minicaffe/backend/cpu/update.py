"""The solver's arithmetic on flat arrays. The solver calls it in runs that fit the cache."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.scratch import Scratch

# Room for one run's product.
_SCRATCH = Scratch()


def regularize(diff: np.ndarray, data: np.ndarray, scale: float, decay: float, kind: str) -> None:
    if scale != 1:
        diff *= scale
    if decay != 0:
        product = _SCRATCH.take(0, data.shape, data.dtype)
        if kind == "L2":
            np.multiply(data, decay, out=product)
        else:
            np.sign(data, out=product)
            product *= decay
        diff += product


def sgd_update(data: np.ndarray, diff: np.ndarray, history: np.ndarray, rate: float, momentum: float) -> None:
    diff *= rate
    history *= momentum
    history += diff
    np.copyto(diff, history)
    data -= history
