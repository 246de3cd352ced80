"""minicaffe parse_log LOG FOLDER: a training log, Caffe's or minicaffe's, as tables.

    NumIters,Seconds,LearningRate,loss
    0,0.213,0.01,2.36142
    100,4.87,0.01,0.204

Writes FOLDER/<name of LOG>.train and .test, in CSV, a row for each iteration at which the net's outputs were shown, and
for each further testing net .test1, .test2, ...: all of them, or none.

NumIters: the iteration.  Seconds: since the line `Solving`, of the row's first output.  LearningRate: the last one
shown before the row, which is that of the row before it in .train; a first row with none before it has the second's.
Then a column for each output; a row that lacks one has nothing there.

As Caffe's tools/extra/parse_log.py, which loses the last row where it is not complete, or the only one; a first row's
own rate; nan and inf; all but one of the values of an output that is no single number; and all but the last testing
net. Here they are kept: further values are name[1], name[2], ... Of a log of several runs, a resumed run's rows
replace those it did anew.
"""

from __future__ import annotations

import csv
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minicaffe.errors import FormatError, ParamError
from minicaffe.io.atomic import atomic_paths
from minicaffe.tools.command import run_command
from minicaffe.tools.flags import Parser
from minicaffe.tools.log_reader import Row, TrainingLog, read_log

COLUMNS = ("NumIters", "Seconds", "LearningRate")

Table = list[list[Any]]


def tables(log: TrainingLog) -> dict[str, Table]:
    """The tables of a log, each with its heading, by the suffix of its file's name; none without a row."""
    rows = {".train": log.train}
    rows |= {f".test{number or ''}": log.tests[number] for number in sorted(log.tests)}
    first_rate = next((row.rate for row in log.train if row.rate is not None), None)
    shown = {suffix: [row for row in found if row.outputs] for suffix, found in rows.items()}
    return {suffix: table(found, first_rate) for suffix, found in shown.items() if found}


def table(rows: Sequence[Row], first_rate: float | None) -> Table:
    """Heading and rows.  first_rate: that of an only row which has none before it."""
    names = list(dict.fromkeys(name for row in rows for name in row.outputs))
    rates = [row.rate_before for row in rows]
    if rates[0] is None:
        rates[0] = rates[1] if len(rates) > 1 else first_rate
    cells = [
        [row.iteration, row.seconds, math.nan if rate is None else rate, *(row.outputs.get(name, "") for name in names)]
        for row, rate in zip(rows, rates, strict=True)
    ]
    return [[*COLUMNS, *names], *cells]


def write_tables(found: dict[str, Table], stem: str, delimiter: str = ",") -> list[str]:
    """Write each table to stem + its suffix, all or none; the paths."""
    paths = [stem + suffix for suffix in found]
    with atomic_paths(*paths) as temporaries:
        for temporary, rows in zip(temporaries, found.values(), strict=True):
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return paths


def main(argv: list[str]) -> int:
    flags = parser().read(argv)
    delimiter = checked_delimiter(flags.delimiter)
    found = tables(read_log(flags.log))
    if not found:
        raise FormatError("shows no output of a net: no 'Train net output #0: loss = 1'", file=flags.log)
    written = write_tables(found, os.path.join(flags.folder, Path(flags.log).name), delimiter)
    if flags.verbose:
        for path in written:
            print(f"Wrote {path}")
    return 0


def parser() -> Parser:
    made = Parser("parse_log", "Turn a training log into tables, one for training and one for each testing net.")
    made.add_argument("log", metavar="LOG", help="what training wrote on stderr, or with --log_file")
    made.add_argument("folder", metavar="FOLDER", help="where to write <name of LOG>.train and .test")
    made.add_boolean("verbose", help="tell what is written")
    made.add(
        "delimiter", metavar="CHARACTER", default=",", help='what stands between columns (default ","; \\t: a tab)'
    )
    return made


def checked_delimiter(text: str) -> str:
    delimiter = "\t" if text == "\\t" else text
    if len(delimiter) != 1 or delimiter in '\r\n"' or delimiter.isalnum() or delimiter in "+-.":
        raise ParamError(f"--delimiter is {text!r}, must be one character that is no part of a number or of a word")
    return delimiter


if __name__ == "__main__":
    sys.exit(run_command(main))
