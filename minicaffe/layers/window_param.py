"""convolution_param read into a Window: what Convolution, Deconvolution and Im2col share."""

from __future__ import annotations

import math

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.blob import MAX_COUNT
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Layer

PARAM = "convolution_param"


def read_window(layer: Layer, axes: int) -> Window:
    """The window over `axes` spatial axes that a layer's convolution_param asks for.

    kernel_size: once or per axis; stride, pad, dilation: not at all, once or per axis. With two axes
    kernel_h and kernel_w, stride_h..., pad_h... may stand instead. As base_conv_layer.cpp.
    Raises ParamError for other forms, and for a kernel or stride of 0.
    """
    kernel = read_sizes(layer, axes, "kernel_size", pair="kernel", least=1)
    stride = read_sizes(layer, axes, "stride", pair="stride", default=1, least=1)
    pad = read_sizes(layer, axes, "pad", pair="pad", default=0)
    dilation = read_sizes(layer, axes, "dilation", default=1)
    return Window(kernel, stride, pad, dilation)


def read_sizes(
    layer: Layer, axes: int, field: str, *, pair: str = "", default: int | None = None, least: int = 0
) -> Sizes:
    """One number per spatial axis: the repeated `field`, or the fields `pair`_h and `pair`_w."""
    param = getattr(layer.layer_param, PARAM)
    given = list(getattr(param, field))
    names = [f"{pair}_h", f"{pair}_w"] if pair else []
    present = [name for name in names if param.HasField(name)]
    if present:
        check_pair(layer, axes, field, bool(given), present[0])
        sizes = [getattr(param, name) for name in names]
    elif not given and default is not None:
        sizes = [default] * axes
    elif len(given) in (1, axes):
        sizes = given * axes if len(given) == 1 else given
    else:
        text = f"is given {len(given)} times, must be given once or once for each of the {axes} spatial axes"
        raise layer.error(ParamError, text + or_pair(axes, names), f"{PARAM}.{field}")
    for name, size in zip(names if present else [field] * axes, sizes, strict=True):
        check_size(layer, size, least, name)
    return tuple(sizes)


def or_pair(axes: int, names: list[str]) -> str:
    return f", or as {names[0]} and {names[1]}" if names and axes == 2 else ""


def check_pair(layer: Layer, axes: int, field: str, has_field: bool, name: str) -> None:
    """The _h/_w form is for two spatial axes and excludes the other form of the same quantity."""
    if axes != 2:
        text = f"is for 2 spatial axes, and the bottom has {axes}: use {field} instead"
        raise layer.error(ParamError, text, f"{PARAM}.{name}")
    if has_field:
        raise layer.error(ParamError, f"is given beside {field}: keep one of the two", f"{PARAM}.{name}")


def check_size(layer: Layer, size: int, least: int, name: str) -> None:
    if size < least:
        # Half of a pair that is left out counts as 0, as in Caffe.
        absent = " or absent" if name[-2:] in ("_h", "_w") else ""
        raise layer.error(ParamError, f"is {size}{absent}, must be {least} or more", f"{PARAM}.{name}")
    if size > MAX_COUNT:
        raise layer.error(ParamError, f"is {size}, must be at most {MAX_COUNT}", f"{PARAM}.{name}")


def check_padded(layer: Layer, channels: int, image: Sizes, window: Window) -> None:
    """Raises ShapeError where one padded picture alone would be larger than any blob may be."""
    outer = [size + 2 * pad for size, pad in zip(image, window.pad, strict=True)]
    if channels * math.prod(outer) > MAX_COUNT:
        text = f"{window.pad} makes pictures of {channels} x {outer} values; at most {MAX_COUNT} are possible"
        raise layer.error(ShapeError, text, f"{PARAM}.pad")
