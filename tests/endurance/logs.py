"""Logs made comparable: what a run says, without when and how fast."""

from __future__ import annotations

import re

_PREFIX = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ", re.MULTILINE)
_SPEED = re.compile(r"^(Iteration \d+) \(.*?\), loss", re.MULTILINE)
# How long a batch was waited for is chance; where weights are written is told by the snapshot that follows.
_CHANCE = "Waiting for data"


def messages(text: str) -> list[str]:
    """The lines of a log, each without glog's prefix and the times in brackets."""
    lines = _SPEED.sub(r"\1, loss", _PREFIX.sub("", text)).splitlines()
    return [line for line in lines if line != _CHANCE]


def errors(text: str) -> list[str]:
    """The messages that were logged as ERROR."""
    return [_PREFIX.sub("", line) for line in text.splitlines() if line.startswith("E") and _PREFIX.match(line)]


def from_iteration(text: str, iteration: int) -> list[str]:
    """What is said from an iteration's first line on, be it of its test or of its loss; [] where there is none."""
    lines = messages(text)
    begins = (f"Iteration {iteration},", f"Iteration {iteration} ")
    return next((lines[i:] for i, line in enumerate(lines) if line.startswith(begins)), [])


def saved_iterations(text: str) -> list[int]:
    """The iterations whose pairs a run certainly completed: after them it said something else."""
    lines = messages(text)
    states = [(i, re.match(r"Snapshotting solver state to .*_iter_(\d+)\.", line)) for i, line in enumerate(lines)]
    failed = ("Snapshot failed", "error:")
    return [int(m[1]) for i, m in states if m and i + 1 < len(lines) and not lines[i + 1].startswith(failed)]
