"""The numbers and keys inside LevelDB's files. Bytes that do not parse raise Malformed; callers add the file.

    varint        seven bits a byte, low bits first, the top bit set on all bytes but the last
    slice         varint length, then the bytes
    internal key  the user's key, then 8 bytes: sequence number << 8 | kind

Source: LevelDB, doc/table_format.md and doc/log_format.md.
"""

from __future__ import annotations

DELETION, VALUE = 0, 1
_LONGEST_VARINT = 10


class Malformed(ValueError):
    """Bytes that cannot be what they should be; the text says what was looked for."""


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and the position behind it."""
    value = shift = 0
    for byte in data[position : position + _LONGEST_VARINT]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position + shift // 7
    raise Malformed("a number has no end")


def read_slice(data: bytes, position: int) -> tuple[bytes, int]:
    """The bytes whose length stands at `position`, and the position behind them."""
    size, start = read_varint(data, position)
    if start + size > len(data):
        raise Malformed(f"{size} bytes are announced, {len(data) - start} are left")
    return data[start : start + size], start + size


def split_internal_key(internal_key: bytes) -> tuple[bytes, int]:
    """The user's key, and its tag: sequence number << 8 | kind."""
    if len(internal_key) < 8:
        raise Malformed(f"a key of {len(internal_key)} bytes has no room for its sequence number")
    return internal_key[:-8], int.from_bytes(internal_key[-8:], "little")
