"""Log lines in the form that scripts for Caffe's logs expect, glog's old one, on stderr:

    I0210 13:39:22.381027 25210 solver.py:204] Iteration 100, lr = 0.00992565
    severity, month and day, local time, thread, the caller's file and line, message

A message of several lines has one prefix. The environment variable GLOG_minloglevel (0 INFO, 1 WARNING, 2 ERROR,
3 FATAL) or `set_level` silences what is less severe. A line that cannot be written (closed pipe, full disk) is lost,
and stops nobody's training.

This module is pycaffe's caffe.log, too: log("text") is log.info("text").
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Protocol

from minicaffe.errors import FileError, reason_of

INFO, WARNING, ERROR, FATAL, SILENT = range(5)
_NAMES = ("INFO", "WARNING", "ERROR", "FATAL")


class Bar(Protocol):
    """What a progress bar on stderr can do, tqdm for one: go away, and come back on the last line."""

    def clear(self) -> Any: ...

    def refresh(self) -> Any: ...


class LogFile:
    """A file that gets a copy of every line until it is closed.

    Also a context manager: what ends the block is logged there, so that a log tells why it stops.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            # Appending: a resumed run goes on in the log it began, and no earlier log is lost.
            self._file = open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        except OSError as error:
            text = f"cannot be written: {reason_of(error)}; give another log file"
            raise FileError(text, file=os.fspath(path)) from error

    def write(self, line: str) -> None:
        # ValueError: closed.
        with contextlib.suppress(OSError, ValueError):
            self._file.write(line)

    def close(self) -> None:
        with _lock:
            if self in _files:
                _files.remove(self)
            with contextlib.suppress(OSError):
                self._file.close()

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None and kind is not SystemExit:
            self.write(f"{_prefix(ERROR, time.time_ns(), threading.get_native_id())} log.py:0] {_told(error)}\n")
        self.close()


def _level_from(text: str | None) -> int:
    """GLOG_minloglevel as a number; what is none counts as 0, so that nothing is silenced by mistake."""
    return int(text) if text and text.strip().isdecimal() else INFO


_environment = os.environ.get("GLOG_minloglevel")  # noqa: SIM112
_level = _level_from(_environment)
# The least severity that goes to stderr.
_stderr_level = INFO
_files: list[LogFile] = []
_bar: Bar | None = None
# Reentrant, because a signal's handler may log while its thread is logging.
_lock = threading.RLock()


def info(text: str) -> None:
    if _level <= INFO:
        _emit(INFO, text)


def warning(text: str) -> None:
    if _level <= WARNING:
        _emit(WARNING, text)


def error(text: str) -> None:
    if _level <= ERROR:
        _emit(ERROR, text)


def write(severity: int | str, text: str) -> None:
    """Log at a severity given by number or by name: "INFO", "WARNING", "ERROR", "FATAL"."""
    level = _NAMES.index(severity) if isinstance(severity, str) else severity
    if _level <= level:
        _emit(level, text)


def enabled(severity: int) -> bool:
    """Whether a message of this severity is written: ask before making a text that is long in the making."""
    return severity >= _level


def set_level(severity: int) -> int:
    """Write only what is at least this severe (SILENT is above all); returns the level before."""
    global _level
    before, _level = _level, int(severity)
    return before


def follow_environment() -> None:
    """Obey GLOG_minloglevel if it has changed since it was read last: scripts set it just before `import caffe`."""
    global _environment
    text = os.environ.get("GLOG_minloglevel")  # noqa: SIM112
    if text != _environment:
        _environment = text
        set_level(_level_from(text))


def to_stderr(on: bool) -> None:
    """Whether lines go to stderr, as they do by default; those in log files are written either way."""
    global _stderr_level
    _stderr_level = INFO if on else SILENT


def init_log(min_level: int | None = None, to_stderr: bool = True) -> None:
    """Start logging, as pycaffe's scripts do. What they leave out stays as it is; a second call counts, too.

    min_level: 0 INFO, 1 WARNING, 2 ERROR, 3 FATAL; what is less severe is silenced. None: as GLOG_minloglevel says.
    to_stderr: False leaves only errors on stderr. Caffe then writes files in /tmp; here `add_file` names one.
    Raises TypeError for a level that is no integer.
    """
    global _stderr_level
    if min_level is not None:
        if not isinstance(min_level, int):
            raise TypeError(f"init_log takes a level, 0 INFO, 1 WARNING, 2 ERROR or 3 FATAL, not {min_level!r}")
        set_level(min_level)
    _stderr_level = INFO if to_stderr else ERROR


def add_file(path: str | os.PathLike[str]) -> LogFile:
    """Append every line to the file at `path` too, until the object returned is closed.

    Raises FileError where the file cannot be opened.
    """
    file = LogFile(path)
    with _lock:
        _files.append(file)
    return file


@contextlib.contextmanager
def beside(bar: Bar) -> Iterator[None]:
    """While the block runs, stderr's last line belongs to `bar`: it makes room for every log line."""
    global _bar
    with _lock:
        before, _bar = _bar, bar
    try:
        yield
    finally:
        with _lock:
            _bar = before


def g(x: Any) -> str:
    """A number as a C++ stream prints it: 6 significant digits, 0.01, 1e-05, 2.30258, nan, inf."""
    return f"{float(x):g}"


def _emit(severity: int, text: str) -> None:
    # Two frames up: past this function and info, warning, error or write.
    frame = sys._getframe(2)
    place = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    line = f"{_prefix(severity, time.time_ns(), threading.get_native_id())} {place}] {text}\n"
    with _lock:
        for file in _files:
            file.write(line)
        if severity >= _stderr_level and sys.stderr is not None:
            _to_terminal(line)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _prefix(severity: int, nanoseconds: int, thread: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = time.strftime("%m%d %H:%M:%S", time.localtime(seconds))
    return f"{_NAMES[severity][0]}{moment}.{rest // 1000:06d} {thread:5d}"


def _to_terminal(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        if _bar is None:
            sys.stderr.write(line)
            return
        _bar.clear()
        sys.stderr.write(line)
        _bar.refresh()


class _CallableModule(ModuleType):
    def __call__(self, text: str) -> None:
        """Log an INFO line."""
        if not isinstance(text, str):
            raise TypeError(f"log takes a text, not {text!r}: log(str(...))")
        if _level <= INFO:
            _emit(INFO, text)


# pycaffe has a function where we have this module, and `import minicaffe as caffe` must find both under one name.
sys.modules[__name__].__class__ = _CallableModule
