"""CURRENT and MANIFEST: which files make up a LevelDB database now.

CURRENT holds the name of the manifest. A manifest is a log (see log.py) of edits, each a row of fields:

    1 comparator's name (slice)           5 compaction pointer: level (varint), key (slice)
    2 number of the oldest living log     6 file that went: level, number (varints)
    3 next file number                    7 file that came: level, number, size (varints), smallest and
    4 last sequence number                  largest internal key (slices)
                                          9 number of the log before, 0 for none

Source: LevelDB, db/version_edit.cc and doc/impl.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from minicaffe.errors import FormatError
from minicaffe.io.database_kinds import file_of_kind
from minicaffe.io.leveldb.coding import Malformed, read_slice, read_varint, split_internal_key
from minicaffe.io.leveldb.log import read_records
from minicaffe.io.read_at import FileReader, damaged

_COMPARATOR = b"leveldb.BytewiseComparator"
# What follows each field's number.
_FIELDS = {1: "s", 2: "v", 3: "v", 4: "v", 5: "vs", 6: "vv", 7: "vvvss", 9: "v"}
_LONGEST_NAME = 4096


@dataclass(frozen=True)
class TableFile:
    """A table that belongs to the database: bytes in the file, and its smallest and largest (user's) key."""

    number: int
    size: int
    smallest: bytes
    largest: bytes


@dataclass
class Manifest:
    """The living files. Logs from number `log` on belong to it, and log number `previous_log` where that is not 0."""

    log: int = 0
    previous_log: int = 0
    tables: dict[tuple[int, int], TableFile] = field(default_factory=dict)


def read_manifest(folder: str) -> Manifest:
    """The manifest that CURRENT names. FileError: no such folder; FormatError: no LevelDB, or a damaged one."""
    path = _manifest_path(folder)
    manifest = Manifest()
    with FileReader(path) as file:
        for record in read_records(file):
            try:
                for number, values in _parse_edit(record.data):
                    _apply(manifest, number, values)
            except (Malformed, IndexError) as error:
                raise damaged(path, f"the edit at byte {record.positions[0]} does not parse ({error})") from error
    return manifest


def _manifest_path(folder: str) -> str:
    current = file_of_kind(folder, "leveldb", FormatError)
    with FileReader(current) as file:
        name = file.read(_LONGEST_NAME, 0)
    if not re.fullmatch(rb"MANIFEST-[0-9]+\n", name):
        raise FormatError(f"must hold the name of a manifest and a line end, holds {name[:40]!r}", file=current)
    path = os.path.join(folder, name[:-1].decode())
    if not os.path.isfile(path):
        raise FormatError(f"names {name[:-1].decode()}, which is missing; copy the database whole", file=current)
    return path


def _parse_edit(data: bytes) -> Iterator[tuple[int, list]]:
    """Number and values of each field."""
    position = 0
    while position < len(data):
        number, position = read_varint(data, position)
        if number not in _FIELDS:
            raise Malformed(f"field number {number} is unknown")
        values = []
        for kind in _FIELDS[number]:
            value, position = (read_slice if kind == "s" else read_varint)(data, position)
            values.append(value)
        yield number, values


def _apply(manifest: Manifest, number: int, values: list) -> None:
    if number == 1 and values[0] != _COMPARATOR:
        raise Malformed(f"keys are ordered by {values[0]!r}, known is {_COMPARATOR!r}")
    if number == 2:
        manifest.log = values[0]
    elif number == 9:
        manifest.previous_log = values[0]
    elif number == 6:
        manifest.tables.pop((values[0], values[1]), None)
    elif number == 7:
        level, table, size, smallest, largest = values
        keys = split_internal_key(smallest)[0], split_internal_key(largest)[0]
        manifest.tables[level, table] = TableFile(table, size, *keys)
