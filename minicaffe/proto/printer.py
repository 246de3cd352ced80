"""Write messages as text, character for character as Caffe does."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from minicaffe.proto.schema import Field, fields_of


def format_text(message: Any) -> str:
    """The prototxt of `message`: fields that are set, in the order of their numbers, two blanks for each level.

    Repeated fields stand one value to a line; fields that the schema does not know are left out.
    """
    return "".join(_lines(message, ""))


def _lines(message: Any, indent: str) -> Iterator[str]:
    fields = fields_of(message.DESCRIPTOR)
    for descriptor, content in message.ListFields():
        field = fields[descriptor.name]
        for value in content if field.repeated else (content,):
            if field.kind == "message":
                yield f"{indent}{field.name} {{\n"
                yield from _lines(value, indent + "  ")
                yield f"{indent}}}\n"
            else:
                yield f"{indent}{field.name}: {_scalar(field, value)}\n"


def _scalar(field: Field, value: Any) -> str:
    if field.kind in ("float", "double"):
        return format_float(value) if field.kind == "float" else _shortest(value, "d", 15, 17)
    if field.kind == "bool":
        return "true" if value else "false"
    if field.kind == "enum":
        return field.type.values_by_number[value].name
    if field.kind in ("string", "bytes"):
        return _quoted(value.encode() if field.kind == "string" else value)
    return str(value)


def format_float(value: float) -> str:
    """A float32 in 6 significant digits where they suffice to read it back, else in 9: 0.01, 1e-05, 0.333333343."""
    return _shortest(value, "f", 6, 9)


def _shortest(value: float, code: str, few: int, many: int) -> str:
    if value != value:
        return "nan"  # the sign that %g would write is lost in reading
    short = f"{value:.{few}g}"
    return short if _as(code, float(short)) == value else f"{value:.{many}g}"


def _as(code: str, value: float) -> float:
    """The nearest number of the type that `struct` calls `code`."""
    try:
        return struct.unpack(code, struct.pack(code, value))[0]
    except OverflowError:  # the largest float32, rounded up
        return float("inf")


_ESCAPES = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord('"'): '\\"', ord("'"): "\\'", ord("\\"): "\\\\"}


def _quoted(value: bytes) -> str:
    """Text in quotes; bytes that are not printable ASCII become octal escapes."""
    return '"' + "".join(_ESCAPES.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in value) + '"'
