"""caffe.Timer."""

from __future__ import annotations

from minicaffe import backend, log
from minicaffe.net.timing import Clock


class Timer:
    """A stop watch for what this thread's device does.

        timer = caffe.Timer()
        timer.start()
        net.forward()
        timer.ms                                        # milliseconds

    In GPU mode it waits, at start and stop, until the GPU has done all it was asked for.
    """

    def __init__(self) -> None:
        self._clock: Clock | None = None
        self._start, self._elapsed = 0.0, 0.0
        self._running = False

    def start(self) -> None:
        """Begin to measure; nothing where it is running already."""
        if not self._running:
            self._clock = Clock(backend.active())
            self._start, self._running = self._clock(), True

    def stop(self) -> None:
        """End the measurement; nothing where none is running."""
        if self._running and self._clock is not None:
            self._elapsed, self._running = self._clock() - self._start, False

    @property
    def ms(self) -> float:
        """Milliseconds between start and stop. Stops a timer that runs; 0.0, and a warning, for one never started."""
        if self._clock is None:
            log.warning("Timer has never been run before reading time: call start() first")
        self.stop()
        return self._elapsed / 1000
