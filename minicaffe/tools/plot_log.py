"""Learning curves: `python -m minicaffe.tools.plot_log LOG... -o curve.png`.

Loss, accuracy and learning rate of one or several training logs, Caffe's or minicaffe's, over iterations or seconds.
The file's extension says how it is drawn: .png, .svg, .pdf.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minicaffe.errors import FormatError, MinicaffeError, ParamError
from minicaffe.io.atomic import atomic_path
from minicaffe.tools.command import run_command, say
from minicaffe.tools.log_reader import Row, TrainingLog, read_log

PANELS = ("loss", "accuracy", "rate")
LABELS = {"loss": "loss", "accuracy": "accuracy", "rate": "learning rate"}

# (label, x, y)
Curve = tuple[str, list[float], list[float]]


def curves(log: TrainingLog, panel: str, x: str = "iterations") -> list[Curve]:
    """The curves of a log that belong to a panel; those without a point are left out.

    loss: the displayed loss in training, and every output with "loss" in its name in testing.
    accuracy: the testing nets' other outputs.  rate: the learning rate.
    """
    if panel == "rate":
        found = [_curve("", log.train, lambda row: row.rate, x)]
    elif panel == "loss":
        found = [_curve("train", log.train, lambda row: row.loss, x), *_test_curves(log, True, x)]
    else:
        found = list(_test_curves(log, False, x))
    return [curve for curve in found if curve[1]]


def _test_curves(log: TrainingLog, losses: bool, x: str) -> Iterator[Curve]:
    for number, rows in sorted(log.tests.items()):
        names = dict.fromkeys(name for row in rows for name in row.outputs if ("loss" in name.lower()) is losses)
        for name in names:
            net = f" #{number}" if len(log.tests) > 1 else ""
            yield _curve(f"test{net} {name}", rows, lambda row, name=name: row.outputs.get(name), x)


def _curve(label: str, rows: list[Row], value: Any, x: str) -> Curve:
    points = [(row.seconds if x == "seconds" else row.iteration, value(row)) for row in rows]
    points = [(at, y) for at, y in points if y is not None and math.isfinite(y)]
    return label, [at for at, _ in points], [y for _, y in points]


def plot(
    logs: list[TrainingLog], target: Path, x: str = "iterations", title: str = "", panels: Sequence[str] = PANELS
) -> None:
    """Draw all logs into one picture, a panel each for what they hold of loss, accuracy and learning rate.

    x: "iterations" or "seconds".  panels: those wanted, of PANELS.
    Raises MinicaffeError where matplotlib is missing, ParamError for an extension that it cannot draw.
    """
    shown = [panel for panel in panels if any(curves(log, panel, x) for log in logs)]
    if not shown:
        raise ParamError(f"the logs hold nothing of what is to be drawn: {', '.join(panels)}")
    figure = _figure(len(shown))
    for axes, panel in zip(figure.axes, shown, strict=True):
        _draw(axes, logs, panel, x)
    figure.axes[-1].set_xlabel("iteration" if x == "iterations" else "seconds")
    if title:
        figure.suptitle(title)
    _save(figure, target)


def _figure(panels: int) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MinicaffeError('drawing needs matplotlib: pip install "minicaffe[plot]"') from error
    figure = Figure(figsize=(7.5, 0.8 + 2.3 * panels), dpi=120, layout="constrained")
    figure.subplots(panels, 1, sharex=True)
    return figure


def _draw(axes: Any, logs: list[TrainingLog], panel: str, x: str) -> None:
    drawn = [(log.name, curve) for log in logs for curve in curves(log, panel, x)]
    for name, (label, at, values) in drawn:
        text = " ".join(part for part in (name if len(logs) > 1 else "", label) if part)
        axes.plot(at, values, label=text or None, **_style(label, len(logs)))
        if panel == "accuracy":
            # Left of the last point lies its curve; left of a single one, the axis.
            shift, align = (-4, "right") if len(values) > 1 else (4, "left")
            axes.annotate(f"{values[-1]:g}", (at[-1], values[-1]), (shift, 5), textcoords="offset points", ha=align)
    _scale(axes, panel, [values for _, (_, _, values) in drawn])
    axes.set_ylabel(LABELS[panel])
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _style(label: str, logs: int) -> dict[str, Any]:
    """Tests are few: their points are marked. Training is many, noisy points: a thin line."""
    test = label.startswith("test")
    # One log: one colour for training, one for testing, in all panels. Several: as many colours as curves.
    color = {"color": "C1" if test else "C0"} if logs == 1 else {}
    return color | ({"marker": "o", "markersize": 3.5, "linewidth": 1.5} if test else {"linewidth": 0.9, "alpha": 0.8})


def _scale(axes: Any, panel: str, curves_values: list[list[float]]) -> None:
    if panel == "loss" and all(value > 0 for values in curves_values for value in values):
        axes.set_yscale("log")
    # The untrained net's accuracy would press all others together at the upper edge.
    if panel == "accuracy" and all(len(values) > 2 for values in curves_values):
        later = [value for values in curves_values for value in values[1:]]
        margin = 0.08 * (max(later) - min(later)) or 0.01
        axes.set_ylim(min(later) - 4 * margin, max(later) + 2 * margin)


def _save(figure: Any, target: Path) -> None:
    kinds = figure.canvas.get_supported_filetypes()
    kind = target.suffix[1:].lower()
    if kind not in kinds:
        text = f"has an extension that nothing is drawn as; end it in one of: {', '.join(sorted(kinds))}"
        raise ParamError(text, file=str(target))
    with atomic_path(target) as path:
        figure.savefig(path, format=kind)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="plot_log", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("logs", nargs="+", metavar="LOG", help="what training wrote on stderr, or --log_file")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the picture")
    parser.add_argument("--x", choices=["iterations", "seconds"], default="iterations", help="what the curves run over")
    parser.add_argument("--panels", default=",".join(PANELS), metavar="A,B", help="what to draw: loss,accuracy,rate")
    parser.add_argument("--title", default="", help="a line above the picture")
    flags = parser.parse_args(argv)
    logs = [read_log(path) for path in flags.logs]
    for path, log in zip(flags.logs, logs, strict=True):
        if not log.train and not log.tests:
            raise FormatError("holds no line of a training run: no 'Iteration N, loss = ...'", file=path)
    panels = flags.panels.split(",")
    if not set(panels) <= set(PANELS):
        raise ParamError(f"--panels is {flags.panels}, must be some of {', '.join(PANELS)}")
    plot(logs, flags.output, flags.x, flags.title, panels)
    say(f"{flags.output}: {len(logs)} log{'s' if len(logs) > 1 else ''} drawn")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
