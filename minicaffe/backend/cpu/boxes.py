"""Boxes: parts of an array that fit the cache, for kernels that keep some axes in one piece."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise, product


def boxes(shape: Sequence[int], most: int, whole: Collection[int] = ()) -> list[tuple[slice, ...]]:
    """Boxes of about `most` values that cover an array: see `cuts`."""
    return list(product(*cuts(shape, most, whole)))


def cuts(shape: Sequence[int], most: int, whole: Collection[int] = ()) -> list[list[slice]]:
    """For each axis the slices it is cut into; those of all axes together make boxes of about `most` values.

    By the shape alone. The axes of `whole` stay in one piece each, and the inner axes are cut last. Any other is cut
    into 2, 4, 8... slices, which threads share evenly.
    """
    room = max(1, most)
    for axis in whole:
        room = max(1, room // max(1, shape[axis]))
    found: list[list[slice]] = []
    for axis in reversed(range(len(shape))):
        size = shape[axis]
        step = size if axis in whole else min(size, room)
        count = -(-size // max(1, step))
        if count > 1:
            count = min(size, 1 << (count - 1).bit_length())
        bounds = [size * i // max(1, count) for i in range(count + 1)]
        found.insert(0, [slice(a, b) for a, b in pairwise(bounds)])
        if axis not in whole:
            room = 1 if count > 1 else max(1, room // max(1, size))
    return found
