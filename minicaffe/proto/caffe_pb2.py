"""Caffe's messages and enums under the names that pycaffe gives them.

Classes: NetParameter, LayerParameter, ConvolutionParameter, ... with their enums inside, as in PoolingParameter.MAX or
V1LayerParameter.LayerType.Name(4). Beside them Phase, TRAIN, TEST, and DESCRIPTOR, of the whole of proto/caffe.proto;
and descriptors under the names of generated code, which old scripts use: _NETPARAMETER, _POOLINGPARAMETER_POOLMETHOD.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from minicaffe.proto import schema

DESCRIPTOR = schema.load()

globals().update(schema.message_classes(DESCRIPTOR, __name__))
for _name, _enum in DESCRIPTOR.enum_types_by_name.items():
    globals()[_name] = EnumTypeWrapper(_enum)
    globals().update((value.name, value.number) for value in _enum.values)
    globals()[f"_{_name.upper()}"] = _enum
for _name, _message in DESCRIPTOR.message_types_by_name.items():
    globals()[f"_{_name.upper()}"] = _message
    globals().update((f"_{_name}_{enum}".upper(), type) for enum, type in _message.enum_types_by_name.items())


def __getattr__(name: str) -> Any:
    """Reached for what proto/caffe.proto does not have; it also tells a type checker that names come from there."""
    raise AttributeError(f"module {__name__!r} has no {name!r}: proto/caffe.proto defines no such message or enum")
