"""Filter: only those items of a batch that another blob selects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.blob import DATA, Blob, shape_text
from minicaffe.errors import GraphError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("Filter")
class FilterLayer(Layer):
    """Keeps the items of some blobs for which a selector is not 0.

        y_k = x_k[n], for each n with s[n] != 0          dx_k[n] = the gradient of item n where it is kept, else 0

    bottom[k], but for the last: x_k (N, ...).  The last bottom: s (N, 1, ...); without a gradient.
    top[k]: y_k (number of items kept, ...), which may be 0; at set-up, before there are values, N.
    Source: Caffe's filter_layer.cpp.
    """

    min_bottom = 2
    min_top = 1
    # The tops' sizes hang on the selector's values.
    always_reshape = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        if len(top) != len(bottom) - 1:
            text = f"has {len(top)} tops and {len(bottom)} bottoms: it must have one top for each bottom but the last,"
            raise self.error(GraphError, f"{text} the selector")
        self.no_gradient = {len(top): "the selector"}
        self.kept: Any = None
        self.set_up = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        *filtered, selector = bottom
        self.check_shapes(filtered, selector)
        # At set-up there is no memory to look into yet.
        count = selector.shape[0]
        if self.set_up:
            self.kept = self.select(selector)
            count = len(self.kept)
        self.set_up = True
        for x, y in zip(filtered, top, strict=True):
            y.reshape(count, *x.shape[1:])

    def check_shapes(self, filtered: Blobs, selector: Blob) -> None:
        shape = selector.shape
        if not shape or any(size != 1 for size in shape[1:]):
            text = f"bottom[{len(filtered)}], the selector, is {shape_text(shape)}: it must have one number an item,"
            raise self.error(ShapeError, f"{text} all axes but the first of size 1")
        for index, blob in enumerate(filtered):
            if blob.shape[:1] != shape[:1]:
                text = f"bottom[{index}] {shape_text(blob.shape)} must have as many items as the selector"
                raise self.error(ShapeError, f"{text}, bottom[{len(filtered)}] {shape_text(shape)}: {shape[0]}")

    def select(self, selector: Blob) -> Any:
        """The numbers of the items kept, as the kernels want them; looked at on the host if it has the values."""
        if selector.storage(DATA).host_is_newer:
            kept = np.flatnonzero(selector.host_array(DATA))
            return self.xp.asarray(kept) if self.context.backend.is_gpu else kept
        return self.xp.flatnonzero(selector.data)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        for x, y in zip(bottom, top, strict=False):
            self.kernels.take_rows(x.data, self.kept, y.data)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        for x, y, wanted in zip(bottom, top, propagate_down, strict=False):
            if wanted:
                dx = x.diff
                dx.fill(0)
                self.kernels.add_rows(y.diff, self.kept, dx)
