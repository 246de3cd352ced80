"""The binary form of protobuf messages: a walker over fields that never makes a Python float, and a few encoders.

    message = (tag value)*                          tag = varint(number << 3 | wire type)
    VARINT 0     7 bits a byte, lowest first, top bit set on all bytes but the last
    FIXED64 1, FIXED32 5    8 and 4 bytes, little-endian
    LEN 2        varint n, then n bytes: text, a message, a packed list
    GROUP 3      fields up to the END_GROUP 4 of the same number; long out of use

Source: protobuf.dev, Encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from minicaffe.errors import FormatError

VARINT, FIXED64, LEN, GROUP, END_GROUP, FIXED32 = range(6)
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES = 10
_TAG_LIMIT = 1 << 32


class Field(NamedTuple):
    """Where a field lies: its tag at `start`, its value from `body` (behind the length of a LEN field) to `end`."""

    number: int
    wire_type: int
    start: int
    body: int
    end: int


class Wire:
    """Walks messages inside one buffer. Positions are offsets into it; nothing is read beyond the `end` given.

    buffer: bytes or a memoryview of bytes.
    file, message, layer: what to name in errors ("x.caffemodel", "NetParameter", "conv1").
    All methods raise FormatError where the bytes are no message.
    """

    def __init__(self, buffer: bytes | memoryview, file: str = "", message: str = "message", layer: str = "") -> None:
        self.buffer, self.file, self.message, self.layer = memoryview(buffer), file, message, layer

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """Each field of the message between two positions."""
        at, end = start, len(self.buffer) if end is None else end
        while at < end:
            field = self.field(at, end)
            yield field
            at = field.end

    def field(self, at: int, end: int) -> Field:
        """The field whose tag begins at `at`, in a message that ends at `end`."""
        number, wire_type, behind = self._tag(at, end)
        if wire_type == GROUP:
            return Field(number, wire_type, at, behind, self._end_of_group(number, behind, end))
        if wire_type == END_GROUP:
            raise self.error(at, f"group {number} ends, but never began")
        return Field(number, wire_type, at, *self._value(number, wire_type, behind, end))

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """The unsigned value of a varint, at most 64 bits, and the position behind it."""
        value = 0
        for i, byte in enumerate(self.buffer[at : min(end, at + _VARINT_BYTES)]):
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                return value & (1 << 64) - 1, at + i + 1
        raise self.error(at, "a number has no end")

    def body(self, field: Field) -> memoryview:
        """The bytes of a field's value."""
        return self.buffer[field.body : field.end]

    def raw(self, field: Field) -> memoryview:
        """The bytes of a whole field, tag included."""
        return self.buffer[field.start : field.end]

    def error(self, at: int, what: str) -> FormatError:
        """An error to raise about the byte at `at`."""
        return FormatError(
            f"Failed to parse {self.message}: at byte {at}, {what}; the file is cut short, damaged or of another kind",
            file=self.file,
            layer=self.layer,
        )

    def _tag(self, at: int, end: int) -> tuple[int, int, int]:
        tag, behind = self.varint(at, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or tag >= _TAG_LIMIT or wire_type > FIXED32:
            raise self.error(at, f"a field of number {number} and wire type {wire_type} cannot be")
        return number, wire_type, behind

    def _value(self, number: int, wire_type: int, at: int, end: int) -> tuple[int, int]:
        """Where the value behind a tag begins and ends."""
        if wire_type == VARINT:
            return at, self.varint(at, end)[1]
        if wire_type == LEN:
            size, at = self.varint(at, end)
        else:
            size = _FIXED_SIZE[wire_type]
        if size > end - at:
            raise self.error(at, f"field {number} takes {size} bytes, {end - at} are left")
        return at, at + size

    def _end_of_group(self, number: int, at: int, end: int) -> int:
        # A list, not recursion: a damaged file may nest groups as deep as it is long.
        groups = [number]
        while groups:
            number, wire_type, behind = self._tag(at, end)
            if wire_type == GROUP:
                groups.append(number)
            elif wire_type != END_GROUP:
                behind = self._value(number, wire_type, behind, end)[1]
            elif groups.pop() != number:
                raise self.error(at, f"group {number} ends, but another is open")
            at = behind
        return at


def encode_varint(value: int) -> bytes:
    """A varint; negative numbers as their 64-bit two's complement, as protobuf has it for int32 and int64."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varint_field(number: int, value: int) -> bytes:
    """A whole integer, enum or bool field."""
    return encode_varint(number << 3 | VARINT) + encode_varint(value)


def len_header(number: int, size: int) -> bytes:
    """Tag and length of a LEN field; its `size` bytes are for the caller to put behind."""
    return encode_varint(number << 3 | LEN) + encode_varint(size)


def len_field(number: int, body: bytes) -> bytes:
    """A whole text, message or packed field."""
    return len_header(number, len(body)) + body
