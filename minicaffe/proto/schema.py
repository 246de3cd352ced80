"""The schema, from the descriptors that ship with the package to message classes.

No generated code: that would be tied to one version of protobuf. The descriptors go into a pool of their own, so that
another package's caffe.proto in the same process does no harm.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

DESCRIPTORS = Path(__file__).with_name("caffe.binpb")


# Once, so that a reload of caffe_pb2 makes no second set of classes.
@functools.cache
def load(path: Path = DESCRIPTORS) -> Any:
    """The FileDescriptor of caffe.proto, from a serialized FileDescriptorSet that holds nothing else."""
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(files[0].SerializeToString())
    return pool.FindFileByName(files[0].name)


def message_classes(file: Any, module: str) -> dict[str, type]:
    """Class of each message in `file`, by name, as if defined in `module`: pickle finds them there."""
    create: Any = getattr(message_factory, "GetMessageClass", None)
    if create is None:  # before protobuf 4.22
        create = message_factory.MessageFactory(file.pool).GetPrototype  # type: ignore[attr-defined]
    classes = {name: create(descriptor) for name, descriptor in file.message_types_by_name.items()}
    for message_class in classes.values():
        message_class.__module__ = module
    return classes


def is_repeated(field: Any) -> bool:
    """Whether a FieldDescriptor is of a repeated field."""
    # `label` warns from protobuf 6 on, and older versions have nothing else.
    if hasattr(type(field), "is_repeated"):
        return field.is_repeated
    return field.label == field.LABEL_REPEATED


def is_required(field: Any) -> bool:
    """Whether a FieldDescriptor is of a field that its message cannot do without."""
    if hasattr(type(field), "is_required"):
        return field.is_required
    return field.label == field.LABEL_REQUIRED


class Field(NamedTuple):
    """What reading and writing text asks of a field, taken out of its descriptor once."""

    name: str
    kind: str  # message, enum, string, bytes, bool, float, double, int32, int64, uint32, uint64
    repeated: bool
    required: bool
    type: Any  # descriptor of the message or enum; None for other kinds


@functools.cache
def fields_of(message: Any) -> dict[str, Field]:
    """Fields of a message's descriptor, by name, in the order of proto/caffe.proto."""
    return {
        field.name: Field(
            field.name,
            _KINDS[field.type],
            is_repeated(field),
            is_required(field),
            field.message_type or field.enum_type,
        )
        for field in message.fields
    }


def set_field(message: Any, name: str, value: Any) -> None:
    """Set a field to what ListFields gave of its like; the values of a repeated one are added to it."""
    field = fields_of(message.DESCRIPTOR)[name]
    if field.repeated:
        getattr(message, name).extend(value)
    elif field.kind == "message":
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)


_KINDS = {
    getattr(FieldDescriptor, f"TYPE_{kind.upper()}"): kind
    for kind in ("message", "enum", "string", "bytes", "bool", "float", "double", "int32", "int64", "uint32", "uint64")
}
