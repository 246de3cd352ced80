"""Concat: blobs joined along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.aliasing import Alias
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.joined_axis import copy_all, read_axis, span
from minicaffe.layers.registry import register


@register("Concat")
class ConcatLayer(Layer):
    """One bottom behind the other along an axis.

        y = x_0, x_1, ...          dx_i = the part of dy where x_i lies

    bottom[i]: x_i, of one shape but for `axis`.  top[0]: y, as long along `axis` as all of them together. With one
    bottom it is that bottom's own memory, data and diff (aliasing.py).
    concat_param: axis (default 1; negative ones count from the end), or its older form concat_dim.
    Source: Caffe's concat_layer.cpp.
    """

    min_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.alias = Alias(self) if len(bottom) == 1 else None

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        first = bottom[0].shape
        axis = self.joined = read_axis(self, bottom[0], "concat_param", "concat_dim")
        for index, blob in enumerate(bottom):
            shape = blob.shape
            if len(shape) != len(first) or shape[:axis] + shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
                text = (
                    f"bottom[{index}] {shape_text(shape)} does not fit bottom[0] {shape_text(first)}: All inputs must"
                )
                raise self.error(ShapeError, f"{text} have the same shape, except at concat_axis, which is {axis}")
        if self.alias:
            self.alias.reshape(bottom[0], top[0], first)
        else:
            top[0].reshape(*first[:axis], sum(blob.shape[axis] for blob in bottom), *first[axis + 1 :])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if self.alias:
            self.alias.forward(bottom[0], top[0])
            return
        copy_all(self, list(zip(self.parts(top[0].data, bottom), [blob.data for blob in bottom], strict=True)))

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if self.alias:
            if propagate_down[0]:
                self.alias.backward(top[0], bottom[0])
            return
        parts = zip(bottom, self.parts(top[0].diff, bottom), propagate_down, strict=True)
        copy_all(self, [(blob.diff, part) for blob, part, wanted in parts if wanted])

    def parts(self, y: Any, bottom: Blobs) -> Iterator[Any]:
        """Where each bottom lies in the top."""
        start = 0
        for blob in bottom:
            length = blob.shape[self.joined]
            yield y[span(self.joined, start, length)]
            start += length
