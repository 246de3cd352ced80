"""Pictures of learning curves, by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minicaffe.errors import MinicaffeError, ParamError
from minicaffe.io.atomic import atomic_path
from minicaffe.tools.learning_curves import PANELS, Curve, curves
from minicaffe.tools.log_reader import TrainingLog

LABELS = {"loss": "loss", "accuracy": "accuracy", "rate": "learning rate"}
MARKERS, DASHES = "os^DvP", ("-", "--", ":", "-.")
# As many colours as can be told apart; of more logs each has one of a scale.
COLORS = 10
# From this ratio on rates lie on a logarithmic axis: two steps of "gamma: 0.1".
DECADES = 50
# Entries that a panel's legend has room for.
MOST = 8
LEGEND = {"framealpha": 0.8, "edgecolor": "none", "fontsize": "small"}
# What a file would otherwise hold of the moment, and of chance: the same logs give the same bytes.
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


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
    figure = _figure(len(shown), _columns(logs, x)[1] if len(logs) > 1 else 0)
    for axes, panel in zip(figure.axes, shown, strict=True):
        draw(axes, logs, panel, x)
    figure.axes[-1].set_xlabel("iteration" if x == "iterations" else "seconds")
    if len(logs) > 1:
        _name_logs(figure, logs, title, x)
    elif title:
        figure.suptitle(title)
    _save(figure, target)


def _figure(panels: int, lines: int) -> Any:
    """lines: of the legend above all panels."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MinicaffeError('drawing needs matplotlib: pip install "minicaffe[plot]"') from error
    figure = Figure(figsize=(7.5, 0.8 + 2.3 * panels + 0.22 * lines), dpi=120, layout="constrained")
    figure.subplots(panels, 1, sharex=True)
    return figure


def draw(axes: Any, logs: list[TrainingLog], panel: str, x: str) -> None:
    """One panel with the curves of all logs."""
    drawn = [(index, curve) for index, log in enumerate(logs) for curve in curves(log, panel, x)]
    nets = {curve.net for _, curve in drawn if curve.net is not None}
    several = len(logs) > 1
    lines = []
    for index, curve in drawn:
        style = _style(curve, logs[index], panel, _color(index, len(logs)) if several else _color(_net(curve), COLORS))
        (line,) = axes.plot(curve.x, curve.y, label=_label(curve, len(nets) > 1), **style)
        lines.append(line)
        if curve.diverged is not None:
            axes.plot(*curve.last, marker="x", markersize=9, markeredgewidth=2, color=style["color"], linestyle="")
    _scale(axes, panel, [curve.y for _, curve in drawn])
    _dress(axes, LABELS[panel])
    _explain(axes, panel, [curve for _, curve in drawn], lines, several)


def _net(curve: Curve) -> int:
    """0 for the training net, then the testing nets."""
    return 0 if curve.net is None else 1 + curve.net


def _color(number: int, count: int) -> Any:
    from matplotlib import colormaps

    if count <= COLORS:
        return colormaps["tab10"](number % COLORS)
    return colormaps["turbo"](0.05 + 0.9 * number / (count - 1))


def _style(curve: Curve, log: TrainingLog, panel: str, color: Any) -> dict[str, Any]:
    """Tests are few: their points are marked. Training is many, noisy points: a thin line.

    Testing nets differ in their marks, one net's outputs in their dashes.
    """
    outputs = [other.output for other in curves(log, panel) if other.net == curve.net]
    dashes = DASHES[((curve.net or 0) + outputs.index(curve.output)) % len(DASHES)]
    if curve.net is None:
        return {"color": color, "linewidth": 0.9, "alpha": 0.8, "linestyle": dashes}
    marker = MARKERS[curve.net % len(MARKERS)]
    return {"color": color, "linewidth": 1.5, "marker": marker, "markersize": 3.5, "linestyle": dashes}


def _label(curve: Curve, numbered: bool) -> str:
    net = "train" if curve.net is None else f"test #{curve.net}" if numbered else "test"
    return f"{net} {curve.output}".rstrip()


def _diverged(curve: Curve) -> str:
    return "" if curve.diverged is None else f" (no number from {curve.diverged:g} on)"


def _scale(axes: Any, panel: str, values: list[list[float]]) -> None:
    finite = [value for curve in values for value in curve if not math.isnan(value)]
    positive = min(finite) > 0
    if positive and (panel == "loss" or (panel == "rate" and max(finite) >= DECADES * min(finite))):
        axes.set_yscale("log")
    # The untrained net's accuracy would press all others together at the upper edge.
    later = [value for curve in values for value in curve[1:] if not math.isnan(value)]
    if panel == "accuracy" and later and all(len(curve) > 2 for curve in values):
        margin = 0.08 * (max(later) - min(later)) or 0.01
        axes.set_ylim(min(later) - 4 * margin, max(later) + 2 * margin)


def _dress(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _explain(axes: Any, panel: str, drawn: list[Curve], lines: list[Any], several: bool) -> None:
    """What the lines are; of several logs in black, as their colours are the logs'. And the last accuracies."""
    if panel == "accuracy" and len(drawn) > 1:
        ranked = sorted(zip(drawn, lines, strict=True), key=lambda pair: -pair[0].last[1])[:MOST]
        labels = [f"{_of(line)}: {curve.last[1]:g}" for curve, line in ranked]
        axes.legend([line for _, line in ranked], labels, **LEGEND, loc="lower right")
        return
    if panel == "accuracy":
        _write_last(axes, drawn[0])
    if several:
        kinds = {_of(line): _blackened(line) for line in lines}
        if len(kinds) > 1:
            axes.legend(kinds.values(), kinds, **LEGEND, loc="upper right")
    elif panel != "rate":
        axes.legend(lines, [_of(line) + _diverged(curve) for line, curve in zip(lines, drawn, strict=True)], **LEGEND)


def _write_last(axes: Any, curve: Curve) -> None:
    # Left of the last point lies its curve; left of a single one, the axis.
    shift, align = (-4, "right") if len(curve.y) > 1 else (4, "left")
    axes.annotate(f"{curve.last[1]:g}", curve.last, (shift, 5), textcoords="offset points", ha=align)


def _of(line: Any) -> str:
    return str(line.get_label())


def _blackened(line: Any) -> Any:
    from matplotlib.lines import Line2D

    handle = Line2D([], [])
    handle.update_from(line)
    handle.set_color("black")
    return handle


def _name_logs(figure: Any, logs: list[TrainingLog], title: str, x: str) -> None:
    """The colours of the logs, above all panels."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_color(index, len(logs)), linewidth=3) for index in range(len(logs))]
    settings = {"loc": "outside upper center", "ncols": _columns(logs, x)[0], "title": title or None}
    figure.legend(handles, [_name(log, x) for log in logs], frameon=False, **settings)


def _name(log: TrainingLog, x: str) -> str:
    return log.name + "".join(_diverged(curve) for curve in curves(log, "loss", x)[:1])


def _columns(logs: list[TrainingLog], x: str) -> tuple[int, int]:
    """(columns, lines) of the logs' names; a line has room for 90 characters, about."""
    columns = max(1, min(len(logs), 90 // (8 + max(len(_name(log, x)) for log in logs))))
    return columns, -(-len(logs) // columns)


def _save(figure: Any, target: Path) -> None:
    from matplotlib import rc_context

    kinds = figure.canvas.get_supported_filetypes()
    kind = target.suffix[1:].lower()
    if kind not in kinds:
        text = f"has an extension that nothing is drawn as; end it in one of: {', '.join(sorted(kinds))}"
        raise ParamError(text, file=str(target))
    with atomic_path(target) as path, rc_context({"svg.hashsalt": "minicaffe"}):
        figure.savefig(path, format=kind, metadata=METADATA.get(kind))
