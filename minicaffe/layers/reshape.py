"""Reshape: the same values under another shape."""

from __future__ import annotations

import math

from minicaffe.blob import MAX_COUNT, Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.aliasing import AliasLayer
from minicaffe.layers.base import Blobs
from minicaffe.layers.registry import register

SHAPE = "reshape_param.shape"


@register("Reshape")
class ReshapeLayer(AliasLayer):
    """The same values with some axes replaced by others.

    bottom[0]: x.  top[0]: the axes of x before `axis`, those of `shape`, the axes of x from axis + num_axes on; as
    many values as x. It is the bottom's own memory, data and diff, where the memory order allows that (aliasing.py),
    else a copy.

    reshape_param: shape: sizes; 0 at place j copies the size of axis `axis` + j of x, and one -1 is worked out from
    the rest.  axis (default 0): the first axis replaced; negative ones count from behind the last (-1).
    num_axes (-1, all from there on): how many are replaced; 0 puts new ones in.
    Source: Caffe's reshape_layer.cpp.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.sizes = list(self.layer_param.reshape_param.shape.dim)
        if self.sizes.count(-1) > 1:
            text = f"is {self.told}: holds -1 {self.sizes.count(-1)} times: multiple -1 dims"
            raise self.error(ParamError, f"{text}, at most one can be inferred", SHAPE)
        if any(size < -1 for size in self.sizes):
            text = f"is {self.told}: holds {min(self.sizes)}: a size is 0 (copied), -1 (inferred), or 1 and more"
            raise self.error(ParamError, text, SHAPE)
        super().setup(bottom, top)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        x = bottom[0]
        start, end = self.replaced_axes(x)
        new = self.new_sizes(x, start, end)
        shape = (*x.shape[:start], *new, *x.shape[end:])
        if math.prod(shape) != x.count:
            text = f"is {self.told}: makes {shape_text(shape)} of the bottom {shape_text(x.shape)}"
            raise self.error(ShapeError, f"{text}: output count must match input count", SHAPE)
        with self.blaming(SHAPE, self.told):
            self.alias.reshape(x, top[0], shape)

    @property
    def told(self) -> str:
        """The shape as the prototxt says it."""
        return " ".join(map(str, self.sizes)) or "empty"

    def replaced_axes(self, x: Blob) -> tuple[int, int]:
        """The first axis of x that is replaced, and the first behind those."""
        param, axes = self.layer_param.reshape_param, x.num_axes
        start = param.axis if param.axis >= 0 else axes + param.axis + 1
        if not 0 <= start <= axes:
            text = f"is {param.axis}: out of range, must lie between {-axes - 1} and {axes} for a bottom of {axes} axes"
            raise self.error(ShapeError, text, "reshape_param.axis")
        if param.num_axes < -1:
            text = f"is {param.num_axes}, must be 0 or more, or -1 for all axes from `axis` on"
            raise self.error(ParamError, text, "reshape_param.num_axes")
        end = axes if param.num_axes == -1 else start + param.num_axes
        if end > axes:
            text = f"is {param.num_axes}, out of range: behind axis {start} the bottom has {axes - start} axes"
            raise self.error(ShapeError, text, "reshape_param.num_axes")
        return start, end

    def new_sizes(self, x: Blob, start: int, end: int) -> list[int]:
        """`shape` with its 0 and -1 settled."""
        new = list(self.sizes)
        for place, size in enumerate(new):
            if size == 0:
                if start + place >= x.num_axes:
                    text = f"is {self.told}: holds a 0 at place {place}, but there is no axis {start + place} to copy"
                    raise self.error(ShapeError, f"{text} in the bottom {shape_text(x.shape)}", SHAPE)
                new[place] = x.shape[start + place]
        if -1 in new:
            new[new.index(-1)] = self.inferred(x, start, end)
        return new

    def inferred(self, x: Blob, start: int, end: int) -> int:
        """What -1 stands for: the sizes replaced / the other new ones.

        A size that is copied from a replaced axis cancels out, so that an empty batch can be copied too.
        """
        copied = {start + place for place, size in enumerate(self.sizes) if size == 0}
        have = math.prod(x.shape[axis] for axis in range(start, end) if axis not in copied)
        given = math.prod(size for size in self.sizes if size > 0)
        given *= math.prod(x.shape[axis] for axis in copied if axis >= end)
        if not given or have % given:
            text = f"is {self.told}: has -1 for {have} / {given}: bottom count must be divisible by the product of the"
            raise self.error(ShapeError, f"{text} specified dimensions; the bottom is {shape_text(x.shape)}", SHAPE)
        if have // given > MAX_COUNT:
            raise self.error(ShapeError, f"is {self.told}: has -1 for {have // given}, more than {MAX_COUNT}", SHAPE)
        return have // given
