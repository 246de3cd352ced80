"""BatchReindex: the items of a batch in another order, some left out, some several times."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.layers.row_index import read_rows, rows_of


@register("BatchReindex")
class BatchReindexLayer(Layer):
    """Takes items of a batch by their numbers.

        y[i] = x[r[i]]          dx[n] = sum of dy[i] over all i with r[i] = n

    bottom[0]: x (N, ...).  bottom[1]: r (M), numbers of items, 0 ... N - 1, read towards zero; without a gradient.
    top[0]: y (M, ...).
    Source: Caffe's batch_reindex_layer.cpp.
    """

    exact_bottom = 2
    exact_top = 1
    no_gradient = {1: "the numbers of items"}

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        x, numbers = bottom[0].shape, bottom[1].shape
        if not x or len(numbers) != 1:
            text = f"bottom[0] {shape_text(x)} must have a batch axis, and bottom[1] {shape_text(numbers)} that one"
            raise self.error(ShapeError, f"{text} alone: it holds the numbers of items")
        top[0].reshape(*numbers, *x[1:])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        rows = read_rows(self, 1, bottom[1], bottom[0].shape[0])
        self.kernels.take_rows(bottom[0].data, rows, top[0].data)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            dx = bottom[0].diff
            dx.fill(0)
            self.kernels.add_rows(top[0].diff, rows_of(self, bottom[1]), dx)
