"""The axis that Concat joins along and Slice cuts along: `axis`, or its older form, which takes no negative number."""

from __future__ import annotations

from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Layer


def read_axis(layer: Layer, blob: Blob, message: str, legacy: str) -> int:
    """The axis of `blob` that the layer's `message` names; the field `legacy` speaks wherever it is given."""
    param = getattr(layer.layer_param, message)
    if not param.HasField(legacy):
        return layer.axis(blob, param.axis, f"{message}.axis")
    axis = getattr(param, legacy)
    if param.HasField("axis"):
        text = f"is {axis}, and axis is {param.axis}: Either axis or {legacy} should be specified, not both; keep axis"
        raise layer.error(ParamError, text, f"{message}.{legacy}")
    if axis >= blob.num_axes:
        text = f"is {axis}, must be below {blob.num_axes}: the bottom is {shape_text(blob.shape)}"
        raise layer.error(ShapeError, text, f"{message}.{legacy}")
    return axis


def span(axis: int, start: int, length: int) -> tuple[slice, ...]:
    """The index of the places start ... start + length - 1 along an axis."""
    return (*[slice(None)] * axis, slice(start, start + length))
