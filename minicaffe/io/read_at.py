"""Reading a file at given places, from any thread, without moving anybody's position."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from minicaffe.errors import FileError, FormatError

_LARGE = 1 << 20


def damaged(path: str, what: str) -> FormatError:
    """The error for a file of a database whose bytes cannot be."""
    return FormatError(f"is damaged: {what}; copy or create the database again", file=path)


class FileReader:
    """One file open for reading. Nothing is mapped: a file that is cut while it is read gives an error, not a crash.

    Raises FileError where the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            # Unbuffered: callers ask for whole blocks.
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise FileError(f"cannot be read: {error.strerror or error}", file=path) from error
        self._lock = threading.Lock()

    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, size: int, position: int) -> bytes:
        """Up to `size` bytes from `position`; fewer at the end of the file."""
        try:
            if hasattr(os, "pread"):
                data = os.pread(self._file.fileno(), size, position)
            else:
                data = self._seek_and_read(size, position)
            # The system may give less than it was asked for, and 2 GiB at most.
            while len(data) < size:
                more = self._seek_and_read(size - len(data), position + len(data))
                if not more:
                    break
                data += more
        except (OSError, ValueError) as error:
            raise FileError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=self.path) from error
        return data

    def read_exactly(self, size: int, position: int) -> bytes:
        """`size` bytes from `position`; FormatError where the file ends before."""
        # A size that was read from a damaged file may be any: it is not allocated unseen.
        data = self.read(size, position) if size < _LARGE or position + size <= self.size() else b""
        if len(data) < size:
            raise FormatError(
                f"is cut short: {self.size()} bytes, at least {position + size} are needed; copy or create it again",
                file=self.path,
            )
        return data

    def _seek_and_read(self, size: int, position: int) -> bytes:
        with self._lock:
            self._file.seek(position)
            return self._file.read(size) or b""

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        self._file.close()

    def __enter__(self) -> FileReader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
