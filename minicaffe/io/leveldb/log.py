"""LevelDB's log format, of which MANIFEST and the write-ahead logs are made.

A file is a row of blocks of 32 KiB. A record lies in one fragment, or in several: FIRST, MIDDLE..., LAST. Only
the last fragment of a record may end before its block does; fewer than 7 bytes at a block's end are left empty.

    fragment:  masked CRC-32C of kind and payload (uint32) | payload length (uint16) | kind (1 byte) | payload

A record that the end of the file cuts short was being written when the process died: it was never committed, and
LevelDB leaves it out, as we do. Damage anywhere else raises FormatError, where LevelDB would skip data without a word.

Source: LevelDB, doc/log_format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minicaffe.errors import FormatError
from minicaffe.io.leveldb.crc32c import crc32c, masked
from minicaffe.io.read_at import FileReader

BLOCK = 32768
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
# Blocks read, and checked, at a time.
_CHUNK = 32 * BLOCK


class Fragment(NamedTuple):
    """A piece of a record. position: of the payload, in the file, in bytes."""

    kind: int
    position: int
    payload: bytes


class Record(NamedTuple):
    """A whole record. positions, starts: of each fragment's payload, in the file and in `data`, in bytes."""

    data: bytes
    positions: list[int]
    starts: list[int]


def read_records(file: FileReader) -> Iterator[Record]:
    """The records of a log in the order they were written, each fragment's CRC compared."""
    parts: list[Fragment] = []
    for part in _fragments(file):
        if (part.kind in (_FULL, _FIRST)) == bool(parts):
            what = "the end of a record" if parts else "the beginning of a record"
            raise _damaged(file, part.position - _HEADER.size, f"{what} is missing")
        parts.append(part)
        if part.kind in (_FULL, _LAST):
            yield _join(parts)
            parts = []


def read_payload(file: FileReader, position: int, size: int) -> bytes:
    """`size` bytes of one record that begin at `position` in the file, headers between fragments left out."""
    room = BLOCK - position % BLOCK
    if size <= room:
        return file.read_exactly(size, position)
    # All further fragments begin with their blocks.
    headers = -(-(size - room) // (BLOCK - _HEADER.size))
    raw = file.read_exactly(size + headers * _HEADER.size, position)
    parts = [raw[:room]]
    parts += [raw[start + _HEADER.size : start + BLOCK] for start in range(room, len(raw), BLOCK)]
    return b"".join(parts)


def _join(parts: list[Fragment]) -> Record:
    starts, length = [], 0
    for part in parts:
        starts.append(length)
        length += len(part.payload)
    data = parts[0].payload if len(parts) == 1 else b"".join(part.payload for part in parts)
    return Record(data, [part.position for part in parts], starts)


def _fragments(file: FileReader) -> Iterator[Fragment]:
    """All fragments of the file, checked a chunk of blocks at a time."""
    size, hole = file.size(), None
    for start in range(0, size, _CHUNK):
        chunk = file.read_exactly(min(_CHUNK, size - start), start)
        parts, stored = [], []
        for block in range(0, len(chunk), BLOCK):
            for crc, part in _parse_block(file, chunk[block : block + BLOCK], start + block, size):
                if part.kind == 0:
                    # Space that was reserved and never written to: it ends the block, and nothing may follow it.
                    hole = part.position if hole is None else hole
                elif hole is not None:
                    raise _damaged(file, hole, "zeros lie between records")
                else:
                    parts.append(part)
                    stored.append(crc)
        _compare(file, parts, stored)
        yield from parts


def _parse_block(file: FileReader, block: bytes, start: int, size: int) -> Iterator[tuple[int, Fragment]]:
    """Stored CRC and fragment, one after the other; `start` is the block's position in a file of `size` bytes."""
    at = 0
    # What is shorter than a header is a block's empty end, or the end of a file that was being written.
    while at + _HEADER.size <= len(block):
        crc, length, kind = _HEADER.unpack_from(block, at)
        payload = at + _HEADER.size
        end = payload + length
        if kind == 0 and length == 0:
            yield crc, Fragment(0, start + at, b"")
            return
        if end > len(block):
            if start + BLOCK < size or end > BLOCK:
                raise _damaged(file, start + at, f"a fragment of {length} bytes runs over its block")
            return
        if not _FULL <= kind <= _LAST:
            raise _damaged(file, start + at, f"fragment kind {kind}, must be 1 to 4")
        if (kind in (_FIRST, _MIDDLE) and end != BLOCK) or (kind in (_MIDDLE, _LAST) and at):
            raise _damaged(file, start + at, "a fragment of a longer record does not fill its block")
        yield crc, Fragment(kind, start + payload, block[payload:end])
        at = end


def _compare(file: FileReader, parts: list[Fragment], stored: list[int]) -> None:
    found = masked(crc32c([bytes([part.kind]) + part.payload for part in parts]))
    wrong = np.flatnonzero(found != np.array(stored, np.uint32))
    if wrong.size:
        part = parts[int(wrong[0])]
        raise _damaged(file, part.position - _HEADER.size, "a fragment's bytes and its CRC-32C do not agree")


def _damaged(file: FileReader, position: int, what: str) -> FormatError:
    return FormatError(f"is damaged at byte {position}: {what}; copy or create the database again", file=file.path)
