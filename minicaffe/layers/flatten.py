"""Flatten: several axes become one."""

from __future__ import annotations

from minicaffe.errors import ParamError
from minicaffe.layers.aliasing import AliasLayer
from minicaffe.layers.base import Blobs
from minicaffe.layers.registry import register


@register("Flatten")
class FlattenLayer(AliasLayer):
    """The same values with the axes from `axis` to `end_axis` folded into one.

    bottom[0]: x.  top[0]: the axes of x before `axis`, the product of axis ... end_axis, the axes behind; it is the
    bottom's own memory, data and diff, where the memory order allows that (aliasing.py), else a copy.

    flatten_param: axis (default 1), end_axis (-1), both counted in; negative ones from the end. axis = end_axis + 1
    puts in an axis of size 1.
    Source: Caffe's flatten_layer.cpp.
    """

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        param, x = self.layer_param.flatten_param, bottom[0]
        first = self.axis(x, param.axis, "flatten_param.axis")
        last = self.axis(x, param.end_axis, "flatten_param.end_axis")
        if first > last + 1:
            text = f"is {param.axis}, which lies behind end_axis {param.end_axis} of a bottom with {x.num_axes} axes"
            raise self.error(ParamError, f"{text}; at most one axis behind it is possible", "flatten_param.axis")
        shape = (*x.shape[:first], x.count_between(first, last + 1), *x.shape[last + 1 :])
        self.alias.reshape(x, top[0], shape)
