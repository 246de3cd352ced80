"""Silence: a reader for blobs that nobody reads."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("Silence")
class SilenceLayer(Layer):
    """Takes blobs so that they are no outputs of the net, and does nothing with them.

        dx_i = 0

    bottom[i]: any blobs.  No tops.
    Source: Caffe's silence_layer.cpp.
    """

    min_bottom = 1
    exact_top = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """There is no top."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """There is nothing to compute."""

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.diff.fill(0)
