"""Scratch memory of one thread: numbered buffers that are used again by every call."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from minicaffe.backend.pages import aligned


class Scratch(threading.local):
    """Each thread that uses it has buffers of its own, which grow to the largest ever asked for."""

    def __init__(self) -> None:
        self.memory: list[np.ndarray] = []

    def take(self, number: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Buffer `number` as an uninitialised array."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        while len(self.memory) <= number:
            self.memory.append(np.empty(0, np.uint8))
        if self.memory[number].nbytes < nbytes:
            self.memory[number] = aligned(nbytes)
        return self.memory[number][:nbytes].view(dtype).reshape(shape)
