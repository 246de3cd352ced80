"""The one writer of output files: all of the new file, or the old one untouched.

A file is written under a temporary name in its own folder, flushed to the disk, then renamed over the final name, and
the folder flushed too. The temporary name tells who writes it, `.<name>.<pid>@<host>.<random>.tmp`, so that what a
killed process left behind is known for what it is.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from typing import IO, Any

from minicaffe.errors import FileError, reason_of

_HOST = (
    re.sub(r"[^A-Za-z0-9-]", "-", os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""))
    or "host"
)
_TEMPORARY = re.compile(r"\.(?P<name>.*)\.(?P<pid>\d+)@(?P<host>[A-Za-z0-9-]+)\.[0-9a-f]{8}\.tmp", re.DOTALL)
_BUFFER = 1 << 20
# What this process is writing now, and the name that each will have: beside these, a temporary with our own pid is a
# dead process's, its pid come round.
_mine: dict[str, str] = {}

_ADVICE = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some of your quota, or write elsewhere",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write elsewhere",
    errno.EROFS: "write to a folder on another disk",
    errno.EACCES: "give yourself permission to write there (chmod u+w), or write elsewhere",
    errno.EPERM: "give yourself permission to write there (chmod u+w), or write elsewhere",
    errno.ENOENT: "create the folder first (mkdir -p)",
    errno.ENOTDIR: "a part of the path is a file; write elsewhere",
    errno.EISDIR: "give the name of a file in it",
    errno.ENAMETOOLONG: "give a shorter name",
}


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open `path` for writing; it appears whole when the block ends, or not at all when the block raises.

    mode: "wb" for bytes, "w" for text (UTF-8, line ends as given).
    Raises FileError naming `path` where the system refuses to write: the old file, if any, is as it was.
    """
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with atomic_path(path) as temporary, open(temporary, mode, buffering=_BUFFER, **text) as file:  # type: ignore[call-overload]
        yield file


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Name of an empty file to fill in the block, for libraries that open files themselves; the rest as atomic_write.

    What is no ordinary file (/dev/null, a pipe) cannot be replaced, and is handed out itself.
    """
    with atomic_paths(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_paths(*paths: str | os.PathLike[str]) -> Iterator[list[str]]:
    """Names of empty files to fill in the block, for files that belong together; each as atomic_path.

    They appear when the block ends, in the order given, and only once all are on the disk. Old files but the first are
    removed before, unless those ahead of the last stay as they are: whenever the process is killed, a last file that is
    there belongs to those before it.
    """
    with contextlib.ExitStack() as stack:
        files = [_Replacement(path) for path in paths]
        for file in files:
            stack.callback(file.forget)
        for file in files:
            file.begin()
        with _as_file_error(files):
            yield [file.temporary for file in files]
        for file in files:
            file.finish()
        try:
            _appear(files)
        except KeyboardInterrupt:
            # Between the old files and the new ones nobody is to end.
            _appear(files)
            raise


def _appear(files: Sequence[_Replacement]) -> None:
    """Replace old files by new ones. May be called again where it was interrupted."""
    if any(file.differs() for file in files[:-1]):
        for file in reversed(files[1:]):
            file.remove_old()
    for file in files:
        file.replace()


class _Replacement:
    """One file on its way to its final name.

    temporary: where it is written. That is the path itself for what cannot be replaced, and for a temporary that is
    being written to already: of files that belong together, each may be left to a writer that is atomic by itself.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.temporary = os.fspath(path)
        self.final = _mine.get(self.temporary, self.temporary)
        # Through a symbolic link, as open() does, so that the link stays one.
        self.target = os.path.realpath(self.final)
        self._replaces = self.temporary not in _mine
        self._mode: int | None = None

    def begin(self) -> None:
        """Make the empty file."""
        with _as_file_error([self]):
            self._mode = _mode_of(self.final)
            self._replaces = self._replaces and (self._mode is None or stat.S_ISREG(self._mode))
            if self._replaces:
                self.temporary = temporary_beside(self.target)
                _mine[self.temporary] = self.final
                _create(self.temporary, self._mode)

    def finish(self) -> None:
        """Give it the old one's permissions, and bring it to the disk."""
        if self._replaces:
            with _as_file_error([self]):
                _finish(self.temporary, self._mode)

    def differs(self) -> bool:
        """Whether what is still to appear has other bytes than the old file, or there is none."""
        if not self._is_ready():
            return False
        with _as_file_error([self]):
            return self._mode is None or not filecmp.cmp(self.temporary, self.target, shallow=False)

    def remove_old(self) -> None:
        if self._is_ready() and self._mode is not None:
            with _as_file_error([self]), contextlib.suppress(FileNotFoundError):
                os.unlink(self.target)
            _flush_folder(os.path.dirname(self.target))

    def replace(self) -> None:
        if self._is_ready():
            with _as_file_error([self]):
                _rename(self.temporary, self.target)

    def _is_ready(self) -> bool:
        """Whether it is still under its temporary name."""
        return self._replaces and os.path.lexists(self.temporary)

    def forget(self) -> None:
        """Remove what is left of it: nothing, once it has its final name."""
        if self._replaces and self.temporary in _mine:
            with contextlib.suppress(OSError):
                os.unlink(self.temporary)
            del _mine[self.temporary]


def check_writable(prefix: str | os.PathLike[str]) -> None:
    """Raise FileError unless files whose paths begin with `prefix` can be created: one is, and is removed again."""
    prefix = os.fspath(prefix)
    probe = temporary_beside(_first_path(prefix))
    try:
        with open(probe, "xb") as file:
            file.write(b"probe")
    except OSError as error:
        folder = os.path.dirname(prefix) or "."
        advice = _advice(error)
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            advice = f"create the folder first (mkdir -p '{folder}'), or set another snapshot_prefix"
        raise FileError(f"Cannot write to snapshot prefix '{prefix}': {reason_of(error)}; {advice}") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(probe)


def remove_stale(prefix: str | os.PathLike[str]) -> list[str]:
    """Remove what killed processes of this machine left half-written under names that begin with `prefix`.

    Returns the paths removed. Files of running processes, of other machines and of other names stay.
    """
    removed = []
    for path, _ in stale_under(prefix):
        with contextlib.suppress(OSError):
            os.unlink(path)
            removed.append(path)
    return removed


def stale_under(prefix: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """What remove_stale would remove: paths, each with the final name that it was meant for."""
    folder, name = os.path.split(_first_path(os.fspath(prefix)))
    stale = [match for match in _temporaries_in(folder) if _is_stale(folder, match[0], name[:-1])]
    return [(os.path.join(folder, match[0]), os.path.join(folder, match["name"])) for match in stale]


def put_in_place(path: str, final: str) -> None:
    """Give a file that is whole under a temporary name its final one, on the disk too. Raises OSError."""
    _flush(path, os.O_RDWR)
    _rename(path, final)


def stale_beside(path: str | os.PathLike[str]) -> list[str]:
    """What killed processes of this machine left under temporary names for `path` itself."""
    folder, name = os.path.split(os.path.abspath(path))
    found = [match for match in _temporaries_in(folder) if match["name"] == name]
    # What bears our own pid may be in the making, in another thread.
    theirs = [match.string for match in found if int(match["pid"]) != os.getpid()]
    return [os.path.join(folder, entry) for entry in theirs if _is_stale(folder, entry, name)]


def _temporaries_in(folder: str) -> list[re.Match[str]]:
    """The names in a folder that are temporary, of whosever process; none where it cannot be listed."""
    try:
        return list(filter(None, map(_TEMPORARY.fullmatch, os.listdir(folder))))
    except OSError:
        return []


def _first_path(prefix: str) -> str:
    """A path that begins with the prefix: behind "snapshots/" comes a file in that folder, not one of that name."""
    return os.path.abspath(prefix + "_")


def temporary_beside(path: str) -> str:
    """A name for what is to become `path`, which tells who writes it."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{os.getpid()}@{_HOST}.{secrets.token_hex(4)}.tmp")


def _is_stale(folder: str, entry: str, name_prefix: str) -> bool:
    match = _TEMPORARY.fullmatch(entry)
    if not match or not match["name"].startswith(name_prefix) or match["host"] != _HOST:
        return False
    pid = int(match["pid"])
    if pid == os.getpid():
        return os.path.join(folder, entry) not in _mine
    return not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    # os.kill would end the process on Windows, which refuses to remove a file that is open anyway.
    if os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Somebody else's process: alive, and not to be signalled by us.
        return True
    return not _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether a process is over, though nobody has asked for its status: in a container that can last for ever."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        # Not Linux.
        return False
    # pid (name) state ...: the name may hold blanks and brackets.
    return text.rpartition(b")")[2].split()[:1] == [b"Z"]


def _mode_of(path: str) -> int | None:
    """st_mode of what is to be replaced; None where there is nothing yet."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    # A rename would replace it all the same: a file that its owner made read-only is not ours to lose.
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file there is write-protected")
    return mode


def _create(temporary: str, mode: int | None) -> None:
    """An empty file: with the permissions that open() would give, or for nobody else until it replaces another."""
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600))


def _finish(temporary: str, mode: int | None) -> None:
    """Give the file the permissions of the one it replaces, and bring it to the disk."""
    _flush(temporary, os.O_RDWR)
    if mode is not None:
        # Some file systems know no permissions; the contents matter more.
        with contextlib.suppress(OSError):
            os.chmod(temporary, stat.S_IMODE(mode))


def _rename(path: str, final: str) -> None:
    """Give a file another name, on the disk too."""
    os.replace(path, final)
    _flush_folder(os.path.dirname(final))


def _flush(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: str) -> None:
    # The rename is done; a folder that cannot be opened or flushed (Windows, some network disks) is no failure.
    with contextlib.suppress(OSError):
        _flush(folder or ".", os.O_RDONLY)


@contextlib.contextmanager
def _as_file_error(files: Sequence[_Replacement]) -> Iterator[None]:
    """Turn the system's refusals to write one of the files into FileError; those about other files pass through."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        name = None if error.filename is None else os.fsdecode(error.filename)
        meant = [file for file in files if name in (None, file.final, file.target, file.temporary)]
        # The temporary file of a block inside this one.
        if not meant and not _TEMPORARY.fullmatch(os.path.basename(name or "")):
            raise
        final = (meant or files)[0].final
        raise FileError(f"cannot be written: {reason_of(error)}; {_advice(error)}", file=final) from error


def _advice(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0, "check the disk, or write elsewhere")
