"""The snapshots that lie under a snapshot_prefix: found, newest first, and cleared away when there are too many."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from minicaffe import log
from minicaffe.errors import FileError, reason_of
from minicaffe.io.atomic import temporary_beside
from minicaffe.solver.state_file import HDF5_SUFFIX, MODEL, STATE


@dataclass(frozen=True)
class Pair:
    """A solverstate, and the weights that were written with it (there or not). iteration: from the name."""

    iteration: int
    state: str
    model: str

    def age_key(self) -> tuple[int, float]:
        """Newer pairs have larger ones: the iteration counts, and between both formats of one the time."""
        return self.iteration, self.written()

    def written(self) -> float:
        """When, in seconds since 1970; 0 for a file that has gone."""
        with suppress(OSError):
            return os.path.getmtime(self.state)
        return 0.0


def pairs_under(prefix: str) -> list[Pair]:
    """The solverstates <prefix>_iter_<n>.solverstate and .h5, the newest first; those without weights too.

    Raises FileError where the folder is there, but cannot be listed.
    """
    folder, name = os.path.split(prefix)
    pattern = re.compile(rf"{re.escape(name)}_iter_(\d+)\.{STATE}({re.escape(HDF5_SUFFIX)})?")
    try:
        matches = [pattern.fullmatch(entry) for entry in os.listdir(folder or ".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        text = f"cannot be listed: {reason_of(error)}; give yourself permission to read it, or set another"
        raise FileError(f"{text} snapshot_prefix", file=folder or ".") from error
    found = [
        Pair(int(match[1]), os.path.join(folder, match[0]), f"{prefix}_iter_{match[1]}.{MODEL}{match[2] or ''}")
        for match in matches
        if match
    ]
    return sorted(found, key=Pair.age_key, reverse=True)


def later_than(pair: Pair, pairs: list[Pair]) -> Iterator[Pair]:
    """The pairs of earlier iterations that were written after `pair`: of another run, it seems."""
    return (other for other in pairs if other.iteration < pair.iteration and other.written() > pair.written())


def clear_away(prefix: str, keep: int, iteration: int) -> None:
    """Remove the pairs of `iteration` and before, but for the newest `keep`.

    Weights whose solverstate is not there stay: somebody took care to keep them. What cannot be removed is logged.
    """
    try:
        past = [pair for pair in pairs_under(prefix) if pair.iteration <= iteration]
    except FileError as error:
        log.warning(f"Cannot look for old snapshots to remove: {error}")
        return
    for pair in past[keep:]:
        try:
            _remove(pair)
        except OSError as error:
            log.warning(f"Cannot remove the old snapshot {error.filename or pair.state}: {reason_of(error)}")


def _remove(pair: Pair) -> None:
    """Remove both files.

    The solverstate goes last, under a temporary name: a process that is killed before that leaves what the next one
    clears up (snapshot.py), and neither weights that nobody would miss nor a solverstate without them.
    """
    if os.path.isdir(pair.state):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), pair.state)
    leaving, gone = temporary_beside(pair.state), [pair.state]
    os.rename(pair.state, leaving)
    try:
        os.unlink(pair.model)
        gone.append(pair.model)
    except FileNotFoundError:
        pass
    except OSError:
        os.rename(leaving, pair.state)
        raise
    os.unlink(leaving)
    for path in gone:
        log.info(f"Removed the old snapshot {path}")
