"""Times two programs in turn, so that a machine whose speed drifts drifts for both.

Each program is a worker: a process that reads one JSON line a request and answers with one. While one
works the other sleeps, so neither's spinning threads disturb the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MISSING_PEER = 2


class Worker:
    """A benchmark script in a process of its own, asked by `ask`."""

    def __init__(self, script: str, *arguments: str, python: str = sys.executable) -> None:
        environment = dict(os.environ, PYTHONPATH=str(HERE.parent))
        # A workplace may pin BLAS's kernels; a user's machine does not.
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        command = [python, str(HERE / script), *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, **request: Any) -> Any:
        """Send a request, wait for the answer. Ends this program where the worker has ended."""
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(self.process.wait() or 1)
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(**handlers: Callable[..., Any]) -> None:
    """A worker's main loop: {"do": name, ...} calls handlers[name](...) and answers with what it returns."""
    answers = sys.stdout
    # What the code under test prints must not be taken for an answer.
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request.pop("do")](**request)), file=answers, flush=True)


def milliseconds(work: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def usual(work: Callable[[], Any], steps: int) -> float:
    """The median of some calls in a row, in milliseconds: on a shared machine a few take a hundred times as long."""
    return statistics.median(milliseconds(work) for _ in range(steps))


def compare(ours: Worker, theirs: Worker, rounds: int, steps: int) -> tuple[list[float], list[float]]:
    """Milliseconds a step of each, round by round, the two in turn; "run" answers with those of all its steps."""
    for worker in (ours, theirs):
        worker.ask(do="run", steps=steps)  # warm up
    pairs = []
    for _ in range(rounds):
        pairs.append([worker.ask(do="run", steps=steps) / steps for worker in (ours, theirs)])
    first, second = zip(*pairs, strict=True)
    return list(first), list(second)


def report(name: str, ours: list[float], peer: str, theirs: list[float]) -> float:
    """Print medians and the median of the rounds' ratios; return that ratio."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    for label, values in ((name, ours), (peer, theirs)):
        print(
            f"{label:12s} median {statistics.median(values):7.2f} ms   min {min(values):7.2f}   max {max(values):7.2f}"
        )
    print(f"ratio {name} / {peer}: {ratio:.2f}   ({len(ours)} rounds in turn)")
    return ratio


def need(module: str, install: str) -> None:
    """End with status 2, saying what to install, where a peer is not there."""
    try:
        __import__(module)
    except ImportError:
        print(f"{module} is not installed: pip install {install}", file=sys.stderr)
        raise SystemExit(MISSING_PEER) from None
