"""A team of threads that shares the work of one kernel call.

NumPy lets go of Python's lock inside its loops, so two threads can copy, compare and multiply at the
same time. A kernel cuts its work into parts by shape alone, never by timing, so results do not depend
on who was faster. While the team works each thread calls BLAS for itself: its own threads are off
(`one_blas_thread`), which is faster than letting them share each small product, too.
"""

from __future__ import annotations

import collections
import functools
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

# How often a thread looks for work, a few microseconds apart, before it goes to sleep.
LOOKS = 60
IDLE_VALUES = 1000
_idle = threading.local()

# Values a single NumPy call works on from which sharing it pays: threads wait for Python's lock between
# calls, so a part's calls have to take 20 microseconds and more (measured: docs/performance.md).
SMALLEST_SHARED_WORK = 1 << 17


def default_size() -> int:
    """MINICAFFE_NUM_THREADS, or the processors this process may use, at most 8."""
    asked = os.environ.get("MINICAFFE_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class Team:
    """`size` threads, the caller's among them; the others start with the first shared call."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reset()

    def reset(self) -> None:
        """Forget the threads: in a forked child they are not there."""
        self._work: list[queue.SimpleQueue] = []
        self._lock = threading.Lock()

    def run(self, function: Callable[..., Any], parts: Sequence[Any]) -> None:
        """function(part) for every part; returns when all are done. Exceptions come through.

        Parts go to threads round robin. A call from inside a part, or while another thread has the
        team, runs its parts one after the other.
        """
        if len(parts) < 2 or self.size < 2 or not self._lock.acquire(blocking=False):
            for part in parts:
                function(part)
            return
        try:
            self._share(function, parts)
        finally:
            self._lock.release()

    def _share(self, function: Callable[..., Any], parts: Sequence[Any]) -> None:
        while len(self._work) < self.size - 1:
            self._start()
        helpers = min(self.size, len(parts)) - 1
        done: queue.SimpleQueue = queue.SimpleQueue()
        results: list[BaseException | None] = []
        for i in range(helpers):
            self._work[i].put((function, parts[i + 1 :: helpers + 1], results, done))
        error = attempt(function, parts[:: helpers + 1])
        watch(lambda: len(results) == helpers)
        while len(results) < helpers:
            try:
                done.get()
            except KeyboardInterrupt as interrupt:
                # The others are still writing into this call's arrays: wait for them all the same.
                error = interrupt
        error = next((result for result in results if result is not None), error)
        if error is not None:
            raise error

    def _start(self) -> None:
        work: queue.SimpleQueue = queue.SimpleQueue()
        self._work.append(work)
        threading.Thread(target=serve, args=(work,), name="minicaffe kernel", daemon=True).start()


def serve(work: queue.SimpleQueue) -> None:
    """A helper's life: do what comes, say so. The result is noted before the caller is woken.

    NumPy's warnings are a thread's own setting: here they are off, as a layer has them off in the caller's thread.
    """
    with np.errstate(all="ignore"):
        while True:
            watch(lambda: not work.empty())
            function, parts, results, done = work.get()
            results.append(attempt(function, parts))
            done.put(None)
            # Nothing of the call may live on while this thread waits for the next.
            del function, parts, results, done


def watch(arrived: Callable[[], bool]) -> None:
    """Keep looking for what will come soon, for a while; then the caller may go to sleep.

    Waking a sleeping thread took 80 microseconds, a sixth of what a LeNet step gives it to do at a time. What
    this thread does between two looks is of no use but to let go of Python's lock.
    """
    idle = getattr(_idle, "values", None)
    if idle is None:
        idle = _idle.values = np.ones(IDLE_VALUES)
    for _ in range(LOOKS):
        if arrived():
            return
        np.sin(idle, out=idle)


def attempt(function: Callable[..., Any], parts: Sequence[Any]) -> BaseException | None:
    try:
        for part in parts:
            function(part)
    except BaseException as error:  # handed to the caller's thread, which raises it
        return error
    return None


TEAM = Team(default_size())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.reset)


def cut(size: int, work: int) -> list[slice]:
    """range(size) in as many slices as there are threads; one slice if `work` values are too few to share."""
    return list(_slices(size, min(TEAM.size, size) if work >= SMALLEST_SHARED_WORK else 1))


@functools.lru_cache(maxsize=1024)
def _slices(size: int, count: int) -> tuple[slice, ...]:
    bounds = [size * i // max(1, count) for i in range(count + 1)]
    return tuple(slice(a, b) for a, b in pairwise(bounds))


def deal(parts: Sequence[Any]) -> list[tuple[int, Iterator[Any]]]:
    """(thread, its share of the parts) for as many threads as can have one: a thread that is done takes the next.

    For parts whose results are the same whoever computes them.
    """
    left = collections.deque(parts)
    return [(thread, taken(left)) for thread in range(min(TEAM.size, len(parts)))]


def taken(left: collections.deque) -> Iterator[Any]:
    """What is left, each once, in whichever threads ask."""
    while True:
        try:
            part = left.popleft()
        except IndexError:
            return
        yield part


class BlasThreads:
    """How many threads BLAS uses a call: one while anyone is inside `one_blas_thread`, else what it was set to.

    The number is the process's own, and two nets may run in two threads: who comes first saves it, who goes
    last restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._libraries: list[Any] | None = None
        self._before: list[int] = []

    def enter(self) -> None:
        with self._lock:
            if self._libraries is None:
                from threadpoolctl import ThreadpoolController

                self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            self._inside += 1
            if self._inside == 1:
                self._before = [library.get_num_threads() for library in self._libraries]
                self._set([1] * len(self._libraries))

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._set(self._before)

    def _set(self, counts: Sequence[int]) -> None:
        for library, count in zip(self._libraries or (), counts, strict=True):
            library.set_num_threads(count)


_blas_threads = BlasThreads()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, BLAS uses one thread a call; afterwards as many as before."""
    if TEAM.size < 2:
        yield
        return
    _blas_threads.enter()
    try:
        yield
    finally:
        _blas_threads.leave()
