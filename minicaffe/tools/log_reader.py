"""Training logs, Caffe's and minicaffe's, as tables of numbers.

    I0210 13:39:22.381027 25210 solver.cpp:204] Iteration 100, lr = 0.00992565

Lines of another form (warnings of libraries, a progress bar's remains) are skipped. The prefix of newer glogs, with the
year in it, is understood as well.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from minicaffe.errors import FileError, reason_of

_PREFIX = re.compile(r"[IWEF](\d{8}|\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{1,6}) +\d+ [^\]\s]+:\d+\] (.*)")
_NUMBER = r"([-+]?(?:[\d.]+(?:[eE][-+]?\d+)?|nan|inf))"
_ITERATION = re.compile(r"Iteration (\d+)")
_LOSS = re.compile(rf"Iteration (\d+)(?: \(.*\))?, loss = {_NUMBER}$")
_RATE = re.compile(rf"Iteration (\d+), lr = {_NUMBER}$")
_OUTPUT = re.compile(rf"\s+(Train|Test) net output #\d+: (\S+) = {_NUMBER}")
_TESTING = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)")


@dataclass
class Row:
    """What a log says of one iteration.

    seconds: of training, since the line `Solving`.  loss: smoothed; rate: learning rate; None if not shown.
    outputs: values of the net's outputs by name; of several with one name, the first has it.
    """

    iteration: int
    seconds: float
    loss: float | None = None
    rate: float | None = None
    outputs: dict[str, float] = field(default_factory=dict)


@dataclass
class TrainingLog:
    """train: rows of the training net.  tests: rows of each testing net, by its number."""

    name: str
    train: list[Row] = field(default_factory=list)
    tests: dict[int, list[Row]] = field(default_factory=dict)


def read_log(path: str | os.PathLike[str]) -> TrainingLog:
    """The numbers in the log at `path`.

    A log of several runs, each resumed from a snapshot of the one before, gives one table: what a later run did anew
    takes the place of what it had been.  Raises FileError for a file that cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(f"cannot be read: {reason_of(error)}", file=os.fspath(path)) from error
    return parse_log(text.splitlines(), Path(path).name)


def parse_log(lines: Iterable[str], name: str = "") -> TrainingLog:
    """The numbers in the lines of a log."""
    log = TrainingLog(name)
    test: Row | None = None
    start, since = None, 0.0
    for seconds, text in _messages(lines):
        if text.startswith("Solving "):
            # A run that is resumed goes on at the second it had come to.
            start = seconds - since
        since = 0.0 if start is None else seconds - start
        if match := _TESTING.match(text):
            test = _new_row(log.tests.setdefault(int(match[2]), []), int(match[1]), since)
        elif match := _OUTPUT.match(text):
            row = test if match[1] == "Test" else (log.train[-1] if log.train else None)
            if row is not None:
                row.outputs.setdefault(match[2], float(match[3]))
        elif match := _LOSS.match(text):
            _new_row(log.train, int(match[1]), since).loss = float(match[2])
        elif match := _RATE.match(text):
            known = log.train and log.train[-1].iteration == int(match[1])
            row = log.train[-1] if known else _new_row(log.train, int(match[1]), since)
            row.rate = float(match[2])
    return log


def _new_row(rows: list[Row], iteration: int, seconds: float) -> Row:
    """A row at the end of the table; those of a run that did not come about, in the end, go."""
    while rows and rows[-1].iteration >= iteration:
        rows.pop()
    rows.append(Row(iteration, seconds))
    return rows[-1]


def _messages(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """(seconds, message) of every line with a prefix; where that has no year, a month that falls begins a new one."""
    year, month = 2000, 0
    for line in lines:
        match = _PREFIX.search(line)
        if not match:
            continue
        date = match[1]
        if len(date) == 8:
            year, date = int(date[:4]), date[4:]
        elif int(date[:2]) < month:
            year += 1
        month = int(date[:2])
        try:
            day, hour, minute, second = (int(text) for text in (date[2:], *match.group(2, 3, 4)))
            moment = datetime.datetime(year, month, day, hour, minute, second)
        except ValueError:
            continue  # 29 February in a year of our own choosing, or no date at all
        yield moment.timestamp() + float(f"0.{match[5]}"), match[6]
