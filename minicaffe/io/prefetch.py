"""Batches made ahead of their use, by a thread of their own.

    prefetcher = Prefetcher(layer.fill, [Batch() for _ in range(4)])
    prefetcher.start()
    batch = prefetcher.get()        the next one
    ...
    prefetcher.release()            it may be filled again; so it may anyhow with the next get

The thread fills what is free and waits when nothing is. It never keeps its layer alive: it ends when the layer is
gone, when the main thread ends, and when it is told to; a script that forgets to close exits at once.
"""

from __future__ import annotations

import atexit
import inspect
import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from minicaffe.errors import MinicaffeError

Slot = TypeVar("Slot")
# Seconds after which who waits looks whether the other side is still there.
_PATIENCE = 0.5
# Seconds that closing waits for a batch that is being made.
_FAREWELL = 5.0
_NOT_RUNNING = "reads no data any more: it was closed, or never started"


class Prefetcher(Generic[Slot]):
    """A ring of slots that a thread fills in turn.

    fill: called in the thread with a free slot; fills it, and returns the state from which the next batch follows.
          Of a bound method only a weak reference is kept.
    slots: what is filled, used again and again; as many batches are ready at most, the one in use included.
    waits: how often `get` found no batch ready.
    """

    def __init__(self, fill: Callable[[Slot], Any], slots: Sequence[Slot], name: str = "prefetch") -> None:
        self._fill: Callable[[], Any] = weakref.WeakMethod(fill) if inspect.ismethod(fill) else lambda: fill
        self._slots = list(slots)
        self._name = name
        self._lane: _Lane | None = None
        self._state: Any = None
        self._closed = False
        self.waits = 0

    @property
    def running(self) -> bool:
        """Whether it was started, and neither stopped nor closed since."""
        return self._lane is not None

    def start(self, state: Any = None) -> None:
        """Begin to fill. state: what `state` gives until the first batch is taken.

        Raises MinicaffeError once it is closed.
        """
        self.stop()
        if self._closed:
            raise MinicaffeError(_NOT_RUNNING)
        self._state = state
        self._lane = _Lane(self._fill, self._slots, self._name)
        # Not even the finalizer may know the batches: an exception among them knows the layer.
        finalizer = weakref.finalize(self, _halt, self._lane.halted, self._lane.free)
        finalizer.atexit = False
        self._lane.thread.start()

    def get(self, waiting: Callable[[], Any] | None = None) -> Slot:
        """The next batch, which is the caller's until it is released, or the next is asked for.

        waiting: called before a wait, where no batch is ready.
        An exception that `fill` raised is raised here as itself, once the batches before it are taken; and again on
        each further call, until `start`. Raises MinicaffeError where nothing is started or the thread is gone.
        """
        if self._lane is None:
            raise MinicaffeError(_NOT_RUNNING)
        slot, self._state = self._lane.take(self, waiting)
        return slot

    def release(self) -> None:
        """Let the batch that was taken be filled again; once is enough."""
        if self._lane:
            self._lane.release()

    def state(self) -> Any:
        """The state after the batch that was taken last, whatever was made since."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether `close` was called: it never starts again."""
        return self._closed

    def stop(self) -> None:
        """End the thread and throw away what it made; returns once nothing is being made any more."""
        if self._lane:
            self._lane.halt()
            self._lane.thread.join()
            self._lane = None

    def close(self) -> None:
        """End the thread, for good; waits 5 seconds at most for a batch that is being made."""
        self._closed = True
        if self._lane:
            self._lane.halt()
            self._lane.thread.join(_FAREWELL)
            self._lane = None


class _Lane:
    """What a thread and its consumer share, from one start to the next stop."""

    def __init__(self, fill: Callable[[], Any], slots: Sequence[Any], name: str) -> None:
        self.free: queue.SimpleQueue = queue.SimpleQueue()
        self.ready: queue.SimpleQueue = queue.SimpleQueue()
        self.halted = threading.Event()
        for slot in slots:
            self.free.put(slot)
        self._in_use: list[Any] = []
        self._failure: tuple[BaseException, TracebackType | None] | None = None
        arguments = (fill, self.free, self.ready, self.halted)
        self.thread = threading.Thread(target=_produce, args=arguments, name=name, daemon=True)
        _lanes.add(self)

    def take(self, prefetcher: Prefetcher, waiting: Callable[[], Any] | None) -> tuple[Any, Any]:
        """Slot and state of the next batch; gives the slot before back."""
        if self._failure:
            raise self._failure[0].with_traceback(self._failure[1])
        self.release()
        slot, state, error = self._wait(prefetcher, waiting)
        if error is not None:
            self._failure = error, error.__traceback__
            raise error
        self._in_use.append(slot)
        return slot, state

    def release(self) -> None:
        while self._in_use:
            self.free.put(self._in_use.pop())

    def halt(self) -> None:
        _halt(self.halted, self.free)

    def _wait(self, prefetcher: Prefetcher, waiting: Callable[[], Any] | None) -> tuple[Any, Any, BaseException | None]:
        try:
            return self.ready.get_nowait()
        except queue.Empty:
            prefetcher.waits += 1
            if waiting is not None:
                waiting()
        while True:
            # Looked at before waiting: what ends later has put its last batch by then.
            alive = self.thread.is_alive()
            try:
                return self.ready.get(timeout=_PATIENCE)
            except queue.Empty:
                if not alive:
                    raise MinicaffeError(
                        "gets no more data: its thread is gone; build the net in the process that runs it "
                        "(threads do not survive a fork)"
                    ) from None


# Weak: a lane ends with its prefetcher.
_lanes: weakref.WeakSet[_Lane] = weakref.WeakSet()


def _produce(
    fill: Callable[[], Any], free: queue.SimpleQueue, ready: queue.SimpleQueue, halted: threading.Event
) -> None:
    """The thread: fill free slots until told to halt, or until the owner of `fill` is gone."""
    while not halted.is_set():
        try:
            slot = free.get(timeout=_PATIENCE)
        except queue.Empty:
            if fill() is None or not threading.main_thread().is_alive():
                return
            continue
        if halted.is_set():
            return
        # Held while it works, and not while it waits.
        work = fill()
        if work is None:
            return
        try:
            ready.put((slot, work(slot), None))
        except BaseException as error:
            ready.put((None, None, error))
            return
        finally:
            del work


def _halt(halted: threading.Event, free: queue.SimpleQueue) -> None:
    halted.set()
    # Wakes the thread where it waits for a slot.
    free.put(None)


@atexit.register
def _halt_all() -> None:
    """A thread that computes while the interpreter is taken down can bring the process to a bad end."""
    lanes = list(_lanes)
    for lane in lanes:
        lane.halt()
    for lane in lanes:
        if lane.thread.is_alive():
            lane.thread.join(_PATIENCE)
