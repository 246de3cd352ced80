"""The solver's arithmetic on flat arrays. The solver calls it in runs that fit the cache."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.scratch import Scratch

_SCRATCH = Scratch()


def regularize(diff: np.ndarray, data: np.ndarray, scale: float, decay: float, kind: str) -> None:
    if scale != 1:
        diff *= scale
    if decay != 0:
        product = _like(data)
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


def nesterov_update(data: np.ndarray, diff: np.ndarray, history: np.ndarray, rate: float, momentum: float) -> None:
    before = np.multiply(history, momentum, out=_like(data))
    diff *= rate
    np.add(before, diff, out=history)
    np.multiply(history, 1 + momentum, out=diff)
    diff -= before
    data -= diff


def adagrad_update(data: np.ndarray, diff: np.ndarray, history: np.ndarray, rate: float, delta: float) -> None:
    history += np.square(diff, out=_like(data))
    _divide_by_root(data, diff, history, rate, delta)


def rmsprop_update(
    data: np.ndarray, diff: np.ndarray, history: np.ndarray, rate: float, rms_decay: float, delta: float
) -> None:
    _average(history, np.square(diff, out=_like(data)), rms_decay)
    _divide_by_root(data, diff, history, rate, delta)


def adadelta_update(
    data: np.ndarray,
    diff: np.ndarray,
    squares: np.ndarray,
    steps: np.ndarray,
    rate: float,
    momentum: float,
    delta: float,
) -> None:
    _average(squares, np.square(diff, out=_like(data)), momentum)
    ratio = np.add(steps, delta, out=_like(data))
    ratio /= np.add(squares, delta, out=_like(data, 1))
    diff *= np.sqrt(ratio, out=ratio)
    _average(steps, np.square(diff, out=ratio), momentum)
    diff *= rate
    data -= diff


def adam_update(
    data: np.ndarray,
    diff: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    rate: float,
    momentum: float,
    momentum2: float,
    delta: float,
) -> None:
    _average(v, np.square(diff, out=_like(data)), momentum2)
    _average(m, diff, momentum)
    np.copyto(diff, m)
    _divide_by_root(data, diff, v, rate, delta)


def _average(mean: np.ndarray, value: np.ndarray, decay: float) -> None:
    """mean = decay * mean + (1 - decay) * value, which is lost."""
    mean *= decay
    value *= 1 - decay
    mean += value


def _divide_by_root(data: np.ndarray, diff: np.ndarray, squares: np.ndarray, rate: float, delta: float) -> None:
    """diff = rate * diff / (sqrt(squares) + delta);  data -= diff."""
    root = np.sqrt(squares, out=_like(data))
    root += delta
    diff *= rate
    diff /= root
    data -= diff


def _like(array: np.ndarray, number: int = 0) -> np.ndarray:
    """Room for one run's intermediate values."""
    return _SCRATCH.take(number, array.shape, array.dtype)
