"""Two small upgrades of today's layers: `input` fields become an Input layer, and BatchNorm's parameters stand still.

As upgrade_proto.cpp: UpgradeNetInput, UpgradeNetBatchNorm.
"""

from __future__ import annotations

import re
from typing import Any

from minicaffe.errors import Origin, ParamError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.source import NetSource


def needed(net: Any) -> bool:
    return len(net.input) > 0


def upgrade(source: NetSource) -> None:
    """Put an Input layer with the net's inputs and their shapes first; without shapes (old weights) drop the names."""
    net = source.param
    if net.input_shape or net.input_dim:
        layer = caffe_pb2.LayerParameter(name="input", type="Input", top=net.input)
        layer.input_param.shape.extend(_shapes(source))
        layers = [layer, *net.layer]
        net.ClearField("layer")
        net.layer.extend(layers)
        source.origins.insert(0, _origin(source.origin))
        source.indices.insert(0, None)
    else:
        # protobuf hands out bytes where they are no UTF-8.
        texts = [name if isinstance(name, str) else name.decode(errors="backslashreplace") for name in net.input]
        names = ", ".join(texts)
        source.note("WARNING", f"input names {names}, but there is no input_shape: inputs without shapes are dropped")
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)


def _shapes(source: NetSource) -> list[Any]:
    """A BlobShape for each input: from input_shape if there is any, else four numbers of input_dim for each."""
    net, count = source.param, len(source.param.input)
    if net.input_shape:
        field, given, wanted = "input_shape", len(net.input_shape), count
        shapes = list(net.input_shape)
    else:
        field, given, wanted = "input_dim", len(net.input_dim), 4 * count
        shapes = [caffe_pb2.BlobShape(dim=net.input_dim[i : i + 4]) for i in range(0, wanted, 4)]
    if given < wanted:
        text = f"has {given} entries for {count} input fields, must have {wanted}"
        raise source.origin.error(ParamError, text, field)
    if given > wanted:
        source.note(
            "WARNING", f"{field} has {given} entries for {count} input fields; those after {wanted} are dropped"
        )
    return shapes[:count]


def _origin(net: Origin) -> Origin:
    """The Input layer's place: that of the first input; its tops and sizes are where the fields were."""
    fields = {}
    old_dims = not any(path.startswith("input_shape") for path in net.fields)
    for path, line in net.fields.items():
        if top := re.fullmatch(r"input(\[\d+\])", path):
            fields["top" + top[1]] = line
        elif shape := re.fullmatch(r"input_shape(\[\d+\].*)", path):
            fields["input_param.shape" + shape[1]] = line
        elif (dim := re.fullmatch(r"input_dim\[(\d+)\]", path)) and old_dims:
            blob, axis = divmod(int(dim[1]), 4)
            fields.setdefault(f"input_param.shape[{blob}]", line)
            fields[f"input_param.shape[{blob}].dim[{axis}]"] = line
    return Origin(net.file, fields.get("top[0]", 0), fields)


def batch_norm_needed(net: Any) -> bool:
    return any(_has_statistics(layer) for layer in net.layer)


def upgrade_batch_norm(source: NetSource) -> None:
    """BatchNorm's three blobs are statistics, not weights: lr_mult and decay_mult of their params become 0."""
    for layer in source.param.layer:
        if _has_statistics(layer):
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0


def _has_statistics(layer: Any) -> bool:
    return layer.type == "BatchNorm" and len(layer.param) == 3
