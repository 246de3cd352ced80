"""Tops that hold their bottom's values in another shape: what Reshape, Flatten, and Concat and Slice of one blob do."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from minicaffe.backend import layout
from minicaffe.backend.regroup import regrouped, regrouped_view
from minicaffe.blob import DATA, DIFF, Blob
from minicaffe.errors import GraphError
from minicaffe.layers.base import Blobs, Layer


class Alias:
    """A top that is its bottom in another shape: the bottom's own memory where a view will do, else a copy of it.

    A view will not do where the bottom's batch lies innermost and the top has another batch axis, and where the top
    belongs to the user's own code, which wants C order. The diffs are not shared where the top has a loss weight:
    its seed would lie in the bottom's diff, which layers in place below overwrite.
    """

    def __init__(self, layer: Layer) -> None:
        # The layer owns this, and a cycle would outlive the net.
        self.layer: Layer = weakref.proxy(layer)
        self.memory: Blob | None = None

    def reshape(self, bottom: Blob, top: Blob, shape: layout.Shape) -> None:
        """Give the top its shape (of the bottom's count) and its memory."""
        if top is bottom:
            text = f"top[0] is the bottom itself: layers of type {self.layer.type} cannot run in place"
            raise self.layer.error(GraphError, f"{text}; give the top a name of its own")
        # Where the top is a copy it lies here: a blob that has shared memory cannot take back its own.
        self.memory = self.memory or Blob(backend=top.backend, dtype=top.dtype, layout=top.layout)
        self.memory.reshape(*shape)
        top.reshape(*shape)
        top.share_data(bottom if self.fits(bottom, top, DATA) else self.memory)
        top.share_diff(bottom if self.fits(bottom, top, DIFF) else self.memory)

    def fits(self, bottom: Blob, top: Blob, which: int) -> bool:
        """Whether the bottom's memory, DATA or DIFF, can be the top's."""
        if which == DIFF and any(self.layer.layer_param.loss_weight):
            return False
        in_c_order = bottom.storage(which).order == layout.C_ORDER
        return in_c_order or (top.layout is not layout.c_order and bottom.can_alias(top.shape, which))

    def forward(self, bottom: Blob, top: Blob) -> None:
        if top.storage(DATA) is not bottom.storage(DATA):
            self.copy(bottom.data, top.data)

    def backward(self, top: Blob, bottom: Blob) -> None:
        if top.storage(DIFF) is not bottom.storage(DIFF):
            self.copy(top.diff, bottom.diff)

    def copy(self, x: Any, y: Any) -> None:
        """y = x in another shape, whatever the memory order of the two."""
        view = regrouped_view(y, x.shape)
        if view is not None:
            view[...] = x
        else:
            y[...] = regrouped(x, y.shape, self.layer.workspace, "alias:copy")


class AliasLayer(Layer):
    """A layer whose top is always its bottom in another shape: a type says which one, in `reshape`."""

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.alias = Alias(self)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.alias.forward(bottom[0], top[0])

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            self.alias.backward(top[0], bottom[0])
