"""convolution_param read into a Window: what Convolution, Deconvolution and Im2col share."""

from __future__ import annotations

import math

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.blob import MAX_COUNT, Blob, shape_text
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


def check_columns(layer: Layer, channels: int, window: Window, image: Sizes, output: Sizes) -> None:
    """Raises ShapeError where one picture, padded or unfolded into columns, would exceed what any blob may hold.

    Both stand in scratch memory while a layer runs; Caffe's buffers have the same limit.
    """
    outer = [size + 2 * pad for size, pad in zip(image, window.pad, strict=True)]
    padding = f"is {list(window.pad)} and " if any(window.pad) else ""
    check_count(layer, (channels, *outer), f"{padding}makes a picture", f"{PARAM}.pad" if padding else PARAM)
    columns = (channels * window.taps, *output)
    check_count(layer, columns, f"with kernel_size {list(window.kernel)} makes windows of one picture", PARAM)


def check_count(layer: Layer, shape: Sizes, makes: str, field: str) -> None:
    if math.prod(shape) > MAX_COUNT:
        text = f"{makes} of {shape_text(shape)} values, {4 * math.prod(shape)} bytes in float32"
        raise layer.error(ShapeError, f"{text}; at most {MAX_COUNT} values are possible", field)


def check_num_axes(layer: Layer, bottom: Blob, num_axes: int) -> None:
    """Raises ShapeError for a bottom that has not the number of axes of set-up: settings are read for so many."""
    if bottom.num_axes != num_axes:
        text = f"bottom[0] has the shape {shape_text(bottom.shape)}, must keep the {num_axes} axes it had at set-up"
        raise layer.error(ShapeError, text)


def check_output(layer: Layer, window: Window, image: Sizes, output: Sizes) -> None:
    """Raises ShapeError for a window that lies beyond the image."""
    if any(size < 0 for size in output):
        dilation = f", dilation {list(window.dilation)}" if set(window.dilation) != {1} else ""
        text = f"makes an output of {list(output)} of an image of {list(image)} pixels: kernel_size"
        text += f" {list(window.kernel)} with pad {list(window.pad)}{dilation} does not fit into it"
        raise layer.error(ShapeError, text, PARAM)


def pictures(shape: Sizes, channel_axis: int) -> Sizes:
    """A shape as the kernels want it, (N, C, *image): all batch axes one, and at least one spatial axis."""
    return math.prod(shape[:channel_axis]), shape[channel_axis], *(shape[channel_axis + 1 :] or (1,))
