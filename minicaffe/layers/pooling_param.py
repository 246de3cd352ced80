"""pooling_param read into a Window, by Pooling's own rules."""

from __future__ import annotations

import math

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.blob import MAX_COUNT
from minicaffe.errors import ParamError
from minicaffe.layers.base import Layer

PARAM = "pooling_param"


def read_window(layer: Layer) -> Window | None:
    """The window of a Pooling layer; None for global pooling, whose window is the image.

    kernel: kernel_size, or kernel_h and kernel_w; stride and pad: one number, or both of their pair, or
    neither. As pooling_layer.cpp. Raises ParamError for anything else.
    """
    param = layer.layer_param.pooling_param
    pad = read_pair(layer, "pad", "pad")
    stride = read_pair(layer, "stride", "stride")
    check_sizes(layer, "stride", "stride", stride, least=1)
    check_sizes(layer, "pad", "pad", pad)
    if param.global_pooling:
        check_global(layer, pad, stride)
        return None
    kernel = read_kernel(layer)
    check_sizes(layer, "kernel_size", "kernel", kernel, least=1)
    if math.prod(kernel) > MAX_COUNT:
        text = f"is {kernel[0]} x {kernel[1]}: a window has at most {MAX_COUNT} pixels; global_pooling takes the image"
        raise layer.error(ParamError, text, f"{PARAM}.{given_as(layer, 'kernel_size', 'kernel')[0]}")
    for index, (k, p) in enumerate(zip(kernel, pad, strict=True)):
        if any(pad) and p >= k:
            text = f"is {p} pixels {'vertically' if index == 0 else 'horizontally'}, must be less than the kernel, {k}"
            raise layer.error(ParamError, text, f"{PARAM}.{given_as(layer, 'pad', 'pad')[index]}")
    return Window.of(kernel, stride, pad)


def read_pair(layer: Layer, field: str, pair: str) -> Sizes:
    """(height, width) of pad or stride."""
    param = layer.layer_param.pooling_param
    has_h, has_w = param.HasField(f"{pair}_h"), param.HasField(f"{pair}_w")
    if not has_h and not has_w:
        return (getattr(param, field),) * 2
    present = f"{pair}_h" if has_h else f"{pair}_w"
    if param.HasField(field):
        raise layer.error(ParamError, f"is given beside {field}: keep one of the two", f"{PARAM}.{present}")
    if not (has_h and has_w):
        missing = f"{pair}_w" if has_h else f"{pair}_h"
        raise layer.error(ParamError, f"is given without {missing}: give both, or {field}", f"{PARAM}.{present}")
    return (getattr(param, f"{pair}_h"), getattr(param, f"{pair}_w"))


def read_kernel(layer: Layer) -> Sizes:
    """(height, width); kernel_size together with one of kernel_h and kernel_w passes and wins."""
    param = layer.layer_param.pooling_param
    both = param.HasField("kernel_h") and param.HasField("kernel_w")
    if param.HasField("kernel_size"):
        if both:
            text = "is given beside kernel_h and kernel_w: keep one of the two forms"
            raise layer.error(ParamError, text, f"{PARAM}.kernel_size")
        return (param.kernel_size,) * 2
    if not both:
        text = "is missing: give kernel_size, or both kernel_h and kernel_w, or global_pooling: true"
        raise layer.error(ParamError, text, f"{PARAM}.kernel_size")
    return (param.kernel_h, param.kernel_w)


def check_global(layer: Layer, pad: Sizes, stride: Sizes) -> None:
    param = layer.layer_param.pooling_param
    for name in ("kernel_size", "kernel_h", "kernel_w"):
        if param.HasField(name):
            text = "is given beside global_pooling, whose window is the whole image: remove one of the two"
            raise layer.error(ParamError, text, f"{PARAM}.{name}")
    for field, sizes, only in (("pad", pad, 0), ("stride", stride, 1)):
        for name, size in zip(given_as(layer, field, field), sizes, strict=True):
            if size != only:
                text = f"is {size}, must be {only} with global_pooling: remove it"
                raise layer.error(ParamError, text, f"{PARAM}.{name}")


def check_sizes(layer: Layer, field: str, pair: str, sizes: Sizes, least: int = 0) -> None:
    for name, size in zip(given_as(layer, field, pair), sizes, strict=True):
        if size < least:
            hint = "; omit it for 1" if field == "stride" else ""
            raise layer.error(ParamError, f"is {size}, must be {least} or more{hint}", f"{PARAM}.{name}")
        if size > MAX_COUNT:
            raise layer.error(ParamError, f"is {size}, must be at most {MAX_COUNT}", f"{PARAM}.{name}")


def given_as(layer: Layer, field: str, pair: str) -> tuple[str, str]:
    """The field names that the height and the width come from."""
    if not layer.layer_param.pooling_param.HasField(field) and layer.layer_param.pooling_param.HasField(f"{pair}_h"):
        return (f"{pair}_h", f"{pair}_w")
    return (field, field)
