"""The lines that a training run shows of an iteration, and its speed."""

from __future__ import annotations

import time
from typing import Any

from minicaffe import log
from minicaffe.net.net import Net
from minicaffe.solver.outputs import log_outputs, output_values


class Display:
    """Logs every `display` iterations. As solver.cpp, Step, whose timer counts whole milliseconds.

    display: in iterations; 0 for never.
    """

    def __init__(self, display: int) -> None:
        self.display = display
        self._last_iteration: int | None = None
        self.restart()

    def restart(self) -> None:
        """Start the clock of the next line."""
        self._started = time.monotonic()

    def show(self, iteration: int, loss: float, net: Net) -> None:
        """The iteration's line, with the smoothed loss, then a line for each value of the net's outputs."""
        seconds = int((time.monotonic() - self._started) * 1000) / 1000
        # The first line has nothing to count from (Caffe counts from what the memory happened to hold).
        done = 0 if self._last_iteration is None else iteration - self._last_iteration
        speed = f"({log.g(done / (seconds or 1))} iter/s, {log.g(seconds)}s/{self.display} iters)"
        log.info(f"Iteration {iteration} {speed}, loss = {log.g(loss)}")
        self._last_iteration = iteration
        self.restart()
        if log.enabled(log.INFO):
            log_outputs(net, output_values(net), "Train net")


class Progress:
    """Who wants to follow a run without reading its log: a progress bar. Each method may be overridden."""

    def advanced(self, iteration: int) -> None:
        """So many updates are done."""

    def displayed(self, loss: float) -> None:
        """The smoothed loss was logged."""

    def tested(self, net: Net, means: list[Any]) -> None:
        """A test of a testing net is through; means: an array for each of its outputs."""
