"""What the tools that fill databases, or read them, have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from minicaffe import log
from minicaffe.io.database_kinds import known_backend
from minicaffe.io.database_writer import DatabaseWriter
from minicaffe.io.records import Record
from minicaffe.tools.command import progress_bar
from minicaffe.tools.flags import Parser

# How often Caffe's converters say how far they are, in files.
EVERY = 1000


def add_backend(parser: Parser) -> None:
    """The flag -backend. Another value is a ParamError, `Unknown database backend`."""
    parser.add("backend", metavar="BACKEND", type=known_backend, default="lmdb", help="lmdb (default) or leveldb")


@contextmanager
def counting(total: int | None, unit: str) -> Iterator[Any]:
    """A progress bar, which makes room for log lines."""
    with progress_bar(total, unit=unit) as bar, log.beside(bar):
        yield bar


def put_all(writer: DatabaseWriter, records: Iterable[Record], total: int, unit: str) -> None:
    """Put records into a database, beside a bar."""
    with counting(total, unit) as bar:
        for key, value in records:
            writer.put(key, value)
            bar.update()


class Processed:
    """Counts files, and logs `Processed 1000 files.`, `Processed 2000 files.`, ... and in the end how many there were.

    count: so far. every: how many files to a line.
    """

    def __init__(self, every: int = EVERY) -> None:
        self.count = 0
        self._every = every

    def add(self, files: int = 1) -> None:
        """Count some more."""
        before, self.count = self.count, self.count + files
        for number in range(before // self._every + 1, self.count // self._every + 1):
            _log_processed(number * self._every)

    def finish(self) -> None:
        """Log the rest, if the last line does not say it already."""
        if self.count % self._every:
            _log_processed(self.count)


def _log_processed(count: int) -> None:
    log.info(f"Processed {count} files.")
