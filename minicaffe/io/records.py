"""Records under keys, in ascending order of the keys' bytes, as in Caffe: what a database is to its readers.

A database is a folder. Reading writes, creates and locks nothing in it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from minicaffe.errors import DataError, FileError

# A text in the database's folder that tells what is peculiar about its contents.
NOTE_FILE = "minicaffe_note.txt"
_LONGEST_NOTE = 1 << 16

Record = tuple[bytes, bytes]
Self = TypeVar("Self", bound="Database")


class Database(ABC):
    """An open database, used as a context manager or closed by hand; len() is the number of its records.

    path: its folder, as given. note: the text of its note file, "" without one. closed: whether `close` was called.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.note = _read_note(path)
        self.closed = False

    @abstractmethod
    def __len__(self) -> int:
        """Number of records. A LevelDB has to read its keys once for it."""

    @abstractmethod
    def records(self, first_key: bytes = b"", skip: int = 0) -> Iterator[Record]:
        """Key and value of each record in ascending order of keys, from `first_key` on, the first `skip` left out."""

    def close(self) -> None:
        """Let go of the files; reading from then on is an error. Closing twice does no harm."""
        self.closed = True

    def cursor(self) -> Cursor:
        """A cursor of its own, on the first record."""
        return Cursor(self)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cursor:
    """A place between records, which wraps round from the last to the first.

    index: of the next record, 0 for the first in order of keys; the number of records before it has wrapped.
    epoch: how often it has wrapped. keys: of the records that were read last.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keys: list[bytes] = []
        self.seek(0)

    def seek(self, index: int, epoch: int = 0, key: bytes = b"") -> None:
        """Go where a cursor of this index and epoch stood.

        key: of the record at `index`, where it is known; saves counting records from the first.
        """
        self.index, self.epoch = index, epoch
        self._records = self.database.records(key) if key else self.database.records(skip=index)
        # Until a record has been read, the place is only a claim.
        self._key, self._claimed = key, index > 0

    def read(self, count: int) -> list[bytes]:
        """The next `count` values, through the end and on from the first record as often as need be.

        Raises DataError where the database is empty, closed or has no such place, FormatError where it is damaged.
        """
        if self.database.closed:
            raise DataError("is closed: read from it before closing it", file=self.database.path)
        place = self.index, self.epoch, self._key
        records: list[Record] = []
        try:
            while len(records) < count:
                found = list(islice(self._records, count - len(records)))
                self._check(found)
                self.index += len(found)
                records += found
        except BaseException:
            # What raised has ended, and would pass for the end of the database from now on.
            self.seek(*place)
            raise
        self.keys = [key for key, _ in records]
        return [value for _, value in records]

    def _check(self, found: list[Record]) -> None:
        """Wrap round where nothing was found; compare with what seek was told."""
        path = self.database.path
        if self._key and (not found or found[0][0] != self._key):
            raise DataError(f"has no record under the key {self._key!r}: the database is another one", file=path)
        if not found:
            if self.index == 0:
                raise DataError("is empty: there is no record to read; create it again", file=path)
            if self._claimed and self.index > len(self.database):
                raise DataError(
                    f"has no record {self.index}, only {len(self.database)} records: the database is another one",
                    file=path,
                )
            self._records = self.database.records()
            self.index, self.epoch = 0, self.epoch + 1
        self._key, self._claimed = b"", False


def _read_note(folder: str) -> str:
    try:
        with open(os.path.join(folder, NOTE_FILE), "rb") as file:
            return file.read(_LONGEST_NOTE).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
    except NotADirectoryError:
        return ""
    except OSError as error:
        raise FileError(f"its {NOTE_FILE} cannot be read: {error.strerror or error}", file=folder) from error
