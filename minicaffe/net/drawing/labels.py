"""What is written in a layer's box, at its arrows, and in the tip that shows over it."""

from __future__ import annotations

from typing import Any

from minicaffe.proto import caffe_pb2
from minicaffe.proto.printer import format_text

# Layers with a weight and, by their bias_term, a bias.
_WEIGHTED = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Embed": "embed_param",
}
_RECURRENT = ("LSTM", "RNN")
_BATCHED = ("data_param", "image_data_param", "hdf5_data_param", "memory_data_param", "window_data_param")


def layer_details(layer: Any, phase: int | None = None, display_lrm: bool = False) -> list[str]:
    """The lines below a layer's name and type: window, learning rates, and its phase where several are drawn."""
    lines: list[str] = []
    if layer.type in ("Convolution", "Deconvolution"):
        lines = _convolution(layer.convolution_param)
    elif layer.type == "Pooling":
        lines = _pooling(layer.pooling_param)
    if display_lrm and (rates := lr_mults(layer)):
        lines.append("lr mult " + "/".join(f"{rate:g}" for rate in rates))
    rules = [rule.phase for rule in layer.include if rule.HasField("phase")]
    if phase is None and rules:
        lines.append(" and ".join(dict.fromkeys(map(caffe_pb2.Phase.Name, rules))) + " only")
    return lines


def layer_type(layer: Any) -> str:
    """A layer's type; of pooling and elementwise layers what they do, too."""
    method = {
        "Pooling": lambda: caffe_pb2.PoolingParameter.PoolMethod.Name(layer.pooling_param.pool),
        "Eltwise": lambda: caffe_pb2.EltwiseParameter.EltwiseOp.Name(layer.eltwise_param.operation),
    }.get(layer.type)
    return f"{method()} {layer.type}" if method else layer.type


def _convolution(param: Any) -> list[str]:
    """Caffe's convolutions have any number of axes, each with its own window, or one value for all."""
    kernel = _axes(param.kernel_size, param, "kernel", "?")
    lines = [f"kernel {kernel}", f"stride {_axes(param.stride, param, 'stride', '1')}"]
    lines[1] += f", pad {_axes(param.pad, param, 'pad', '0')}"
    if any(value != 1 for value in param.dilation):
        lines.append(f"dilation {_joined(param.dilation)}")
    if param.group != 1:
        lines.append(f"group {param.group}")
    return lines


def _pooling(param: Any) -> list[str]:
    stride = f"stride {_axes([param.stride], param, 'stride', '1')}, pad {_axes([param.pad], param, 'pad', '0')}"
    if param.global_pooling:
        return ["global"]
    return [
        f"kernel {_axes([param.kernel_size] if param.HasField('kernel_size') else [], param, 'kernel', '?')}",
        stride,
    ]


def _axes(values: Any, param: Any, name: str, default: str) -> str:
    """One number, or 3x5: height x width as in blobs."""
    if param.HasField(f"{name}_h") or param.HasField(f"{name}_w"):
        return _joined([getattr(param, f"{name}_h"), getattr(param, f"{name}_w")])
    return _joined(values) or default


def _joined(values: Any) -> str:
    values = list(values)
    return "x".join(map(str, values if len(set(values)) > 1 else values[:1]))


def lr_mults(layer: Any) -> list[float]:
    """lr_mult of each parameter blob, as far as the file or the type tells how many there are."""
    given = [param.lr_mult for param in layer.param]
    settings = _WEIGHTED.get(layer.type)
    count = 1 + getattr(layer, settings).bias_term if settings else len(given)
    return given + [1.0] * (count - len(given))


def edge_label(layer: Any, top: int = 0) -> str:
    """What is written at the arrow to a layer's top: its outputs, or the batch."""
    if layer.type in _WEIGHTED:
        return str(getattr(layer, _WEIGHTED[layer.type]).num_output)
    if layer.type in _RECURRENT:
        return str(layer.recurrent_param.num_output)
    if layer.type == "Input":
        shapes = layer.input_param.shape
        shape = shapes[top] if top < len(shapes) else shapes[0] if len(shapes) == 1 else None
        return "x".join(map(str, shape.dim)) if shape else ""
    sizes = [getattr(layer, field).batch_size for field in _BATCHED if layer.HasField(field)]
    return f"batch {sizes[0]}" if sizes and sizes[0] else ""


def layer_tip(layer: Any) -> str:
    """All settings of a layer, as they would stand in a prototxt; without weights."""
    settings = type(layer)()
    for descriptor, _ in layer.ListFields():
        if descriptor.name != "blobs":
            _copy(layer, settings, descriptor.name)
    return format_text(settings).rstrip()


def _copy(source: Any, target: Any, name: str) -> None:
    value = getattr(source, name)
    if hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    elif hasattr(value, "MergeFrom"):
        getattr(target, name).MergeFrom(value)
    else:
        setattr(target, name, value)
