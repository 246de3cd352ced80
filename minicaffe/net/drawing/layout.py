"""The layout as a whole: from sizes of nodes and wires between them to places of nodes and ways of wires.

It knows of two directions only: along the flow, in which ranks follow each other, and across it. Between two ranks is
a gap without nodes. A wire turns in gaps alone, and crosses a rank straight, in its own lane: so it meets no node but
its two ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from minicaffe.net.drawing.order import order_rows
from minicaffe.net.drawing.place import place_nodes
from minicaffe.net.drawing.ranks import Ranked, Wire, assign_ranks, with_lanes
from minicaffe.net.drawing.tighten import tighten

NODE_SPACE = 16.0  # between two nodes of a rank, in pixels
LANE_SPACE = 11.0  # between a lane and a node, or two lanes
GAP = 26.0  # between two ranks, at least
STEEP = 0.3  # a gap is at least this share of how far its wires turn in it,
WIDEST_GAP = 110.0  # but no more than this for that reason
DIGITS = 6  # of places across, behind the point
NOTHING = 1e-3  # pixels

Point = tuple[float, float]  # along, across


@dataclass(frozen=True)
class Size:
    """What a node takes, in pixels."""

    along: float
    across: float


@dataclass
class Layout:
    """places: middles of the nodes. routes: the points of each wire's way, from edge to edge of its two nodes.

    Two points of a route that differ along and across are joined by a bow that begins and ends along the flow.
    size: of the whole; all lies between 0 and it.
    """

    places: list[Point]
    routes: list[list[Point]]
    size: Size


def lay_out(sizes: Sequence[Size], wires: Sequence[Wire], label_rooms: Sequence[float] = ()) -> Layout:
    """Places and ways of a graph without circles.

    label_rooms: for each wire how long its label is along the flow, 0 without one; its first gap is made as wide.
    """
    graph = with_lanes(assign_ranks(len(sizes), wires), wires)
    lanes = len(graph.ranks) - len(sizes)
    plan = _Plan(graph, order_rows(graph), [*sizes, *[Size(0.0, 0.0)] * lanes])
    plan.place()
    plan.space(_gaps(plan, wires, label_rooms or [0.0] * len(wires)))
    return plan.layout()


class _Plan:
    """A layout in the making. sizes: of nodes and lanes, which take no room themselves.

    across: middle of each node and lane. spans: where each rank begins and ends along the flow.
    """

    def __init__(self, graph: Ranked, rows: list[list[int]], sizes: list[Size]) -> None:
        self.graph, self.rows, self.sizes = graph, rows, sizes
        self.across: list[float] = []
        self.spans: list[tuple[float, float]] = []

    def place(self) -> None:
        places = place_nodes(self.graph, self.rows, self.separation)
        places = tighten(self.graph, self.rows, self.separation, places)
        edge = min((place - size.across / 2 for place, size in zip(places, self.sizes, strict=True)), default=0.0)
        # Rounded, so that what is in one line has one number.
        self.across = [round(place - edge, DIGITS) for place in places]

    def separation(self, first: int, second: int) -> float:
        """Least distance of the middles of two neighbours in a rank."""
        is_lane = self.graph.is_lane(first) or self.graph.is_lane(second)
        halves = (self.sizes[first].across + self.sizes[second].across) / 2
        return halves + (LANE_SPACE if is_lane else NODE_SPACE)

    def space(self, gaps: list[float]) -> None:
        """Ranks behind each other, each as deep as its deepest node, behind its gap."""
        end = 0.0
        for row, gap in zip(self.rows, gaps, strict=True):
            begin = end + gap
            end = begin + max(self.sizes[node].along for node in row)
            self.spans.append((begin, end))

    def layout(self) -> Layout:
        graph = self.graph
        middles = [sum(self.spans[rank]) / 2 for rank in graph.ranks]
        places = list(zip(middles, self.across, strict=True))
        routes = [self.route(path, places) for path in graph.paths]
        broad = max((at + size.across / 2 for at, size in zip(self.across, self.sizes, strict=True)), default=0.0)
        deep = self.spans[-1][1] if self.spans else 0.0
        return Layout(places[: graph.count], routes, Size(deep, broad))

    def route(self, path: list[int], places: list[Point]) -> list[Point]:
        """Out of the first node to the end of its rank, straight across each rank between, and into the last node."""
        ranks, across = self.graph.ranks, self.across
        first, last = path[0], path[-1]
        points = [(places[first][0] + self.sizes[first].along / 2, across[first])]
        points.append((self.spans[ranks[first]][1], across[first]))
        for lane in path[1:-1]:
            points += [(edge, across[lane]) for edge in self.spans[ranks[lane]]]
        points.append((self.spans[ranks[last]][0], across[last]))
        points.append((places[last][0] - self.sizes[last].along / 2, across[last]))
        # The deepest node of a rank ends where the rank does: there is nothing to go between the two.
        return [points[0], *(b for a, b in pairwise(points) if b[0] - a[0] > NOTHING)]


def _gaps(plan: _Plan, wires: Sequence[Wire], label_rooms: Sequence[float]) -> list[float]:
    """The gap before each rank: wider where wires turn far or bear labels."""
    ranks, across = plan.graph.ranks, plan.across
    gaps = [0.0, *(GAP for _ in plan.rows[1:])]
    for source, target in plan.graph.links:
        turn = min(STEEP * abs(across[source] - across[target]), WIDEST_GAP)
        gaps[ranks[target]] = max(gaps[ranks[target]], turn)
    for wire, room in zip(wires, label_rooms, strict=True):
        gaps[ranks[wire.source] + 1] = max(gaps[ranks[wire.source] + 1], room)
    return gaps[: len(plan.rows)]
