"""Where a layer's setting belongs, by its name alone: in the message of the layer's type, or beside it.

L.Convolution(..., kernel_size=3, loss_weight=0)  ->  convolution_param { kernel_size: 3 }  loss_weight: 0
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from minicaffe.proto import caffe_pb2, hints
from minicaffe.proto.assign import assign_proto
from minicaffe.proto.schema import Field, fields_of

_LAYER = fields_of(caffe_pb2.LayerParameter.DESCRIPTOR)
# Types whose settings stand in messages of another name: what an error text should tell first.
_BORROWED = {
    **dict.fromkeys(("Deconvolution", "Im2col"), ("convolution_param",)),
    **dict.fromkeys(("LSTM", "RNN"), ("recurrent_param",)),
    **dict.fromkeys(("EuclideanLoss", "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss"), ("loss_param",)),
    "SoftmaxWithLoss": ("loss_param", "softmax_param"),
}
# Messages that layers of every type have, and what older layers had instead.
_COMMON = ("param", "include")
_OLD = {"blobs_lr": "param=[dict(lr_mult=...), ...]", "weight_decay": "param=[dict(decay_mult=...), ...]"}


def param_name_dict() -> dict[str, str]:
    """Field of LayerParameter for each message of settings: {"ReLU": "relu"} of ReLUParameter and relu_param."""
    return {
        field.type.name.removesuffix("Parameter"): name.removesuffix("_param")
        for name, field in _LAYER.items()
        if name.endswith("_param")
    }


@functools.cache
def own_message(layer_type: str) -> str:
    """Field of LayerParameter that a type's settings stand in, by its name: relu_param; "" for Deconvolution."""
    own = param_name_dict().get(layer_type)
    return own + "_param" if own else ""


def own_fields(layer_type: str) -> Mapping[str, Field]:
    """Settings of a layer type, where a message bears its name; else none."""
    own = own_message(layer_type)
    return fields_of(_LAYER[own].type) if own else {}


def assign_setting(layer: Any, layer_type: str, name: str, value: Any) -> None:
    """Put a setting into a LayerParameter.

    It is a field of the type's own message, if there is one that has it, else of LayerParameter, as all are that end in
    "param". Raises AttributeError if it is of neither, and what assign_proto raises.
    """
    if name in own_fields(layer_type):
        assign_proto(getattr(layer, own_message(layer_type)), name, value)
    elif name in _LAYER:
        assign_proto(layer, name, value)
    else:
        raise AttributeError(f"{name} is {_misplaced(layer_type, name)}")


def _misplaced(layer_type: str, name: str) -> str:
    """Why `name` is no setting of a layer type, and what to write instead."""
    own, fields, borrowed = own_message(layer_type), own_fields(layer_type), _BORROWED.get(layer_type, ())
    if name.endswith("param"):  # a field of LayerParameter was meant, whatever the type
        own, fields, borrowed = "", {}, ()
    wrong = f"not a field of {own} or LayerParameter" if own else "not a field of LayerParameter"
    within = [(place, field) for place in (*_COMMON, *borrowed) for field in fields_of(_LAYER[place].type)]
    written = {field: f"{place}=dict({field}=...)" for place, field in within} | _OLD
    written |= {field: field for field in (*fields, *_LAYER)}
    if name in written:
        return f"{wrong}; write {written[name]}"
    places = [place for place, field in _LAYER.items() if field.kind == "message" and name in fields_of(field.type)]
    if places and not own and not borrowed:
        return f"{wrong}; write {' or '.join(f'{place}=dict({name}=...)' for place in places[:3])}"
    if places and not hints.nearest(name, fields):
        return f"{wrong}, but of {', '.join(places[:3])}, for other types; remove it"
    close = hints.nearest(name, written)
    return f"{wrong}; did you mean {written[close]}?" if close else f"{wrong}, nor is one like it; remove it"
