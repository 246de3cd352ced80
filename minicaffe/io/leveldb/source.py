"""Where entries come from: the logs, and each table. Merged by key, the newest change of a key wins."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from minicaffe.io.leveldb.coding import VALUE, Malformed


class Entry(NamedTuple):
    """A change of a key. tag: sequence number << 8 | kind; where: the value's place, as its source understands it."""

    key: bytes
    tag: int
    source: Source
    where: Any


class Source(ABC):
    """Entries in ascending order of keys, newest first among those of one key; no key outside smallest..largest."""

    def __init__(self, smallest: bytes = b"", largest: bytes = b"") -> None:
        self.smallest, self.largest = smallest, largest

    @abstractmethod
    def entries(self, first_key: bytes) -> Iterator[Entry]:
        """The entries from `first_key` on; no value is read."""

    @abstractmethod
    def value(self, where: Any) -> bytes:
        """The value at an entry's place."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""


def merge(sources: Iterable[Source], first_key: bytes = b"") -> Iterator[Entry]:
    """The living entries of all sources from `first_key` on: each key once, its newest value, deleted ones left out."""
    chains = [_chained(chain, first_key) for chain in _disjoint(sources)]
    entries = chains[0] if len(chains) == 1 else heapq.merge(*chains, key=_newest_first)
    last = None
    for entry in entries:
        if last is not None and entry.key <= last:
            if entry.key < last:
                raise Malformed(f"key {entry.key!r} stands behind {last!r}")
            continue
        last = entry.key
        if entry.tag & 0xFF == VALUE:
            yield entry


def _newest_first(entry: Entry) -> tuple[bytes, int]:
    return entry.key, -entry.tag


def _disjoint(sources: Iterable[Source]) -> list[list[Source]]:
    """Sources in chains, each in the order of keys: most databases make one chain, and need no merging."""
    chains: list[list[Source]] = []
    for source in sorted(sources, key=lambda source: source.smallest):
        for chain in chains:
            if chain[-1].largest < source.smallest:
                chain.append(source)
                break
        else:
            chains.append([source])
    return chains


def _chained(chain: list[Source], first_key: bytes) -> Iterator[Entry]:
    for source in chain:
        if source.largest >= first_key:
            yield from source.entries(first_key)
