"""Stages one and two of the layout: a rank for each node, and lanes for wires that pass ranks by.

A graph in ranks has wires from each rank to the next only. Where a wire passes ranks by, it gets a node in each of
them, a lane, which keeps the place free for it. Wires of one blob share their lanes as far as they go together.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Wire:
    """From a node to another, by index. trunk: wires of one source with the same trunk may share their lanes."""

    source: int
    target: int
    trunk: int = 0


@dataclass
class Ranked:
    """Nodes 0 ... count - 1, then lanes; all in ranks.

    ranks: of each node and lane. links: (from, to), each to the next rank. paths: for each wire the nodes and lanes
    that it goes through, both ends included.
    """

    count: int
    ranks: list[int]
    links: list[tuple[int, int]] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)

    @functools.cached_property
    def linked(self) -> list[list[int]]:
        """For each node what it is linked to, before and behind it."""
        linked: list[list[int]] = [[] for _ in self.ranks]
        for source, target in self.links:
            linked[source].append(target)
            linked[target].append(source)
        return linked

    def is_lane(self, node: int) -> bool:
        return node >= self.count


def assign_ranks(count: int, wires: Sequence[Wire]) -> list[int]:
    """A rank for each node, the longest way from a node without inputs. The wires may not close a circle.

    Those without inputs then come as near to their readers as they can, and take along what they alone make.
    """
    outputs, inputs = _neighbours(count, wires)
    order = _sorted(outputs, inputs)
    ranks = [0] * count
    for node in order:
        ranks[node] = max((ranks[before] + 1 for before in inputs[node]), default=0)
    for node in order:
        if not inputs[node] and outputs[node]:
            _come_near(node, ranks, outputs, inputs)
    lowest = min(ranks, default=0)
    return [rank - lowest for rank in ranks]


def _neighbours(count: int, wires: Sequence[Wire]) -> tuple[list[list[int]], list[list[int]]]:
    outputs: list[list[int]] = [[] for _ in range(count)]
    inputs: list[list[int]] = [[] for _ in range(count)]
    for wire in wires:
        outputs[wire.source].append(wire.target)
        inputs[wire.target].append(wire.source)
    return outputs, inputs


def _sorted(outputs: list[list[int]], inputs: list[list[int]]) -> list[int]:
    """The nodes so that every wire leads from an earlier to a later one."""
    missing = [len(before) for before in inputs]
    ready = deque(node for node, count in enumerate(missing) if not count)
    order = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for after in outputs[node]:
            missing[after] -= 1
            if not missing[after]:
                ready.append(after)
    return order


def _come_near(node: int, ranks: list[int], outputs: list[list[int]], inputs: list[list[int]]) -> None:
    """Move a node without inputs, and those that have no input but it, as far as the readers of them all allow."""
    group = [node, *(after for after in dict.fromkeys(outputs[node]) if set(inputs[after]) == {node})]
    readers = [(member, after) for member in group for after in outputs[member] if after not in group]
    if readers:
        room = min(ranks[after] - ranks[member] - 1 for member, after in readers)
        for member in group:
            ranks[member] += room


def with_lanes(ranks: Sequence[int], wires: Sequence[Wire]) -> Ranked:
    """The graph with a lane in each rank that a wire passes by."""
    ranked = Ranked(len(ranks), list(ranks))
    lanes: dict[tuple[int, int, int], int] = {}
    links: dict[tuple[int, int], None] = {}
    for wire in wires:
        path = [wire.source]
        for rank in range(ranks[wire.source] + 1, ranks[wire.target]):
            key = (wire.source, wire.trunk, rank)
            if key not in lanes:
                lanes[key] = len(ranked.ranks)
                ranked.ranks.append(rank)
            path.append(lanes[key])
        path.append(wire.target)
        ranked.paths.append(path)
        links.update(dict.fromkeys(pairwise(path)))
    ranked.links = list(links)
    return ranked
