"""Learning curves: what of a training log belongs into which panel of a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from minicaffe.tools.log_reader import Row, TrainingLog

PANELS = ("loss", "accuracy", "rate")


@dataclass(frozen=True)
class Curve:
    """Points of one log.

    net: the testing net's number, None for the training net.  output: what of the net it is, "" for its smoothed loss
    and its learning rate.
    x: iterations or seconds.  y: values; nan where the log has one that is no number.
    """

    net: int | None
    output: str
    x: list[float]
    y: list[float]

    @property
    def last(self) -> tuple[float, float]:
        """The last point that is one."""
        return next((x, y) for x, y in zip(self.x[::-1], self.y[::-1], strict=True) if not math.isnan(y))

    @property
    def diverged(self) -> float | None:
        """x of the first value behind the last point, where no number comes any more."""
        return None if self.last[0] == self.x[-1] else self.x[self.x.index(self.last[0]) + 1]


def curves(log: TrainingLog, panel: str, x: str = "iterations") -> list[Curve]:
    """The curves of a log that belong to a panel; those without a point are left out.

    loss: the displayed loss in training, and every output with "loss" in its name in testing.
    accuracy: all nets' other outputs.  rate: the learning rate.
    """
    return [curve for curve in _curves(log, panel, x) if not all(map(math.isnan, curve.y))]


def _curves(log: TrainingLog, panel: str, x: str) -> Iterator[Curve]:
    if panel == "rate":
        yield _curve(None, "", log.train, lambda row: row.rate, x)
        return
    if panel == "loss":
        yield _curve(None, "", log.train, lambda row: row.loss, x)
    else:
        yield from _outputs(None, log.train, False, x)
    for number, rows in sorted(log.tests.items()):
        yield from _outputs(number, rows, panel == "loss", x)


def _outputs(net: int | None, rows: Sequence[Row], losses: bool, x: str) -> Iterator[Curve]:
    names = dict.fromkeys(name for row in rows for name in row.outputs if ("loss" in name.lower()) is losses)
    for name in names:
        yield _curve(net, name, rows, _output(name), x)


def _output(name: str) -> Callable[[Row], float | None]:
    return lambda row: row.outputs.get(name)


def _curve(net: int | None, output: str, rows: Sequence[Row], value: Callable[[Row], float | None], x: str) -> Curve:
    points = [(row.seconds if x == "seconds" else row.iteration, value(row)) for row in rows]
    known = [(at, y if math.isfinite(y) else math.nan) for at, y in points if y is not None]
    return Curve(net, output, [at for at, _ in known], [y for _, y in known])
