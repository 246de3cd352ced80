"""What a trial counted, and what it found wrong."""

from __future__ import annotations

from collections import Counter


class Tally:
    """counts: of what happened, by name.  faults: sentences; none is what every trial hopes for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] += number

    def fault(self, what: str, text: str) -> None:
        """Something that must never happen; counted under its own name."""
        self.counts[what] += 1
        self.faults.append(f"{what}: {text}")

    def add(self, told: dict) -> None:
        """Take in what another process counted: {"counts": ..., "faults": ...}."""
        self.counts.update(told["counts"])
        self.faults += told["faults"]

    def report(self) -> str:
        lines = [f"{number:8d}  {what}" for what, number in self.counts.items()]
        return "\n".join([*lines, *self.faults, f"{len(self.faults):8d}  faults"])
