"""The kinds of databases: what they are called, and the file by which each is known."""

from __future__ import annotations

import os

from minicaffe.errors import FileError, MinicaffeError, ParamError

# What a kind is called, and a file that each of that kind holds.
_KINDS = {"lmdb": ("an LMDB", "data.mdb"), "leveldb": ("a LevelDB", "CURRENT")}
BACKENDS = tuple(_KINDS)


def known_backend(backend: str) -> str:
    """The name of a backend, if it is one. Raises ParamError if not."""
    if backend not in BACKENDS:
        raise ParamError(f'Unknown database backend "{backend}"; known are lmdb and leveldb')
    return backend


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
