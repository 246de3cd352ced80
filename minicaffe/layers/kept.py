"""Kept: what a layer's backward reads, where its blobs are overwritten before.

A layer that runs in place overwrites its bottom, and one that runs in place behind it overwrites its top. Caffe then
computes the gradient from the wrong values; here the right ones are kept, and only where that happens.
"""

from __future__ import annotations

import weakref
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layers.base import Blobs, Layer


class Kept:
    """Copies that live from a layer's forward to its backward; none are made where no backward will run.

    forward:   x = kept.bottom(bottom, top);  ... ;  kept.keep_top(top)
    backward:  x, y = kept.x(bottom), kept.y(top)
    """

    def __init__(self, layer: Layer) -> None:
        # The layer owns this: a cycle would keep its memory until the garbage collector comes round.
        self._layer: Layer = weakref.proxy(layer)
        self._x: Blob | None = None
        self._y: Blob | None = None

    def bottom(self, bottom: Blobs, top: Blobs) -> Any:
        """bottom[0].data, about to be read; copied first if top[0] is the same blob."""
        is_lost = top[0] is bottom[0] and self._layer.runs_backward
        self._x = self._copy(bottom[0], self._x) if is_lost else None
        return bottom[0].data

    def keep_top(self, top: Blobs) -> None:
        """top[0].data is done: copy it if a later layer overwrites it."""
        is_lost = self._layer.top_is_overwritten and self._layer.runs_backward
        self._y = self._copy(top[0], self._y) if is_lost else None

    def x(self, bottom: Blobs) -> Any:
        """bottom[0].data as forward read it."""
        return (self._x or bottom[0]).data

    def y(self, top: Blobs) -> Any:
        """top[0].data as forward left it."""
        return (self._y or top[0]).data

    def _copy(self, blob: Blob, into: Blob | None) -> Blob:
        copy = into or self._layer.new_like_top()
        copy.reshape_like(blob)
        self._layer.xp.copyto(copy.data, blob.data)
        return copy
