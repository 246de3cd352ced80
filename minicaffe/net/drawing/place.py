"""Stage four of the layout: where in its rank each node stands, so that wires are straight.

Nodes are joined with a middle neighbour to blocks that lie in one line, and the blocks pushed together: four times,
towards either side and from either end; a node stands between the middle two of the four places that it gets. Lanes of
one wire are joined before all else. Source: Brandes, Köpf, Fast and simple horizontal coordinate assignment,
Graph Drawing 2001, LNCS 2265; the blocks' places here are longest ways, which needs no classes of blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from minicaffe.net.drawing.order import Neighbours, Rows
from minicaffe.net.drawing.ranks import Ranked

Separation = Callable[[int, int], float]


def place_nodes(graph: Ranked, rows: Rows, separation: Separation) -> list[float]:
    """The place of each node across the ranks; the least is 0.

    separation(a, b): the least distance of the middles of two neighbours in a rank.
    """
    neighbours = Neighbours(graph)
    crossed = lane_crossings(graph, rows, neighbours)
    candidates = []
    for forth in (True, False):
        for mirrored in (False, True):
            turned = [row[::-1] if mirrored else row for row in (rows if forth else rows[::-1])]
            sides = neighbours.before if forth else neighbours.after
            blocks = _align(turned, sides, crossed)
            places = _compact(turned, blocks, separation)
            candidates.append([-place for place in places] if mirrored else places)
    return _middle(candidates)


def lane_crossings(graph: Ranked, rows: Rows, neighbours: Neighbours) -> set[tuple[int, int]]:
    """Links that cross a piece of wire between two lanes: they give way to it."""
    place = {node: at for row in rows for at, node in enumerate(row)}
    crossed = set()
    for row in rows:
        inner = [(place[n], place[b]) for n in row for b in neighbours.before[n] if _both_lanes(graph, n, b)]
        if not inner:
            continue
        for node in row:
            for before in neighbours.before[node]:
                if not _both_lanes(graph, node, before) and any(
                    (place[node] - at) * (place[before] - end) < 0 for at, end in inner
                ):
                    crossed.add((before, node))
    return crossed


def _both_lanes(graph: Ranked, node: int, other: int) -> bool:
    return graph.is_lane(node) and graph.is_lane(other)


def _align(rows: Rows, sides: list[list[int]], crossed: set[tuple[int, int]]) -> list[int]:
    """The block of each node, named after its first node."""
    block = list(range(len(sides)))
    place = {node: at for row in rows for at, node in enumerate(row)}
    taken = set()
    for row in rows:
        reached = -1
        for node in row:
            linked = sorted(sides[node], key=place.__getitem__)
            middle = (len(linked) - 1) // 2, len(linked) // 2
            for side in dict.fromkeys(linked[i] for i in middle) if linked else ():
                if side in taken or place[side] <= reached or {(side, node), (node, side)} & crossed:
                    continue
                block[node] = block[side]
                taken.add(side)
                reached = place[side]
                break
    return block


def _compact(rows: Rows, block: list[int], separation: Separation) -> list[float]:
    """Every block as far to the front as those before it allow, then as near to those behind it as they are."""
    behind: dict[int, dict[int, float]] = {name: {} for name in dict.fromkeys(block)}
    for row in rows:
        for first, second in pairwise(row):
            rooms = behind[block[first]]
            rooms[block[second]] = max(rooms.get(block[second], 0.0), separation(first, second))
    order = _sorted(behind)
    places: dict[int, float] = dict.fromkeys(behind, 0.0)
    for name in order:
        for other, room in behind[name].items():
            places[other] = max(places[other], places[name] + room)
    for name in reversed(order):
        if behind[name]:
            places[name] = max(places[name], min(places[other] - room for other, room in behind[name].items()))
    return [places[name] for name in block]


def _sorted(behind: dict[int, dict[int, float]]) -> list[int]:
    """The blocks so that each comes before those behind it: blocks do not cross, so there is such an order."""
    missing = dict.fromkeys(behind, 0)
    for others in behind.values():
        for other in others:
            missing[other] += 1
    order = [name for name, count in missing.items() if not count]
    for name in order:
        for other in behind[name]:
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    return order


def _middle(candidates: list[list[float]]) -> list[float]:
    """The mean of the middle two, once those pushed to a side agree at that side with the narrowest of all."""
    if not candidates[0]:
        return []
    narrowest = min(candidates, key=lambda places: max(places) - min(places))
    shifted = []
    for index, places in enumerate(candidates):
        end = max if index % 2 else min
        shift = end(narrowest) - end(places)
        shifted.append([place + shift for place in places])
    middle = [sum(sorted(four)[1:3]) / 2 for four in zip(*shifted, strict=True)]
    return [place - min(middle) for place in middle]
