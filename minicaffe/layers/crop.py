"""Crop: a window of one blob, as large as another."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register

OFFSET = "crop_param.offset"


@register("Crop")
class CropLayer(Layer):
    """Cuts x to the size of another blob, from an axis on.

        y[i] = x[i + offset]          dx = dy inside the window, 0 around it

    bottom[0]: x.  bottom[1]: its sizes count, its values do not; no gradient goes there.
    top[0]: y, the axes of x before `axis`, then those of bottom[1].
    crop_param: axis (default 2; negative ones count from the end); offset: none for 0, one for all axes that are cut,
    or one for each.
    Source: Caffe's crop_layer.cpp.
    """

    exact_bottom = 2
    exact_top = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        x, size = bottom[0], bottom[1]
        first = self.axis(x, self.layer_param.crop_param.axis, "crop_param.axis")
        if size.num_axes < x.num_axes:
            text = f"bottom[1] {shape_text(size.shape)} has {size.num_axes} axes: it must have the {x.num_axes} of"
            raise self.error(ShapeError, f"{text} bottom[0] {shape_text(x.shape)}, which is cut from axis {first} on")
        window = [slice(None)] * first
        for axis, offset in enumerate(self.offsets(x.num_axes - first), first):
            self.check_axis(axis, x.shape[axis], offset, size.shape[axis])
            window.append(slice(offset, offset + size.shape[axis]))
        self.window = tuple(window)
        top[0].reshape(*x.shape[:first], *size.shape[first : x.num_axes])

    def offsets(self, axes: int) -> list[int]:
        """One offset for each of the `axes` that are cut."""
        given = list(self.layer_param.crop_param.offset)
        if len(given) not in (0, 1, axes):
            text = f"is given {len(given)} times, must be given once, or once for each of the {axes} axes that are cut"
            raise self.error(ParamError, f"{text}, or not at all", OFFSET)
        return given if len(given) == axes else (given or [0]) * axes

    def check_axis(self, axis: int, size: int, offset: int, wanted: int) -> None:
        if offset + wanted > size:
            text = f"is {offset} on axis {axis}: bottom[0] is {size} long there, and bottom[1] wants {wanted} of it"
            raise self.error(ShapeError, f"{text}; use a smaller offset, or a smaller bottom[1]", OFFSET)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.xp.copyto(top[0].data, bottom[0].data[self.window])

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            dx = bottom[0].diff
            dx.fill(0)
            dx[self.window] = top[0].diff
