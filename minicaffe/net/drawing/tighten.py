"""Stage five of the layout: draw together what the placing of nodes has left too far apart.

Nodes that straight links join move as one, towards the middle of what they are linked to, as far as their neighbours
in the ranks let them. Where that is not far, a lane bends for a large gain. The links never get longer in sum.
"""

from __future__ import annotations

from itertools import pairwise

from minicaffe.net.drawing.order import Rows
from minicaffe.net.drawing.place import Separation
from minicaffe.net.drawing.ranks import Ranked

SWEEPS = 12
BENDS = 4  # rounds in which lanes may bend
STRAIGHT = 0.01  # pixels across that a straight link may be off
WORTH_A_BEND = 120.0  # pixels that a part of a lane must come nearer to bend it


def tighten(graph: Ranked, rows: Rows, separation: Separation, places: list[float]) -> list[float]:
    """Better places across the ranks, in the same order; the least is 0."""
    task = _Task(graph, _neighbours(rows, separation), list(places))
    task.settle()
    for _ in range(BENDS):
        if not task.bend():
            break
        task.settle()
    least = min(task.places, default=0.0)
    return [place - least for place in task.places]


# For each node: (neighbour, least distance) in its rank, before and behind.
Beside = list[tuple[list[tuple[int, float]], list[tuple[int, float]]]]


def _neighbours(rows: Rows, separation: Separation) -> Beside:
    beside: Beside = [([], []) for row in rows for _ in row]
    for row in rows:
        for first, second in pairwise(row):
            room = separation(first, second)
            beside[first][1].append((second, room))
            beside[second][0].append((first, room))
    return beside


class _Task:
    """places: as they are by now. beside: each node's neighbours in its rank, and how near they may come."""

    def __init__(self, graph: Ranked, beside: Beside, places: list[float]) -> None:
        self.graph, self.beside, self.places = graph, beside, places

    def settle(self) -> None:
        """Move blocks until none moves any more."""
        for sweep in range(SWEEPS):
            moved = 0.0
            # From one side to the other, then back: what makes room goes first.
            for block in sorted(self.blocks(), key=lambda block: self.places[block[0]], reverse=sweep % 2 == 1):
                moved = max(moved, abs(self.move(block, self.way(block))))
            if moved < STRAIGHT:
                break

    def bend(self) -> bool:
        """Part each block in a lane, where one of the parts can come much nearer to its links; whether any could."""
        bent = False
        for block in self.blocks():
            cuts = [
                at for at in range(1, len(block)) if self.graph.is_lane(block[at - 1]) or self.graph.is_lane(block[at])
            ]
            # Of parts that come equally near, the longer one.
            parts = [block[at:] for at in cuts] + [block[:at] for at in reversed(cuts)]
            best = max(parts, key=lambda part: round(abs(self.way(part))), default=[])
            if abs(self.way(best)) >= WORTH_A_BEND:
                self.move(best, self.way(best))
                bent = True
        return bent

    def move(self, block: list[int], way: float) -> float:
        for node in block:
            self.places[node] += way
        return way

    def way(self, block: list[int]) -> float:
        """How far a block can come towards the median of its links' other ends."""
        inside, places = set(block), self.places
        ends = [(node, other) for node in block for other in self.graph.linked[node] if other not in inside]
        ways = sorted(places[other] - places[node] for node, other in ends)
        if not ways:
            return 0.0
        # Between the two middle ends all places are as good; the middle of them draws others along.
        wish = (ways[(len(ways) - 1) // 2] + ways[len(ways) // 2]) / 2
        if wish > 0:
            room = (places[other] - least - places[n] for n in block for other, least in self.beside[n][1])
            return max(min(wish, min(room, default=wish)), 0.0)
        room = (places[other] + least - places[n] for n in block for other, least in self.beside[n][0])
        return min(max(wish, max(room, default=wish)), 0.0)

    def blocks(self) -> list[list[int]]:
        """Nodes that straight links join, by rank: two of a rank are never in one line."""
        name = list(range(len(self.places)))
        for source, target in sorted(self.graph.links, key=lambda link: self.graph.ranks[link[0]]):
            if abs(self.places[source] - self.places[target]) < STRAIGHT:
                name[target] = name[source]
        blocks: dict[int, list[int]] = {}
        for node in sorted(range(len(name)), key=self.graph.ranks.__getitem__):
            blocks.setdefault(name[node], []).append(node)
        return list(blocks.values())
