"""Calls of the kernel `dropout_mask`."""

from __future__ import annotations

import numpy as np

KEY = 0xFEDCBA9876543210_0123456789ABCDEF


def cases():
    for shape in [(), (1,), (0, 3), (7,), (8,), (2, 3, 4, 5), (3, 5, 7, 11)]:
        for limit in (0, 1 << 30, 1 << 31, (1 << 32) - 1):
            yield f"dropout_mask: {shape}, {limit}", "dropout_mask", (KEY, limit, np.full(shape, 7, np.uint8))
    # More than one piece, the last one odd.
    yield "dropout_mask: large", "dropout_mask", (KEY >> 64, 1 << 30, np.full((2, 131, 1003), 7, np.uint8))
