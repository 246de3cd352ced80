"""A LevelDB database, read without the LevelDB library, which would rewrite it on opening."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from minicaffe.errors import FormatError
from minicaffe.io.leveldb.coding import Malformed
from minicaffe.io.leveldb.manifest import Manifest, TableFile, read_manifest
from minicaffe.io.leveldb.memtable import MemTable
from minicaffe.io.leveldb.source import Source, merge
from minicaffe.io.leveldb.table import Table
from minicaffe.io.read_at import FileReader, damaged
from minicaffe.io.records import Database, Record


class LevelDBDatabase(Database):
    """On opening, the logs are checked and their keys indexed; tables are read, and checked, as records are drawn.

    Raises FileError where there is no such folder, FormatError where a file is missing, cut short or damaged.
    """

    def __init__(self, path: str) -> None:
        manifest = read_manifest(path)
        super().__init__(path)
        names = _names(path)
        self._sources: list[Source] = [_table(path, names, file) for file in manifest.tables.values()]
        logs = _living_logs(path, names, manifest)
        memtable = MemTable([FileReader(os.path.join(path, name)) for name in logs])
        if len(memtable):
            self._sources.append(memtable)

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        return sum(1 for _ in merge(self._sources))

    def records(self, first_key: bytes = b"", skip: int = 0) -> Iterator[Record]:
        try:
            for entry in islice(merge(self._sources, first_key), skip, None):
                yield entry.key, entry.source.value(entry.where)
        except Malformed as error:
            raise damaged(self.path, str(error)) from error

    def close(self) -> None:
        super().close()
        for source in self._sources:
            source.close()


def _names(folder: str) -> dict[tuple[str, int], str]:
    """Names of tables and logs, by kind ("table" or "log") and number."""
    names = {}
    for name in os.listdir(folder):
        if match := re.fullmatch(r"([0-9]+)\.(log|ldb|sst)", name):
            names["log" if match[2] == "log" else "table", int(match[1])] = name
    return names


def _table(folder: str, names: dict[tuple[str, int], str], file: TableFile) -> Table:
    name = names.get(("table", file.number), f"{file.number:06d}.ldb")
    path = os.path.join(folder, name)
    size = os.path.getsize(path) if os.path.isfile(path) else -1
    if size < file.size:
        what = "is missing" if size < 0 else f"is cut short: {size} bytes of {file.size}"
        raise FormatError(f"{what}; copy or create the database again, whole", file=path)
    return Table(path, file.smallest, file.largest)


def _living_logs(folder: str, names: dict[tuple[str, int], str], manifest: Manifest) -> list[str]:
    """Logs whose changes have not gone into tables, oldest first."""
    numbers = sorted(number for kind, number in names if kind == "log")
    living = [number for number in numbers if number >= manifest.log or number == manifest.previous_log > 0]
    # An empty log may get lost in copying and does no harm, unless it was all that there is.
    if not living and not manifest.tables and manifest.log:
        raise FormatError(f"its log {manifest.log:06d}.log is missing; copy the database whole", file=folder)
    return [names["log", number] for number in living]
