"""minicaffe plot_log LOG... -o PICTURE: loss, accuracy and learning rate of training logs, Caffe's or minicaffe's.

Over iterations or seconds; several logs in one picture, each in a colour of its own. The picture's extension says how
it is drawn: .png, .svg, .pdf. A run that diverged, whose values are no numbers any more, ends with a cross.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from minicaffe.errors import ParamError
from minicaffe.tools.command import run_command, say
from minicaffe.tools.curve_picture import plot
from minicaffe.tools.flags import Parser, names
from minicaffe.tools.learning_curves import PANELS
from minicaffe.tools.log_reader import TrainingLog, read_log


def main(argv: list[str]) -> int:
    flags = parser().read(argv)
    panels = list(dict.fromkeys(names(flags.panels)))
    if not panels or not set(panels) <= set(PANELS):
        raise ParamError(f"--panels is {flags.panels}, must be some of {', '.join(PANELS)}")
    plot(read_logs(flags.logs), Path(flags.output), flags.x, flags.title, panels)
    say(f"{flags.output}: {len(flags.logs)} log{'s' if len(flags.logs) > 1 else ''} drawn")
    return 0


def parser() -> Parser:
    made = Parser("plot_log", "Draw loss, accuracy and learning rate of training logs, all into one picture.")
    made.add_argument("logs", nargs="+", metavar="LOG", help="what training wrote on stderr, or with --log_file")
    what = "the picture, drawn as its extension says: .png, .svg, .pdf"
    # -o, whose one dash Parser makes two.
    made.add_argument("--output", "--o", required=True, metavar="FILE", help=what)
    made.add("x", choices=["iterations", "seconds"], default="iterations", help="what the curves run over (iterations)")
    made.add("panels", default=",".join(PANELS), metavar="A,B", help="what to draw: loss,accuracy,rate")
    made.add("title", default="", metavar="TEXT", help="a line above the picture")
    return made


def read_logs(paths: Sequence[str]) -> list[TrainingLog]:
    """The logs, by the names of their files, or by their paths where several files have one name."""
    logs = [read_log(path) for path in paths]
    many = Counter(log.name for log in logs)
    for log, path in zip(logs, paths, strict=True):
        if many[log.name] > 1:
            log.name = path
    return logs


if __name__ == "__main__":
    sys.exit(run_command(main))
