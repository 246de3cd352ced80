"""Writing HDF5 files of any size straight to the disk: whole or not at all, and no refusal of the system overlooked."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

from minicaffe.io.atomic import atomic_path
from minicaffe.io.hashing import Hashing, Written

_CHUNK = 1 << 20

Path = str | os.PathLike[str]


@contextlib.contextmanager
def hdf5_written(path: Path, fill: Callable[[Any], None]) -> Iterator[IO[bytes]]:
    """The file that `fill` makes, closed by the library but not yet under its name, for the block to read or amend.

    fill: gets an empty h5py.File; it runs in a thread of its own.
    The format is the oldest that can hold what is written, so that the libraries of Caffe's time read it.
    Raises FileError where the system refuses to write, and what `fill` or the block raises; the old file then stays.
    """
    with atomic_path(path) as temporary:
        if os.path.isfile(temporary):
            with open(temporary, "r+b", buffering=0) as file:
                _Writing(file, fill).run()
                yield file
            return
        # A pipe or a device, where the library cannot go to and fro.
        import shutil
        import tempfile

        with tempfile.TemporaryFile(buffering=0) as image:
            _Writing(image, fill).run()
            yield image
            image.seek(0)
            with open(temporary, "wb") as out:
                shutil.copyfileobj(image, out)


def write_hdf5(path: Path, fill: Callable[[Any], None], *, hashed: bool = True) -> Written:
    """Write the file that `fill` makes. Returns its size and, if it is wanted, SHA-256; the rest as hdf5_written."""
    with hdf5_written(path, fill) as file:
        if not hashed:
            return Written(os.fstat(file.fileno()).st_size)
        # The library writes its parts in no order, so it is read again: while the system brings it to the disk.
        file.seek(0)
        with Hashing(iter(lambda: file.read(_CHUNK), b"")) as hashing:
            os.fsync(file.fileno())
    return hashing.result()


class _Writing:
    """One run of the library, in a thread: only there can no signal's exception end one of its calls half-done."""

    def __init__(self, file: IO[bytes], fill: Callable[[Any], None]) -> None:
        self._target, self._fill = _Target(file), fill
        self._error: BaseException | None = None

    def run(self) -> None:
        thread = threading.Thread(target=self._work, name="minicaffe HDF5 writer")
        try:
            thread.start()
            thread.join()
        except BaseException as interrupt:
            # Ctrl-C: what is still to come is dropped, so that it is over soon; and also if nobody waits for it.
            self._target.error = self._target.error or interrupt
            with contextlib.suppress(RuntimeError):
                thread.join()
            raise
        # The system's word first: what the library says of it later is a consequence.
        error = self._target.error or self._error
        if error is not None:
            raise error

    def _work(self) -> None:
        import h5py

        try:
            with h5py.File(self._target, "w", libver="earliest") as file:
                self._fill(file)
        except BaseException as error:
            self._error = error


class _Target:
    """What the library writes to: a file that never fails, and remembers the first error there was.

    On a full disk the library may fail as late as on closing the file, where it can no longer say so, or end up with
    buffers that it cannot get rid of. So it is told that all went well, and nothing more is written.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = self._end = 0
        self.error: BaseException | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = self._try(self._file.readinto, buffer)  # type: ignore[attr-defined]
        self._at += count
        return count

    def read(self, size: int) -> bytes:
        data = bytearray(size)
        return bytes(data[: self.readinto(data)])

    def write(self, data: Any) -> int:
        self._try(self._write_all, memoryview(data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def truncate(self, size: int) -> int:
        self._try(self._file.truncate, size)
        self._end = size
        return size

    def flush(self) -> None:
        """Nothing is kept back here."""

    def _write_all(self, data: memoryview) -> int:
        # One call writes 2 GiB at most, and less where the disk fills.
        at = 0
        while at < len(data):
            at += self._file.write(data[at:])
        return at

    def _try(self, work: Callable[[Any], int], argument: Any) -> int:
        if self.error is None:
            try:
                self._file.seek(self._at)
                return work(argument)
            except BaseException as error:
                self.error = error
        return 0
