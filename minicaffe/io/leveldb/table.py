"""LevelDB's sorted tables (.ldb, in old databases .sst): data blocks, and an index of them.

    file:    data blocks | other blocks | index block | footer
    block:   contents | compression (1 byte: 0 none, 1 Snappy) | masked CRC-32C of both (uint32)
    contents: entries | places where keys begin anew (uint32 each) | how many such places (uint32)
    entry:   shared key bytes, further key bytes, value bytes (varints) | further key bytes | value
    footer:  place and size of the meta index and of the index (varints), zeros up to 40 bytes | magic (uint64)

An entry's key begins with the first `shared` bytes of the key before it. Keys of the index are not less than the last
key of the block they tell of; its values are the block's place and size.

Source: LevelDB, doc/table_format.md.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator

from minicaffe.errors import FormatError, MinicaffeError
from minicaffe.io.leveldb.coding import Malformed, read_varint, split_internal_key
from minicaffe.io.leveldb.crc32c import crc32c, masked
from minicaffe.io.leveldb.source import Entry, Source
from minicaffe.io.read_at import FileReader, damaged

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = struct.Struct("<BI")
_NONE, _SNAPPY = 0, 1
# Snappy's densest element copies 64 bytes and takes 3.
_SNAPPY_DENSEST = 22
_Handle = tuple[int, int]


class Table(Source):
    """One table file, open only while entries are drawn from it. The place of a value: block contents, begin, end."""

    def __init__(self, path: str, smallest: bytes, largest: bytes) -> None:
        super().__init__(smallest, largest)
        self.path = path
        # One byte per data block: 1 once its CRC has been compared, which one pass over the data has to pay for.
        self._compared = bytearray()

    def entries(self, first_key: bytes) -> Iterator[Entry]:
        with FileReader(self.path) as file:
            try:
                yield from self._entries(file, first_key)
            except (Malformed, IndexError, struct.error) as error:
                raise damaged(self.path, str(error)) from error

    def value(self, where: tuple[bytes, int, int]) -> bytes:
        contents, start, end = where
        return contents[start:end]

    def close(self) -> None:
        """Nothing to do: the file is open only within `entries`."""

    def _entries(self, file: FileReader, first_key: bytes) -> Iterator[Entry]:
        index = _read_index(file)
        if not self._compared:
            self._compared = bytearray(len(index))
        first_block = bisect_left(index, first_key, key=lambda row: row[0])
        for number in range(first_block, len(index)):
            contents = _read_block(file, index[number][1], compare=not self._compared[number])
            self._compared[number] = 1
            for internal_key, start, end in _parse(contents):
                key, tag = split_internal_key(internal_key)
                if key >= first_key:
                    yield Entry(key, tag, self, (contents, start, end))


def _read_index(file: FileReader) -> list[tuple[bytes, _Handle]]:
    """A key not less than the last of each data block, and the block's place and size."""
    size = file.size()
    footer = file.read(_FOOTER, max(size - _FOOTER, 0))
    if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise damaged(file.path, "it does not end like a table: cut short, or no table at all")
    _, position = _read_handle(footer, 0)
    handle, _ = _read_handle(footer, position)
    contents = _read_block(file, handle, compare=True)
    return [
        (split_internal_key(key)[0], _read_handle(contents[:end], start)[0]) for key, start, end in _parse(contents)
    ]


def _read_handle(data: bytes, position: int) -> tuple[_Handle, int]:
    place, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (place, size), position


def _read_block(file: FileReader, handle: _Handle, compare: bool) -> bytes:
    """The contents of the block at a place, unpacked."""
    place, size = handle
    stored = file.read_exactly(size + _TRAILER.size, place)
    kind, crc = _TRAILER.unpack_from(stored, size)
    if compare and int(masked(crc32c([memoryview(stored)[: size + 1]]))[0]) != crc:
        raise damaged(file.path, f"the block at byte {place} and its CRC-32C do not agree")
    if kind == _NONE:
        return stored[:size]
    if kind == _SNAPPY:
        return _unsnap(file.path, place, stored[:size])
    raise FormatError(
        f"the block at byte {place} is compressed in way {kind}, known are 0 (none) and 1 (Snappy); "
        "write the database with Snappy or without compression",
        file=file.path,
    )


def _unsnap(path: str, place: int, packed: bytes) -> bytes:
    try:
        from cramjam import DecompressionError, snappy
    except ImportError as error:
        raise MinicaffeError(
            'its blocks are compressed with Snappy, which needs cramjam: pip install "minicaffe[leveldb]"', file=path
        ) from error
    # The announced length is allocated before a byte is unpacked.
    size, _ = read_varint(packed, 0)
    if size > _SNAPPY_DENSEST * len(packed):
        raise damaged(path, f"the block at byte {place} announces {size} bytes from {len(packed)}")
    try:
        return bytes(snappy.decompress_raw(packed))
    except DecompressionError as error:
        raise damaged(path, f"the block at byte {place} cannot be unpacked ({error})") from error


def _parse(contents: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Of each entry: its key, and where in the contents its value begins and ends."""
    restarts = int.from_bytes(contents[-4:], "little")
    end, position, key = len(contents) - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise Malformed(f"a block of {len(contents)} bytes announces {restarts} places where keys begin anew")
    while position < end:
        shared, further, size = contents[position : position + 3]
        position += 3
        if (shared | further | size) >= 0x80:
            shared, position = read_varint(contents, position - 3)
            further, position = read_varint(contents, position)
            size, position = read_varint(contents, position)
        start = position + further
        if shared > len(key) or start + size > end:
            raise Malformed("an entry runs over its block")
        key = key[:shared] + contents[position:start]
        position = start + size
        yield key, start, position
