"""Databases of records under keys, LMDB and LevelDB alike: read in ascending order of keys, or made anew.

    with open_database("examples/mnist/mnist_train_lmdb", "lmdb") as database:
        values = database.cursor().read(64)

    with create_database("mnist_train_lmdb", "lmdb") as writer:
        writer.put(b"00000000", datum)

A database is a folder. Reading writes, creates and locks nothing in it. Order is that of the keys' bytes, as in Caffe.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from minicaffe.errors import DataError, FileError, MinicaffeError, ParamError

if TYPE_CHECKING:
    from minicaffe.io.database_writer import DatabaseWriter

# What a kind is called, and a file that each of that kind holds.
_KINDS = {"lmdb": ("an LMDB", "data.mdb"), "leveldb": ("a LevelDB", "CURRENT")}
BACKENDS = tuple(_KINDS)
# A text in the database's folder that tells what is peculiar about its contents.
NOTE_FILE = "minicaffe_note.txt"
_LONGEST_NOTE = 1 << 16

Record = tuple[bytes, bytes]
Self = TypeVar("Self", bound="Database")


def open_database(path: str | os.PathLike[str], backend: str) -> Database:
    """Open the database in folder `path` for reading. backend: "lmdb" or "leveldb".

    Raises FileError where there is none, FormatError where it is damaged or of another kind.
    """
    path = os.fspath(path)
    if known_backend(backend) == "lmdb":
        from minicaffe.io.lmdb import LMDBDatabase

        return LMDBDatabase(path)
    from minicaffe.io.leveldb.reader import LevelDBDatabase

    return LevelDBDatabase(path)


def file_of_kind(folder: str, backend: str, missing: type[MinicaffeError]) -> str:
    """The path of the file by which a database of this kind is known.

    Raises FileError where there is no folder, `missing` where there is no such file in it.
    """
    called, name = _KINDS[backend]
    if not os.path.isdir(folder):
        what = f"is a file, {called} is a folder" if os.path.exists(folder) else "no such folder"
        raise FileError(f"{what}; create it with a convert tool, or correct the path", file=folder)
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        (other,) = set(BACKENDS) - {backend}
        mark = _KINDS[other][1]
        is_other = os.path.isfile(os.path.join(folder, mark))
        hint = f" (it holds {mark}: its backend is {other.upper()})" if is_other else ""
        text = f"is not {called}: it has no file {name}{hint}; copy it whole, or correct the path"
        raise missing(text, file=folder)
    return path


def create_database(path: str | os.PathLike[str], backend: str, note: str = "") -> DatabaseWriter:
    """Make a database in the folder `path`, which must not exist. backend: "lmdb" or "leveldb".

    note: a text that lies in the folder from then on, as Database.note (a warning about the contents, say).
    Raises FileError where the folder exists or cannot be made, MinicaffeError where a package is missing.
    """
    from minicaffe.io.database_writer import LevelDBWriter, LMDBWriter

    writer = LMDBWriter if known_backend(backend) == "lmdb" else LevelDBWriter
    return writer(os.fspath(path), note)


def known_backend(backend: str) -> str:
    """The name of a backend, if it is one. Raises ParamError if not."""
    if backend not in BACKENDS:
        raise ParamError(f'Unknown database backend "{backend}"; known are lmdb and leveldb')
    return backend


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
