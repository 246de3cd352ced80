"""Making a database: in a folder beside the final one, which takes the final name when all is written."""

from __future__ import annotations

import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from typing import Any

from minicaffe import log
from minicaffe.errors import DataError, FileError, MinicaffeError
from minicaffe.io.atomic import stale_beside, temporary_beside
from minicaffe.io.records import NOTE_FILE, Record

# Caffe's converters commit as often; with large images memory comes first.
_COMMIT_RECORDS = 1000
_COMMIT_BYTES = 64 << 20
# As mkdir in Caffe.
_FOLDER_MODE = 0o744
_FILE_MODE = 0o664
# LMDB's own first size of a map; Caffe, too, doubles it when the map is full.
_MAP_SIZE = 10 << 20
# As Caffe opens a LevelDB.
_LEVELDB_OPTIONS = {"write_buffer_size": 256 << 20, "block_size": 64 << 10, "max_open_files": 100}


def _remove_stale(path: str) -> None:
    """Remove what killed processes left of this very database: each may be as large as the whole."""
    for folder in stale_beside(path):
        if os.path.isdir(folder):
            shutil.rmtree(folder, ignore_errors=True)
            log.info(f"Removed {folder}, which a process that was killed left half-written")


class DatabaseWriter(ABC):
    """Takes records for a new database. Used as a context manager, it is closed at the end of the block, or given up
    when the block raises. Nothing lies under the final name before `close` is through.

    path: the folder to be made. note: a text for its note file, "" for none.
    longest_key: in bytes; 0 where any key will do.
    Raises FileError where the folder exists already, or cannot be written.
    """

    longest_key = 0

    def __init__(self, path: str, note: str = "") -> None:
        self.path, self._note = path, note
        self._batch: list[Record] = []
        self._batch_bytes = 0
        self._check_free()
        _remove_stale(path)
        self._temporary = temporary_beside(os.path.normpath(path))
        try:
            os.mkdir(self._temporary, _FOLDER_MODE)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        try:
            self._open(self._temporary)
        except BaseException:
            shutil.rmtree(self._temporary, ignore_errors=True)
            raise

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record; a later value takes the place of an earlier one under the same key."""
        if not key:
            raise DataError("a record needs a key of at least one byte", file=self.path)
        if 0 < self.longest_key < len(key):
            longest = self.longest_key
            raise DataError(f"LMDB takes keys of up to {longest} bytes, {key!r} has {len(key)}", file=self.path)
        self._batch.append((key, value))
        self._batch_bytes += len(value)
        if len(self._batch) >= _COMMIT_RECORDS or self._batch_bytes >= _COMMIT_BYTES:
            self.commit()

    def commit(self) -> None:
        """Write what was put so far; happens by itself every 1000 records."""
        self._write(self._batch)
        self._batch, self._batch_bytes = [], 0

    def close(self) -> None:
        """Write the rest, and give the database its name. What fails here gives it up."""
        try:
            self.commit()
            self._sync()
            self._release()
            self._write_note()
            self._check_free()
            os.rename(self._temporary, self.path)
        except OSError as error:
            self.abort()
            if isinstance(error, FileError):
                raise
            raise self._failed(error.strerror or str(error)) from error
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Give the database up: remove what was written."""
        self._batch = []
        with contextlib.suppress(Exception):
            self._release()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @abstractmethod
    def _open(self, folder: str) -> None:
        """Begin an empty database in an empty folder."""

    @abstractmethod
    def _write(self, batch: list[Record]) -> None:
        """Commit the records of a batch."""

    @abstractmethod
    def _sync(self) -> None:
        """Bring all that was committed to the disk."""

    @abstractmethod
    def _release(self) -> None:
        """Close the database's files; again does no harm."""

    def _write_note(self) -> None:
        if self._note:
            with open(os.path.join(self._temporary, NOTE_FILE), "w", encoding="utf-8") as file:
                file.write(self._note.rstrip("\n") + "\n")

    def _check_free(self) -> None:
        if os.path.lexists(self.path):
            raise FileError(f"mkdir {self.path} failed: it exists already; remove it, or give another name")

    def _failed(self, reason: str) -> FileError:
        advice = "the folder around it must exist, be writable and have room"
        return FileError(f"the database cannot be written: {reason}; {advice}", file=self.path)

    def __enter__(self) -> DatabaseWriter:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self.abort() if kind else self.close()


class LMDBWriter(DatabaseWriter):
    """Makes an LMDB of data version 1, which every Caffe reads."""

    def _open(self, folder: str) -> None:
        import lmdb

        self._lmdb: Any = lmdb
        self._map_size = _MAP_SIZE
        with self._errors():
            # One sync at the end is enough: nobody believes in the folder before.
            self._env = lmdb.open(os.fsencode(folder), map_size=_MAP_SIZE, create=False, mode=_FILE_MODE, sync=False)
        self.longest_key = self._env.max_key_size()

    def _write(self, batch: list[Record]) -> None:
        while True:
            try:
                with self._errors(), self._env.begin(write=True) as transaction:
                    for key, value in batch:
                        transaction.put(key, value)
                return
            except self._lmdb.MapFullError:
                self._map_size *= 2
                self._env.set_mapsize(self._map_size)

    def _sync(self) -> None:
        with self._errors():
            self._env.sync(True)

    def _release(self) -> None:
        self._env.close()

    @contextlib.contextmanager
    def _errors(self) -> Any:
        try:
            yield
        except self._lmdb.MapFullError:
            raise
        except self._lmdb.Error as error:
            raise self._failed(str(error)) from error


class LevelDBWriter(DatabaseWriter):
    """Makes a LevelDB through the plyvel package (the extra "leveldb")."""

    def _open(self, folder: str) -> None:
        try:
            import plyvel
        except ImportError as error:
            raise MinicaffeError(
                'writing a LevelDB needs plyvel: pip install "minicaffe[leveldb]"; or make an LMDB', file=self.path
            ) from error
        self._plyvel: Any = plyvel
        with self._errors():
            # As bytes: a folder's name need not be text.
            self._db = plyvel.DB(os.fsencode(folder), create_if_missing=True, error_if_exists=True, **_LEVELDB_OPTIONS)

    def _write(self, batch: list[Record], sync: bool = False) -> None:
        with self._errors(), self._db.write_batch(sync=sync) as changes:
            for key, value in batch:
                changes.put(key, value)

    def _sync(self) -> None:
        # A synchronous write flushes the log, and all that it holds.
        self._write([], sync=True)

    def _release(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _errors(self) -> Any:
        try:
            yield
        except self._plyvel.Error as error:
            # The reason is bytes.
            reason = error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error).encode()
            raise self._failed(reason.decode("utf-8", "replace")) from error
