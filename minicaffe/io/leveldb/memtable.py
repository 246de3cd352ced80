"""What the write-ahead logs hold: an index of their keys, in order; the values stay in the files.

Caffe gives LevelDB a write buffer of 256 MiB, so a database that was just made lies wholly in its log.

    batch:   sequence number of the first change (uint64) | number of changes (uint32) | changes
    change:  kind (1 byte: 1 value, 0 deletion) | key (slice) | value (slice), for kind 1 alone

Source: LevelDB, db/write_batch.cc.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from minicaffe.io.leveldb.coding import DELETION, VALUE, Malformed, read_slice, read_varint
from minicaffe.io.leveldb.log import Record, read_payload, read_records
from minicaffe.io.leveldb.source import Entry, Source
from minicaffe.io.read_at import FileReader, damaged

_BATCH = struct.Struct("<QI")
# Entries turned from arrays into Python numbers at a time.
_CHUNK = 256


class MemTable(Source):
    """The newest change of each key in some logs. The place of an entry's value: file, position, size in bytes."""

    def __init__(self, files: list[FileReader]) -> None:
        self._files = files
        keys: list[bytes] = []
        # Columns: tag, file, position and size of the value.
        columns = [np.empty((4, 0), np.int64)]
        for number, file in enumerate(files):
            for record in read_records(file):
                columns.append(_changes(record, number, file, keys))
        self._keys, self._columns = _newest(keys, np.concatenate(columns, axis=1))
        super().__init__(*(self._keys[:1] + self._keys[-1:]))

    def __len__(self) -> int:
        return len(self._keys)

    def entries(self, first_key: bytes) -> Iterator[Entry]:
        for start in range(bisect_left(self._keys, first_key), len(self._keys), _CHUNK):
            keys = self._keys[start : start + _CHUNK]
            tags, *place = self._columns[:, start : start + _CHUNK].tolist()
            for key, tag, where in zip(keys, tags, zip(*place, strict=True), strict=True):
                yield Entry(key, tag, self, where)

    def value(self, where: tuple[int, int, int]) -> bytes:
        file, position, size = where
        return read_payload(self._files[file], position, size)

    def close(self) -> None:
        for file in self._files:
            file.close()


def _changes(record: Record, number: int, file: FileReader, keys: list[bytes]) -> np.ndarray:
    """The columns of a batch's changes; their keys are added to `keys`."""
    try:
        sequence, kinds, starts, sizes = _parse_batch(record.data, keys)
    except (Malformed, IndexError, struct.error) as error:
        what = f"the batch of changes at byte {record.positions[0]} does not parse ({error})"
        raise damaged(file.path, what) from error
    columns = np.empty((4, len(kinds)), np.int64)
    columns[0] = ((sequence + np.arange(len(kinds))) << 8) | np.array(kinds, np.int64)
    columns[1] = number
    part = np.searchsorted(record.starts, starts, side="right") - 1
    columns[2] = np.array(starts, np.int64) - np.take(record.starts, part) + np.take(record.positions, part)
    columns[3] = sizes
    return columns


def _parse_batch(data: bytes, keys: list[bytes]) -> tuple[int, list[int], list[int], list[int]]:
    """Sequence number of the first change; kind, position in `data` and size of each value (0, 0 of a deletion)."""
    sequence, count = _BATCH.unpack_from(data)
    kinds, starts, sizes = [], [], []
    position, end = _BATCH.size, len(data)
    while position < end:
        kind = data[position]
        if kind not in (VALUE, DELETION):
            raise Malformed(f"a change of kind {kind}, must be 0 or 1")
        key, start = read_slice(data, position + 1)
        size = 0
        if kind == VALUE:
            size, start = read_varint(data, start)
        position = start + size
        keys.append(key)
        kinds.append(kind)
        starts.append(start)
        sizes.append(size)
    if position > end or len(kinds) != count:
        raise Malformed(f"{count} changes are announced, {len(kinds)} begin")
    if sequence + count >= 1 << 55:
        raise Malformed(f"sequence number {sequence} is too large")
    return sequence, kinds, starts, sizes


def _newest(keys: list[bytes], columns: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """In the order of keys, of the changes of one key only the one with the highest sequence number."""
    # Converters write keys in order, and each once.
    if all(left < right for left, right in pairwise(keys)):
        return keys, columns
    newest: dict[bytes, int] = {}
    tags = columns[0].tolist()
    for i, key in enumerate(keys):
        before = newest.get(key)
        if before is None or tags[i] > tags[before]:
            newest[key] = i
    ordered = sorted(newest)
    return ordered, columns[:, [newest[key] for key in ordered]]
