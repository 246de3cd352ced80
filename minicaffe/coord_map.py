"""How the coordinates of one blob of a net lie in another's: what it takes to crop one to fit the other.

A map is (axis, scale, shift), from the coordinates x of one blob to those of another:

    x' = scale * x + shift        on `axis` and those behind it

axis: first spatial axis, less one (1 for N, C, H, W); None where a map is the same for every axis.
scale, shift: one number for each spatial axis, as arrays, or one for all.

It works on Tops of net_spec, before there is a net, so that sizes of blobs do not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from minicaffe.net_spec import Function, Top, layers as L

Map: TypeAlias = tuple[Any, Any, Any]

IDENTITY: Map = (None, 1, 0)
# Types whose tops have the coordinates of their bottoms.
PASS_THROUGH_LAYERS = [
    *("AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN", "Power"),
    *("ReLU", "PReLU", "Scale", "Sigmoid", "Split", "TanH", "Threshold"),
]
_PER_AXIS = ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w")


class UndefinedMapException(Exception):
    """A layer's tops do not have coordinates that its bottoms give them."""


class AxisMismatchException(Exception):
    """Two maps, one behind the other, begin at different axes."""


def conv_params(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """(axis, stride, kernel extent, pad) of a layer with windows; the extent counts the holes of a dilated kernel.

    Raises KeyError (no kernel_size), AssertionError (a setting for one axis: kernel_h, stride_w, ...).
    """
    settings = fn.params.get("pooling_param" if fn.type_name == "Pooling" else "convolution_param", fn.params)
    if single := [name for name in _PER_AXIS if name in settings]:
        raise AssertionError(
            f"{fn!r}: {', '.join(single)} cannot be mapped; write kernel_size, stride and pad, as lists [h, w]"
        )
    if "kernel_size" not in settings:
        raise KeyError(f"{fn!r} has no kernel_size, without which its coordinates are not known")
    kernel_size, dilation, stride, pad = (
        np.array(settings.get(name, default), ndmin=1)
        for name, default in (("kernel_size", 1), ("dilation", 1), ("stride", 1), ("pad", 0))
    )
    return settings.get("axis", 1), stride, (kernel_size - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, np.ndarray]:
    """(axis, offset) of a Crop layer: first axis cropped (default 2), and how much is left out before (default 0)."""
    settings = fn.params.get("crop_param", fn.params)
    return settings.get("axis", 2), np.array(settings.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """The map from a layer's bottom to its top: x_top = scale * x_bottom + shift.

    Raises UndefinedMapException for a type without one, such as InnerProduct; and what conv_params raises.
    """
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    if fn.type_name in PASS_THROUGH_LAYERS:
        return IDENTITY
    raise UndefinedMapException(f"{fn!r}: a {fn.type_name} layer does not map coordinates")


def compose(base_map: Map, next_map: Map) -> Map:
    """The map that is first `next_map`, then `base_map`: (axis, a1 * a2, a1 * b2 + b1).

    Raises AxisMismatchException where both have an axis, and not the same.
    """
    (axis1, a1, b1), (axis2, a2, b2) = base_map, next_map
    if None not in (axis1, axis2) and axis1 != axis2:
        raise AxisMismatchException(
            f"one map begins at axis {axis1}, the next at axis {axis2}; give the layers one axis"
        )
    return axis2 if axis1 is None else axis1, a1 * a2, a1 * b2 + b1


def inverse(coord_map: Map) -> Map:
    """The map back: x = (x' - b) / a."""
    axis, a, b = coord_map
    return axis, 1 / a, -b / a


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map between the coordinates of two Tops, by way of the nearest Top that both are computed from.

    Where several ways lead up they are taken to agree. Raises RuntimeError if there is no such Top, or none that can be
    reached through layers with a map; AxisMismatchException; KeyError and AssertionError of conv_params.
    """
    from_maps = dict(_walk(top_from))
    for top, to_map in _walk(top_to):
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise RuntimeError(
        f"Could not compute map between tops {top_from!r} and {top_to!r}; are they connected by spatial layers?"
    )


def _walk(start: Top) -> Iterator[tuple[Top, Map]]:
    """`start` and the Tops above it that it has a map with, the nearest first, each once."""
    maps, queue = {start: IDENTITY}, deque([start])
    while queue:
        top = queue.popleft()
        yield top, maps[top]
        try:
            step = coord_map(top.fn)
        except UndefinedMapException:
            continue
        # The second bottom of a Crop gives a size, no coordinates.
        for bottom in top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs:
            if bottom not in maps:
                maps[bottom] = compose(maps[top], step)
                queue.append(bottom)


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop layer that cuts `top_from` to the size of `top_to`, where both show the same.

    Raises AssertionError if cropping cannot make them fit: another scale, a shift outwards, a shift by parts of a
    pixel; and what coord_map_from_to raises.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    if not np.all(scale == 1):
        raise AssertionError(f"scale mismatch on crop (a = {scale}): the strides between the tops must cancel out")
    if not np.all(shift <= 0):
        raise AssertionError(f"cannot crop negative offset (b = {shift}): pad more below the top that is cropped")
    if not np.all(np.round(shift) == shift):
        raise AssertionError(f"cannot crop noninteger offset (b = {shift}): make kernel sizes fit strides and pads")
    offset = (-np.round(np.atleast_1d(shift))).astype(int).tolist()
    # Maps count from the last axis before the spatial ones; between tops alike there is no axis at all.
    return L.Crop(top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset})
