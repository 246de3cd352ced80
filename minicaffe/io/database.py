"""Databases of records under keys, LMDB and LevelDB alike: read in ascending order of keys, or made anew.

    with open_database("examples/mnist/mnist_train_lmdb", "lmdb") as database:
        values = database.cursor().read(64)

    with create_database("mnist_train_lmdb", "lmdb") as writer:
        writer.put(b"00000000", datum)

What can be read of one: records.py.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minicaffe.io.database_kinds import known_backend
from minicaffe.io.records import Database

if TYPE_CHECKING:
    from minicaffe.io.database_writer import DatabaseWriter


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


def create_database(path: str | os.PathLike[str], backend: str, note: str = "") -> DatabaseWriter:
    """Make a database in the folder `path`, which must not exist. backend: "lmdb" or "leveldb".

    note: a text that lies in the folder from then on, as Database.note (a warning about the contents, say).
    Raises FileError where the folder exists or cannot be made, MinicaffeError where a package is missing.
    """
    from minicaffe.io.database_writer import LevelDBWriter, LMDBWriter

    writer = LMDBWriter if known_backend(backend) == "lmdb" else LevelDBWriter
    return writer(os.fspath(path), note)
