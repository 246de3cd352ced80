"""Memory for nets on the CPU, carved from chunks that are large enough for huge pages.

A net has dozens of arrays of one to a few megabytes that are walked with long strides. NumPy asks the
operating system for pages of 2 MB from arrays of 4 MB on; smaller ones get pages of 4 KB, whose
addresses the processor has to look up again and again (measured: docs/performance.md).
"""

from __future__ import annotations

import mmap
import threading
from contextlib import suppress
from typing import Any

import numpy as np

CHUNK_BYTES = 1 << 25
# Smaller arrays are NumPy's own, larger ones get pages of their own.
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
        if nbytes < SMALLEST:
            return np.zeros(count, dtype)
        if nbytes > LARGEST:
            return fresh_pages(nbytes).view(dtype)
        with self._lock:
            if self._rest.nbytes < nbytes:
                self._rest = fresh_pages(CHUNK_BYTES)
            taken, self._rest = self._rest[:nbytes], self._rest[-(-nbytes // CACHE_LINE) * CACHE_LINE :]
        return taken.view(dtype)


def aligned(nbytes: int) -> np.ndarray:
    """Uninitialised bytes that begin at a cache line.

    NumPy's own begin 16 bytes behind one, and each of the processor's widest reads and writes then meets two lines
    (measured: docs/performance.md).
    """
    memory = np.empty(nbytes + CACHE_LINE, np.uint8)
    return memory[-memory.ctypes.data % CACHE_LINE :][:nbytes]


def fresh_pages(nbytes: int) -> np.ndarray:
    """Zeroed bytes that take memory only where they are written, in huge pages where there are any.

    From the system itself: what NumPy gets may be the memory of a freed array, which is overwritten with zeros then.
    """
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    try:
        memory = mmap.mmap(-1, nbytes, **flags)
    except OSError as error:
        raise MemoryError(f"{nbytes} bytes cannot be had") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # Not every kernel has them.
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


PAGES = Pages()
