"""NeuronLayer: what the activations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.kept import Kept


class NeuronLayer(Layer):
    """One bottom, one top of the same shape, each element on its own; may run in place.

    What a type adds: forward, and either backward or `gradient`, which gets dy and writes dx.
    """

    exact_bottom = 1
    exact_top = 1
    in_place = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = Kept(self)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape_like(bottom[0])

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        """dx = dy times the slope."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            self.gradient(bottom, top, top[0].diff, bottom[0].diff)
