"""Arithmetic on boxes.

`boxes` is an array (n, 4): left, top, right, bottom, in pixels of the photograph. The numbers are the edges of the box,
not the centres of its outermost pixels: a box over one pixel is 1 wide. Nothing here rounds.
"""

import numpy as np


def sizes(boxes):
    """Width and height of each box: (n, 2)."""
    return boxes[:, 2:] - boxes[:, :2]


def refine(boxes, offsets):
    """Move each edge by a fraction of the box's width or height; offsets (n, 4), as the nets give them."""
    return boxes + offsets * np.tile(sizes(boxes), 2)


def square(boxes):
    """The squares around the same centres, as wide as the longer sides."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = sizes(boxes).max(axis=1, keepdims=True) / 2
    return np.hstack([centres - half, centres + half])


def overlap(box, others, mode="union"):
    """How much of each other box a box shares, 0 to 1: (n,).

    mode "union": shared area / area that either covers.  mode "min": shared area / area of the smaller of the two,
    which is 1 where one lies inside the other.
    """
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = shared.clip(min=0).prod(axis=1)
    area, areas = np.prod(box[2:] - box[:2]), sizes(others).prod(axis=1)
    return shared / (np.minimum(area, areas) if mode == "min" else area + areas - shared)


def suppress(boxes, scores, limit, mode="union"):
    """Non-maximum suppression: of boxes that overlap by more than `limit`, the best alone stays.

    Boxes must have an area. Returns the indices of those that stay, best first.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = waiting[overlap(boxes[best], boxes[waiting], mode) <= limit]
    return np.array(kept, dtype=int)
