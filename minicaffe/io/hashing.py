"""SHA-256 of what is being written, beside the writing, which it takes longer than."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Written:
    """What has been written: size in bytes, SHA-256 in hexadecimal, "" where nobody asked for it."""

    size: int
    sha256: str = ""


class Hashing:
    """Size and SHA-256 of pieces of bytes, taken in a thread of its own.

        with Hashing(pieces) as hashing:
            ...                         # write the same pieces
        written = hashing.result()

    pieces: are gone through in that thread; what they are views of must not change until the block has ended.
    """

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = pieces
        self._size, self._digest = 0, hashlib.sha256()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="minicaffe SHA-256", daemon=True)

    def result(self) -> Written:
        """Behind the block; raises what going through the pieces raised."""
        if self._error is not None:
            raise self._error
        return Written(self._size, self._digest.hexdigest())

    def _work(self) -> None:
        try:
            for piece in self._pieces:
                self._digest.update(piece)
                self._size += len(piece)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Hashing:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._thread.join()
