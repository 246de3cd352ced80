"""Slice: a blob cut into pieces along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.aliasing import Alias
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.joined_axis import copy_all, read_axis, span
from minicaffe.layers.registry import register

POINTS = "slice_param.slice_point"


@register("Slice")
class SliceLayer(Layer):
    """One piece of x for each top; the reverse of Concat.

        y_0, y_1, ... = x          dx = dy_0, dy_1, ...

    bottom[0]: x.  top[i]: y_i, the shape of x but for its length along `axis`. A single top is the bottom's own
    memory, data and diff (aliasing.py).
    slice_param: slice_point: where each top but the first begins, rising; without them all pieces are equally long.
    axis (default 1; negative ones count from the end), or its older form slice_dim.
    Source: Caffe's slice_layer.cpp.
    """

    exact_bottom = 1
    min_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.points = list(self.layer_param.slice_param.slice_point)
        if self.points and len(self.points) != len(top) - 1:
            text = (
                f"is given {len(self.points)} times, must be given {len(top) - 1} times: where each of the {len(top)}"
            )
            raise self.error(ParamError, f"{text} tops but the first begins", POINTS)
        if any(a >= b for a, b in pairwise([0, *self.points])):
            text = f"is {' '.join(map(str, self.points))}: each must be greater than the one before, the first than 0"
            raise self.error(ParamError, text, POINTS)
        self.alias = Alias(self) if len(top) == 1 else None

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        shape = bottom[0].shape
        axis = self.cut = read_axis(self, bottom[0], "slice_param", "slice_dim")
        self.lengths = self.lengths_of(shape[axis], len(top))
        if self.alias:
            self.alias.reshape(bottom[0], top[0], shape)
            return
        for blob, length in zip(top, self.lengths, strict=True):
            blob.reshape(*shape[:axis], length, *shape[axis + 1 :])

    def lengths_of(self, size: int, tops: int) -> list[int]:
        """How long each top is along the axis, which has `size` places."""
        if not self.points:
            if size % tops:
                text = f"bottom[0] is {size} long along axis {self.cut}, which {tops} tops cannot share evenly"
                raise self.error(ShapeError, f"{text}: give slice_point, or another number of tops")
            return [size // tops] * tops
        if self.points[-1] > size or tops > size:
            text = f"is {' '.join(map(str, self.points))} for {tops} tops: axis {self.cut} of bottom[0] has only {size}"
            raise self.error(ShapeError, f"{text} places", POINTS)
        return [b - a for a, b in pairwise([0, *self.points, size])]

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if self.alias:
            self.alias.forward(bottom[0], top[0])
            return
        copy_all(self, list(zip([blob.data for blob in top], self.parts(bottom[0].data), strict=True)))

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        if self.alias:
            self.alias.backward(top[0], bottom[0])
            return
        copy_all(self, list(zip(self.parts(bottom[0].diff), [blob.diff for blob in top], strict=True)))

    def parts(self, x: Any) -> Iterator[Any]:
        """Where each top lies in the bottom."""
        for end, length in zip(accumulate(self.lengths), self.lengths, strict=True):
            yield x[span(self.cut, end - length, length)]
