"""Stage three of the layout: the order of nodes within their ranks, with few crossings.

Ranks are sorted by the medians of their neighbours' places, forth and back, and neighbours that cross less the other
way round are exchanged. Source: Gansner, Koutsofios, North, Vo, A technique for drawing directed graphs, IEEE
Transactions on Software Engineering 19(3), 1993, section 3.
"""

from __future__ import annotations

from bisect import bisect_right, insort

from minicaffe.net.drawing.ranks import Ranked

SWEEPS = 12
PATIENCE = 4  # sweeps without a better order, then it stays

Rows = list[list[int]]


class Neighbours:
    """before, after: of each node, those that it is linked to in the rank before and in the one after."""

    def __init__(self, graph: Ranked) -> None:
        self.before: list[list[int]] = [[] for _ in graph.ranks]
        self.after: list[list[int]] = [[] for _ in graph.ranks]
        for source, target in graph.links:
            self.after[source].append(target)
            self.before[target].append(source)


def order_rows(graph: Ranked) -> Rows:
    """The nodes and lanes of each rank, from one side to the other."""
    neighbours = Neighbours(graph)
    rows = first_order(graph, neighbours)
    best, fewest = [list(row) for row in rows], crossings(rows, neighbours)
    waited = 0
    for sweep in range(SWEEPS):
        if not fewest or waited == PATIENCE:
            break
        _sort_by_medians(rows, neighbours, forth=sweep % 2 == 0)
        _exchange(rows, neighbours)
        count = crossings(rows, neighbours)
        waited += 1
        if count < fewest:
            best, fewest, waited = [list(row) for row in rows], count, 0
    return best


def first_order(graph: Ranked, neighbours: Neighbours) -> Rows:
    """Each node when the walk from the first node along the links comes to it, one way to its end before the next."""
    rows: Rows = [[] for _ in range(max(graph.ranks, default=-1) + 1)]
    seen = [False] * len(graph.ranks)
    starts = [node for node, before in enumerate(neighbours.before) if not before]
    waiting = starts[::-1]
    while waiting:
        node = waiting.pop()
        if not seen[node]:
            seen[node] = True
            rows[graph.ranks[node]].append(node)
            waiting += neighbours.after[node][::-1]
    return rows


def crossings(rows: Rows, neighbours: Neighbours) -> int:
    """How many pairs of links cross, if all were straight."""
    places = _places(rows)
    total = 0
    for row in rows:
        passed: list[int] = []
        for node in row:
            ends = sorted(places[after] for after in neighbours.after[node])
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _places(rows: Rows) -> dict[int, int]:
    return {node: place for row in rows for place, node in enumerate(row)}


def _sort_by_medians(rows: Rows, neighbours: Neighbours, forth: bool) -> None:
    sides = neighbours.before if forth else neighbours.after
    places = _places(rows)
    for row in rows if forth else reversed(rows):
        medians = {node: _median(sorted(places[side] for side in sides[node])) for node in row}
        # Those without neighbours stay where they are; the others are sorted round them.
        moving = iter(sorted((node for node in row if sides[node]), key=lambda node: medians[node]))
        row[:] = [next(moving) if sides[node] else node for node in row]
        places.update({node: place for place, node in enumerate(row)})


def _median(places: list[int]) -> float:
    """The middle of sorted places; between two middle ones, nearer to the side where they lie closer together."""
    count = len(places)
    if not count:
        return -1
    middle = count // 2
    if count % 2:
        return places[middle]
    if count == 2:
        return (places[0] + places[1]) / 2
    left, right = places[middle - 1] - places[0], places[-1] - places[middle]
    if left + right == 0:
        return (places[middle - 1] + places[middle]) / 2
    return (places[middle - 1] * right + places[middle] * left) / (left + right)


def _exchange(rows: Rows, neighbours: Neighbours) -> None:
    """Exchange neighbours in a rank as long as that takes crossings away."""
    places = _places(rows)
    for _ in range(PATIENCE):
        better = [_exchange_in(row, places, neighbours) for row in rows]
        if not any(better):
            return


def _exchange_in(row: list[int], places: dict[int, int], neighbours: Neighbours) -> bool:
    better = False
    for i in range(len(row) - 1):
        first, second = row[i], row[i + 1]
        gain = 0
        for sides in (neighbours.before, neighbours.after):
            ends, others = [places[n] for n in sides[first]], [places[n] for n in sides[second]]
            gain += _crossed(ends, others) - _crossed(others, ends)
        if gain > 0:
            row[i], row[i + 1] = second, first
            places[first], places[second] = i + 1, i
            better = True
    return better


def _crossed(ends: list[int], others: list[int]) -> int:
    """Crossings of the links to `ends` with those to `others`, whose node stands behind."""
    return sum(end > other for end in ends for other in others)
