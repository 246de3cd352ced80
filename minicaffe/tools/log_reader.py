"""Training logs, Caffe's and minicaffe's, as tables of numbers.

    I0210 13:39:22.381027 25210 solver.cpp:204] Iteration 100, lr = 0.00992565

Lines of another form (warnings of libraries, a progress bar's remains) are skipped. The prefix of newer glogs, with the
year in it, is understood as well.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from minicaffe.errors import FileError, FormatError, reason_of

_PREFIX = re.compile(r"[IWEF](\d{8}|\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{1,6}) +\d+ [^\]\s]+:\d+\] (.*)")
_NUMBER = r"([-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf))"
_COUNT = r"(\d{1,15})\b"
_ITERATION = re.compile(rf"Iteration {_COUNT}")
_LOSS = re.compile(rf"Iteration \d+(?: \(.*\))?, loss = {_NUMBER}$")
_RATE = re.compile(rf"Iteration \d+, lr = {_NUMBER}$")
_OUTPUT = re.compile(rf"\s+(Train|Test) net output #{_COUNT}: (\S+) = {_NUMBER}")
_TESTING = re.compile(rf"Iteration \d+, Testing net \(#{_COUNT}\)")


@dataclass
class Row:
    """What a log says of one iteration.

    seconds: of training, since the line `Solving`; that of the first output where there is one.
    loss: smoothed.  rate: learning rate.  rate_before: the last one shown before the outputs. None if not shown.
    outputs: values of the net's outputs by name; further values of one name are name[1], name[2], ...
    """

    iteration: int
    seconds: float
    loss: float | None = None
    rate: float | None = None
    rate_before: float | None = None
    outputs: dict[str, float] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict, repr=False, compare=False)

    def add(self, number: int, name: str, value: float) -> None:
        """Take in output #number."""
        if number not in self._names:
            count = sum(other == name or other.startswith(f"{name}[") for other in self._names.values())
            self._names[number] = f"{name}[{count}]" if count else name
        self.outputs[self._names[number]] = value


@dataclass
class TrainingLog:
    """train: rows of the training net.  tests: rows of each testing net, by its number."""

    name: str
    train: list[Row] = field(default_factory=list)
    tests: dict[int, list[Row]] = field(default_factory=dict)


def read_log(path: str | os.PathLike[str]) -> TrainingLog:
    """The numbers in the log at `path`.

    A log of several runs, each resumed from a snapshot of the one before, gives one table: what a later run did anew
    takes the place of what it had been.
    Raises FileError for a file that cannot be read, FormatError for one without a line of a training run.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(f"cannot be read: {reason_of(error)}", file=name) from error
    log = parse_log(text.splitlines(), Path(path).name)
    if not log.train and not log.tests:
        text = "holds no line of a training run, as 'I0210 13:39:22.381027 25210 solver.cpp:204] Iteration 0, loss = 1'"
        raise FormatError(f"{text}; give what training wrote on stderr, or with --log_file", file=name)
    return log


def parse_log(lines: Iterable[str], name: str = "") -> TrainingLog:
    """The numbers in the lines of a log."""
    reader = _Reader(TrainingLog(name))
    for moment, text in _messages(lines):
        reader.read(moment, text)
    return reader.log


class _Reader:
    """Goes through a log's messages, and fills its tables."""

    def __init__(self, log: TrainingLog) -> None:
        self.log = log
        self.iteration: int | None = None
        self.rate: float | None = None
        self.test: Row | None = None
        # Since when training has been going on, and how long at the last line that told of it.
        self.start: datetime.datetime | None = None
        self.trained = datetime.timedelta()

    def read(self, moment: datetime.datetime, text: str) -> None:
        if text.split(" ")[0] == "Solving":
            # A run that is resumed goes on at the second it had come to.
            self.start = moment - self.trained
        elif match := _ITERATION.match(text):
            self.at(moment)
            self.iteration = int(match[1])
            self.read_iteration(self.iteration, text)
        elif self.iteration is not None and (match := _OUTPUT.match(text)):
            self.at(moment)
            self.read_output(self.iteration, *match.groups())

    def at(self, moment: datetime.datetime) -> None:
        """A log that has lost its beginning counts from its first iteration."""
        self.start = self.start or moment
        self.trained = moment - self.start

    @property
    def seconds(self) -> float:
        return self.trained.total_seconds()

    def read_iteration(self, iteration: int, text: str) -> None:
        if match := _TESTING.match(text):
            self.test = _new_row(self.log.tests.setdefault(int(match[1]), []), iteration, self.seconds)
        elif match := _LOSS.match(text):
            _new_row(self.log.train, iteration, self.seconds).loss = float(match[1])
        elif match := _RATE.match(text):
            self.rate = float(match[1])
            _row_of(self.log.train, iteration, self.seconds).rate = self.rate

    def read_output(self, iteration: int, net: str, number: str, name: str, value: str) -> None:
        if net == "Train":
            row = _row_of(self.log.train, iteration, self.seconds)
        else:
            row = self.test or _row_of(self.log.tests.setdefault(0, []), iteration, self.seconds)
        if not row.outputs:
            row.seconds, row.rate_before = self.seconds, self.rate
        row.add(int(number), name, float(value))


def _row_of(rows: list[Row], iteration: int, seconds: float) -> Row:
    """The last row if it is that iteration's, else a new one."""
    return rows[-1] if rows and rows[-1].iteration == iteration else _new_row(rows, iteration, seconds)


def _new_row(rows: list[Row], iteration: int, seconds: float) -> Row:
    """A row at the end of the table; those of a run that did not come about, in the end, go."""
    while rows and rows[-1].iteration >= iteration:
        rows.pop()
    rows.append(Row(iteration, seconds))
    return rows[-1]


def _messages(lines: Iterable[str]) -> Iterator[tuple[datetime.datetime, str]]:
    """(time, message) of every line with a prefix; where that has no year, a month that falls begins a new one."""
    found = [match for match in map(_PREFIX.search, lines) if match]
    year, month = _first_year([match[1] for match in found]), 0
    for match in found:
        date = match[1][-4:]
        if len(match[1]) == 8:
            year_here = int(match[1][:4])
        else:
            year_here = year + (int(date[:2]) < month)
        hour, minute, second, fraction = map(int, (*match.group(2, 3, 4), match[5].ljust(6, "0")))
        try:
            moment = datetime.datetime(year_here, int(date[:2]), int(date[2:]), hour, minute, second, fraction)
        except ValueError:
            continue  # no date, no time of day
        year, month = moment.year, moment.month
        yield moment, match[6]


def _first_year(dates: list[str]) -> int:
    """A year to begin with, such that a 29 February comes in a leap year: nobody knows the real one."""
    years = 0
    for before, date in itertools.pairwise(["0000", *dates]):
        years += len(date) == 4 and date[:2] < before[:2]
        if date == "0229":
            break
    return 2000 - years if "0229" in dates else 2000
