"""Split: one blob for several readers."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.errors import GraphError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("Split")
class SplitLayer(Layer):
    """Gives each reader of a blob a top of its own; nets insert it where a blob is read twice.

        y_i = x          dx = sum of dy_i, added in the order of the tops

    bottom[0]: x.  top[i]: y_i, the shape of x; its data is x's own memory, its diff is not.
    Source: Caffe's split_layer.cpp.
    """

    exact_bottom = 1
    min_top = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        for index, blob in enumerate(top):
            if blob is bottom[0]:
                text = f"top[{index}] is the bottom itself: layers of type Split cannot run in place"
                raise self.error(GraphError, f"{text}; give the top a name of its own")
            blob.reshape_like(bottom[0])
            blob.share_data(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """The tops are the bottom's memory."""

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        dx = bottom[0].diff
        if len(top) == 1:
            self.xp.copyto(dx, top[0].diff)
            return
        self.xp.add(top[0].diff, top[1].diff, out=dx)
        for blob in top[2:]:
            dx += blob.diff
