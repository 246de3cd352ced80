"""Dropout's mask from NumPy's own Philox generator, a piece at a time."""

from __future__ import annotations

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.team import TEAM
from minicaffe.backend.kernels import VALUES_PER_STEP

PIECE = 1 << 17  # values; a multiple of VALUES_PER_STEP


def dropout_mask(key: int, limit: int, mask: np.ndarray) -> None:
    """As kernels.py."""
    flat = layout.flat(mask)

    def draw(first: int) -> None:
        part = flat[first : first + PIECE]
        generator = np.random.Philox(key=key).advance(first // VALUES_PER_STEP)
        bits = generator.random_raw(-(-len(part) // 2)).view(np.uint32)
        np.greater_equal(bits[: len(part)], limit, out=part)

    TEAM.run(draw, range(0, len(flat), PIECE))
