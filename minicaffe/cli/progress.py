"""Progress bars, on terminals only."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from minicaffe import log
from minicaffe.net.net import Net
from minicaffe.solver.display import Progress


@contextlib.contextmanager
def bar_on_terminal(total: int, done: int = 0, unit: str = "it") -> Iterator[Any]:
    """A tqdm bar on stderr for the block, beside the log; None where stderr is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=unit, file=sys.stderr, **_size()) as bar, log.beside(bar):
        yield bar


def _size() -> dict[str, Any]:
    """tqdm's settings for the terminal's size: the size itself may change, but one that is unknown has to be given.

    A terminal that does not know its size says 0, and a bar of no column, or on a screen of no line, is not drawn.
    """
    try:
        known = all(os.get_terminal_size(sys.stderr.fileno()))
    except OSError:
        known = False
    columns, lines = shutil.get_terminal_size()
    return {"dynamic_ncols": True} if known else {"ncols": columns, "nrows": lines}


class TrainingBar(Progress):
    """Iteration, iterations a second, time left; with them the smoothed loss and the last test's accuracy."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self._shown: dict[str, str] = {}

    def advanced(self, iteration: int) -> None:
        self.bar.update(iteration - self.bar.n)

    def displayed(self, loss: float) -> None:
        self._show("loss", loss)

    def tested(self, net: Net, means: list[Any]) -> None:
        # The first output that is no loss; with several testing nets, the last one's.
        for name, mean in zip(net.outputs, means, strict=False):
            if not net.blob_loss_weights.get(name) and mean.size == 1:
                self._show(name, mean[0])
                return

    def _show(self, name: str, value: Any) -> None:
        self._shown[name] = log.g(value)
        self.bar.set_postfix(self._shown)
