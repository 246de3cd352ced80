"""Exact resume: what a run needs beside Caffe's fields, so that it goes on bit for bit as if it had not been stopped.

    {"net": ..., "test_nets": [...], "loss_window": ..., "threads": ...}

of the nets the seed, and of their layers data positions, counters of draws and memories (Net.state). Numbers and
strings only, a few hundred bytes: never a permutation, as seed and epoch determine it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from minicaffe import log
from minicaffe.errors import FormatError
from minicaffe.net.net import Net
from minicaffe.solver.loss_window import LossWindow


def kept(net: Net, test_states: Sequence[dict], window: LossWindow) -> dict:
    """What a snapshot keeps. test_states: Net.state() of each testing net, taken before a test that is under way."""
    threads = net.backend.threads
    return {"net": net.state(), "test_nets": list(test_states), "loss_window": window.state(), "threads": threads}


@contextmanager
def going_on(extra: dict, net: Net, test_nets: Sequence[Net], path: str) -> Iterator[None]:
    """Let the nets go on where they stood; if the block raises, they stand where they stood before it.

    extra: what `kept` gave; {} for a snapshot of Caffe's, which does not say where: the data go on as they are.
    Raises FormatError, DataError for what does not belong to these nets, or to their data. path: of the solverstate.
    """
    states = [extra["net"], *_test_states(extra, path)] if "net" in extra else []
    # There may be more test nets now, or fewer.
    pairs = list(zip((net, *test_nets), states, strict=False))
    before = [(one, one.state()) for one, _ in pairs]
    try:
        for one, state in pairs:
            one.restore(state)
        yield
    except BaseException:
        for one, state in before:
            one.restore(state)
        raise
    tell_threads(extra, net)


def _test_states(extra: dict, path: str) -> list[dict]:
    states: Any = extra.get("test_nets", [])
    if (
        not isinstance(extra["net"], dict)
        or not isinstance(states, list)
        or not all(isinstance(s, dict) for s in states)
    ):
        raise FormatError("what it keeps of the nets is not what minicaffe writes there", file=path)
    return states


def tell_threads(extra: dict, net: Net) -> None:
    """Warn where sums will be cut up otherwise than before: the last bits may then be others."""
    before, now = extra.get("threads", net.backend.threads), net.backend.threads
    if before != now:
        log.warning(
            f"The run that is resumed used {before} threads, this one uses {now}: it goes on, but not bit for bit; "
            f"set MINICAFFE_NUM_THREADS={before} for that"
        )
