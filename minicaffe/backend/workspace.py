"""Workspace: scratch memory that a net lends to its layers and kernels for the length of one call."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.layout import C_ORDER, Shape


class Workspace:
    """Named scratch arrays that grow to the largest size ever asked for and are then reused.

    A layer owns what it took until its forward or backward returns; after that another layer gets
    the same bytes. Two arrays needed at the same time need two names. Contents are undefined.
    One workspace belongs to one net, so that two nets may run in two threads.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._memory: dict[str, Any] = {}
        self._views: dict[tuple, Any] = {}
        # The threads of one kernel call ask for arrays at the same time.
        self._lock = threading.Lock()

    def array(self, name: str, shape: Shape, dtype: Any, order: str = C_ORDER) -> Any:
        """An uninitialised array of `shape`, its bytes lying in `order`."""
        key = (name, shape, dtype, order)
        found = self._views.get(key)
        if found is None:
            with self._lock:
                found = self._views[key] = self._make(name, shape, np.dtype(dtype), order)
        return found

    def like(self, x: Any, name: str = "scratch", dtype: Any = None) -> Any:
        """An uninitialised array with the shape, memory order and (unless given) dtype of the whole array `x`."""
        return self.array(name, x.shape, dtype or x.dtype, layout.order_of(x))

    @property
    def nbytes(self) -> int:
        return sum(memory.nbytes for memory in self._memory.values())

    def _make(self, name: str, shape: Shape, dtype: np.dtype, order: str) -> Any:
        nbytes = math.prod(shape) * dtype.itemsize
        memory = self._memory.get(name)
        if memory is None or memory.nbytes < nbytes:
            self._views = {key: value for key, value in self._views.items() if key[0] != name}
            memory = self._memory[name] = self._backend.zeros(nbytes, np.uint8)
        return layout.view(memory[:nbytes].view(dtype), shape, order)
