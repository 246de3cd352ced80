"""ArgMax: where the greatest values are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend.regroup import regrouped
from minicaffe.blob import shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("ArgMax")
class ArgMaxLayer(Layer):
    """The places of the top_k greatest values, or the values, greatest first; of equal ones the later place first.

    NaN counts as greater than any number. There is no gradient.

    With axis: bottom[0]: x.  top[0]: the shape of x, `axis` top_k long: places along the axis, as floats; with
    out_max_val the values instead.
    Without axis: bottom[0]: x (N, ...), each item read as one line of K values.  top[0]: (N, 1, top_k), places in
    the line; with out_max_val (N, 2, top_k), places and then values; followed by as many axes of 1 as x has beyond
    three.

    argmax_param: axis (none; negative ones count from the end), top_k (1), out_max_val (false).
    Source: Caffe's argmax_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1
    no_gradient = {0: "of whose values only the order counts"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.argmax_param
        self.top_k, self.out_max_val, self.along_axis = param.top_k, param.out_max_val, param.HasField("axis")
        if not self.top_k:
            raise self.error(ParamError, "is 0: top k must not be less than 1", "argmax_param.top_k")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        x = bottom[0]
        if self.along_axis:
            self.ranked = self.axis(x, self.layer_param.argmax_param.axis, "argmax_param.axis")
            length, what = x.shape[self.ranked], f"axis {self.ranked}"
            shape = (*x.shape[: self.ranked], self.top_k, *x.shape[self.ranked + 1 :])
        elif not x.num_axes:
            raise self.error(ShapeError, f"bottom[0] is the scalar {shape_text(())}, must have a first axis, of items")
        else:
            length, what = x.count_between(1), "an item"
            shape = (x.shape[0], 2 if self.out_max_val else 1, self.top_k, *[1] * (x.num_axes - 3))
        if self.top_k > length:
            text = f"is {self.top_k}: top k must be less than or equal to the number of values, {length} along {what}"
            raise self.error(ParamError, text, "argmax_param.top_k")
        with self.blaming("argmax_param.top_k", self.top_k):
            top[0].reshape(*shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        places, values = self.greatest(bottom[0].data) if self.top_k == 1 else self.several_greatest(bottom[0].data)
        y = top[0].data
        if self.along_axis:
            out = self.xp.moveaxis(y, self.ranked, -1)
            out[...] = (values if self.out_max_val else places).reshape(out.shape)
            return
        for row, result in enumerate((places, values) if self.out_max_val else (places,)):
            y[:, row].reshape(result.shape)[...] = result

    def greatest(self, x: Any) -> tuple[Any, Any]:
        """(places, values) with an axis of size 1 at the end; no values unless they are asked for."""
        axis = self.ranked if self.along_axis else 1
        if not self.along_axis:
            x = regrouped(x, (len(x), math.prod(x.shape[1:])), self.workspace, "argmax:lines")
        places = self.workspace.array("argmax:index", x.shape[:axis] + x.shape[axis + 1 :], np.int64)
        self.kernels.last_maximum(x, axis, places, self.workspace)
        values = None
        if self.out_max_val:
            found = self.xp.take_along_axis(x, self.xp.expand_dims(places, axis), axis)
            values = self.xp.moveaxis(found, axis, -1)
        return places[..., None], values

    def several_greatest(self, x: Any) -> tuple[Any, Any]:
        """(places, values), (lines, top_k); no values unless they are asked for."""
        # Backwards, so that the first of equals is the one with the larger place.
        lines, length = self.reversed_lines(x)
        index = self.workspace.array("argmax:index", (len(lines), self.top_k), np.int64)
        self.kernels.rank_lines(lines, index, self.workspace)
        values = self.xp.take_along_axis(lines, index, axis=1) if self.out_max_val else None
        return self.xp.subtract(length - 1, index, out=index), values

    def reversed_lines(self, x: Any) -> tuple[Any, int]:
        """(what is ranked, (lines, length) in C order, each line back to front; the length)."""
        if not self.along_axis:
            lines = self.workspace.array("argmax:lines", x.shape, x.dtype)
            backwards = (slice(None),) + (slice(None, None, -1),) * (x.ndim - 1)
            lines[...] = x[backwards]
            length = math.prod(x.shape[1:])
        else:
            length = x.shape[self.ranked]
            around = x.shape[: self.ranked] + x.shape[self.ranked + 1 :]
            lines = self.workspace.array("argmax:lines", (*around, length), x.dtype)
            self.xp.moveaxis(lines, -1, self.ranked)[...] = self.xp.flip(x, self.ranked)
        return lines.reshape(lines.size // length, length), length

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing to do: its bottom can have no gradient."""
