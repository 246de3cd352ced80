"""The size of NumPy's buffers, fitted to rows along which an array is broadcast.

If a buffer holds two rows and more NumPy copies the array that is broadcast into one, and the call takes twice as long
(measured: docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Shorter rows would make too many calls of NumPy's inner loops.
SHORTEST_ROW = 256


def row_to_buffer(parts: Sequence[np.ndarray]) -> int:
    """The size for calls on these arrays, which have equally many axes; 0 for NumPy's own."""
    shapes = {part.shape for part in parts}
    row = max(shape[-1] for shape in shapes) if parts[0].ndim else 0
    return -(-row // 16) * 16 if len(shapes) > 1 and SHORTEST_ROW <= row < np.getbufsize() else 0


def set_buffers(row: int) -> None:
    """Inside a `with np.errstate()`, whose end restores the size."""
    if row:
        np.setbufsize(row)
