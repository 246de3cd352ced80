"""Memory for nets on the CPU, carved from chunks that are large enough for huge pages.

A net has dozens of arrays of one to a few megabytes that are walked with long strides. NumPy asks the
operating system for pages of 2 MB from arrays of 4 MB on; smaller ones get pages of 4 KB, whose
addresses the processor has to look up again and again (measured: docs/performance.md).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

CHUNK_BYTES = 1 << 25
# Arrays outside these bounds are NumPy's own: small ones gain nothing, large ones have huge pages anyway.
SMALLEST, LARGEST = 1 << 12, CHUNK_BYTES >> 2
CACHE_LINE = 64


class Pages:
    """Hands out parts of a chunk, each once; a chunk is freed when all arrays in it are gone.

    Pages of a chunk take memory only once they are written, so that the rest of the last one costs nothing.
    """

    def __init__(self) -> None:
        self._rest = np.empty(0, np.uint8)
        self._lock = threading.Lock()

    def zeros(self, count: int, dtype: Any) -> np.ndarray:
        """A flat zeroed array that begins at a cache line."""
        nbytes = count * np.dtype(dtype).itemsize
        if not SMALLEST <= nbytes <= LARGEST:
            return np.zeros(count, dtype)
        with self._lock:
            if self._rest.nbytes < nbytes:
                chunk = np.zeros(CHUNK_BYTES, np.uint8)
                self._rest = chunk[-chunk.ctypes.data % CACHE_LINE :]
            taken, self._rest = self._rest[:nbytes], self._rest[-(-nbytes // CACHE_LINE) * CACHE_LINE :]
        return taken.view(dtype)


PAGES = Pages()
