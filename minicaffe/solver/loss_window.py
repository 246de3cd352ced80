"""The loss that is displayed: smoothed over the last `average_loss` iterations."""

from __future__ import annotations

from typing import Any

from minicaffe.backend import Backend
from minicaffe.errors import FormatError

# How many losses may wait before they are fetched from the device.
MOST_PENDING = 256


class LossWindow:
    """A running mean, in the net's own precision, as solver.cpp, UpdateSmoothedLoss:

        s = (s * (m - 1) + loss) / m              while the window fills; m losses with this one
        s = s + (loss - old[i]) / size            then; i = (iteration - start) mod size, old[i] = loss

    size: average_loss, in iterations.  start: the iteration at which the window was empty.
    Losses may be arrays of the device; they are fetched together when `smoothed` is asked for.
    """

    def __init__(self, size: int, start: int, backend: Backend, dtype: Any) -> None:
        self.size, self.start = size, start
        self._backend, self._real = backend, dtype.type
        self._losses: list[Any] = []
        self._smoothed = self._real(0)
        self._pending: list[tuple[int, Any]] = []

    def add(self, iteration: int, loss: Any) -> None:
        """Take in the loss of one iteration: a number, or a 0-d array of the backend."""
        self._pending.append((iteration, loss))
        if len(self._pending) >= MOST_PENDING:
            self._take_in()

    @property
    def smoothed(self) -> float:
        """The smoothed loss, 0 before the first."""
        self._take_in()
        return float(self._smoothed)

    def state(self) -> dict:
        """What a run that goes on needs, as plain numbers."""
        self._take_in()
        losses = [float(loss) for loss in self._losses]
        return {"size": self.size, "start": self.start, "losses": losses, "smoothed": float(self._smoothed)}

    def restore(self, state: dict) -> None:
        """Take up what `state` gave; a window of another size starts empty.

        Raises FormatError for what is no window.
        """
        try:
            size, start = int(state["size"]), int(state["start"])
            losses = [self._real(loss) for loss in state["losses"]]
            smoothed = self._real(state["smoothed"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"the window of losses in the snapshot cannot be read ({error!r})") from error
        if size == self.size:
            self.start, self._losses, self._smoothed = start, losses, smoothed

    def _take_in(self) -> None:
        pending, self._pending = self._pending, []
        for (iteration, _), loss in zip(pending, self._fetch([loss for _, loss in pending]), strict=True):
            self._push(iteration, self._real(loss))

    def _fetch(self, losses: list[Any]) -> Any:
        """The losses on the host, in one transfer."""
        if not (losses and self._backend.is_gpu):
            return losses
        xp = self._backend.xp
        return self._backend.to_host(xp.stack([xp.asarray(loss) for loss in losses]))

    def _push(self, iteration: int, loss: Any) -> None:
        real = self._real
        if len(self._losses) < self.size:
            self._losses.append(loss)
            count = len(self._losses)
            self._smoothed = real((self._smoothed * real(count - 1) + loss) / real(count))
        else:
            slot = (iteration - self.start) % self.size
            self._smoothed = real(self._smoothed + (loss - self._losses[slot]) / real(self.size))
            self._losses[slot] = loss
