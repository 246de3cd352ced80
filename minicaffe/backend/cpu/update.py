"""The solver's arithmetic on flat arrays. The solver calls it in runs that fit the cache."""

from __future__ import annotations

import threading

import numpy as np

# The solver's threads each have room for one run's product.
_room = threading.local()


def regularize(diff: np.ndarray, data: np.ndarray, scale: float, decay: float, kind: str) -> None:
    if scale != 1:
        diff *= scale
    if decay != 0:
        product = room_for(data)
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


def room_for(run: np.ndarray) -> np.ndarray:
    """Scratch memory of this thread, like `run`."""
    memory = getattr(_room, "memory", None)
    if memory is None or memory.nbytes < run.nbytes:
        memory = _room.memory = np.empty(run.nbytes, np.uint8)
    return memory[: run.nbytes].view(run.dtype)
