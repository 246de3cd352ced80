"""What Concat, which joins along an axis, and Slice, which cuts along one, have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Layer

# Values to copy from which the threads share the work (measured: docs/performance.md).
SHARED_FROM = 1 << 17


def read_axis(layer: Layer, blob: Blob, message: str, legacy: str) -> int:
    """The axis of `blob` that the layer's `message` names: `axis`, or the older field `legacy`, where that is given.

    The older one takes no negative number.
    """
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


def copy_all(layer: Layer, pairs: Sequence[tuple[Any, Any]]) -> None:
    """target = source for each pair."""
    if sum(target.size for target, _ in pairs) >= SHARED_FROM:
        layer.context.backend.share(lambda pair: layer.xp.copyto(*pair), pairs)
        return
    for target, source in pairs:
        layer.xp.copyto(target, source)
