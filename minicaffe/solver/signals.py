"""Ctrl-C, a closed terminal and a polite kill as requests to a solver. As signal_handler.cpp."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

from minicaffe.solver.actions import Action


class SignalHandler:
    """While the block runs, SIGINT, SIGHUP and SIGTERM ask for an action instead of ending the process.

        with SignalHandler(sigint=Action.STOP) as handler:
            solver.action_function = handler.poll

    A second Ctrl-C, before the stop that the first asked for was taken up or carried out, ends at once
    (KeyboardInterrupt). Signals reach a Python program's main thread; use it there.
    """

    def __init__(
        self, sigint: Action = Action.STOP, sighup: Action = Action.SNAPSHOT, sigterm: Action = Action.STOP
    ) -> None:
        # In the order in which they are taken up.
        self._effects = {signal.SIGTERM: sigterm, signal.SIGINT: sigint}
        # Windows has no SIGHUP.
        if hasattr(signal, "SIGHUP"):
            self._effects = {signal.SIGHUP: sighup, **self._effects}
        self._got = dict.fromkeys(self._effects, False)
        self._stopping = False
        self._before: dict[int, Any] = {}

    def poll(self) -> Action:
        """The action asked for since the last call; of several signals SIGHUP's first, others' with the next calls."""
        for number in self._effects:
            if self._got[number]:
                self._got[number] = False
                return self._effects[number]
        return Action.NONE

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._effects[signal.Signals(number)] is Action.STOP and number == signal.SIGINT:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True
        self._got[signal.Signals(number)] = True

    def __enter__(self) -> SignalHandler:
        for number in self._effects:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
