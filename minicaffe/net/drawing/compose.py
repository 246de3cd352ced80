"""From the graph of a net to a scene: figures, their layout, and the arrows between them, in any direction of flow."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from minicaffe.errors import ParamError
from minicaffe.net.drawing import style
from minicaffe.net.drawing.figures import Figure, figures_of
from minicaffe.net.drawing.graph import Blob, NetGraph
from minicaffe.net.drawing.layout import Layout, Point, Size, lay_out
from minicaffe.net.drawing.ranks import Wire
from minicaffe.net.drawing.scene import Curve, Group, Polygon, Scene, Text
from minicaffe.net.drawing.text import shown, text_width

RANKDIRS = ("LR", "TB", "RL", "BT")
# (along, across) of the layout -> (x, y) of the picture
Turn = Callable[[Point], Point]


def compose(graph: NetGraph, rankdir: str = "LR", display_lrm: bool = False) -> Scene:
    """The picture of a graph. rankdir: where the flow leads: LR to the right, TB down, RL to the left, BT up.

    display_lrm: whether boxes show lr_mult. Raises ParamError for another rankdir.
    """
    figures = figures_of(graph, checked_rankdir(rankdir), display_lrm)
    layout = lay_out(*_parts(graph, figures, rankdir))
    turn = _turn(rankdir, layout.size)
    groups = [*_arrows(graph, layout, turn), *_nodes(figures, layout, turn), *_labels(graph, layout, turn, rankdir)]
    title = f"{shown(graph.name, 80)}: " if graph.name else ""
    broad, deep = turn((layout.size.along, layout.size.across)), turn((0.0, 0.0))
    width, height = (abs(a - b) + 2 * style.MARGIN for a, b in zip(broad, deep, strict=True))
    return Scene(width, height, f"{title}{len(graph.nodes)} layers and blobs", tuple(groups))


def checked_rankdir(rankdir: str) -> str:
    """The same. Raises ParamError for none of RANKDIRS."""
    if rankdir not in RANKDIRS:
        text = f"is {rankdir!r}, must be one of {', '.join(RANKDIRS)}: left to right, top to bottom, or their contrary"
        raise ParamError(text, field="rankdir")
    return rankdir


def _parts(graph: NetGraph, figures: list[Figure], rankdir: str) -> tuple[list[Size], list[Wire], list[float]]:
    """What the layout has to know. Wires from one blob carry the same, and may run together; a layer's do not."""
    sideways = rankdir in ("LR", "RL")
    sizes = [Size(f.width, f.height) if sideways else Size(f.height, f.width) for f in figures]
    wires = [
        Wire(edge.source, edge.target, 0 if isinstance(graph.nodes[edge.source], Blob) else edge.target)
        for edge in graph.edges
    ]
    rooms = [
        text_width(edge.label, style.LABEL_SIZE) + style.ARROW_LENGTH + 8 if edge.label and sideways else 0.0
        for edge in graph.edges
    ]
    return sizes, wires, rooms


def _turn(rankdir: str, size: Size) -> Turn:
    margin = style.MARGIN
    return {
        "LR": lambda point: (margin + point[0], margin + point[1]),
        "RL": lambda point: (margin + size.along - point[0], margin + point[1]),
        "TB": lambda point: (margin + point[1], margin + point[0]),
        "BT": lambda point: (margin + point[1], margin + size.along - point[0]),
    }[rankdir]


def _nodes(figures: list[Figure], layout: Layout, turn: Turn) -> list[Group]:
    return [
        group for figure, place in zip(figures, layout.places, strict=True) for group in figure.groups(*turn(place))
    ]


def _arrows(graph: NetGraph, layout: Layout, turn: Turn) -> list[Group]:
    """The wires of each node, one group a node; what they share is drawn once."""
    groups = []
    drawn: set[tuple[Point, Point]] = set()
    for edge, route in zip(graph.edges, layout.routes, strict=True):
        curve, head = _shaft(route), route[-1]
        back, side = head[0] - style.ARROW_LENGTH, style.ARROW_WIDTH / 2
        tip = Polygon(tuple(map(turn, (head, (back, head[1] - side), (back, head[1] + side)))), style.WIRE)
        new = [(a, b) for a, b in pairwise(curve) if (a, b) not in drawn]
        drawn.update(new)
        lines = tuple(_curve(run, turn) for run in _runs(new))
        groups.append(Group((*lines, tip), edge_title(graph, edge.source, edge.target)))
    return groups


def edge_title(graph: NetGraph, source: int, target: int) -> str:
    def name(index: int) -> str:
        node = graph.nodes[index]
        return shown(node.name if isinstance(node, Blob) else node.layers[0].name, 80)

    return f"{name(source)} -> {name(target)}"


def _shaft(route: list[Point]) -> list[Point]:
    """A route without what the arrow's tip covers: its last piece, straight or not, is as much shorter."""
    *before, previous, (along, across) = route
    back = along - style.ARROW_LENGTH + 1
    if previous[1] != across or back > previous[0]:
        return [*before, previous, (back, across)]
    # The straight piece into the node is shorter than the tip: the bow before it ends where the tip begins.
    return [*before, (back, across)]


def _runs(pieces: list[tuple[Point, Point]]) -> list[list[Point]]:
    """Pieces that follow each other, as lists of points; straight ones in a line become one."""
    runs: list[list[Point]] = []
    for start, end in pieces:
        if not runs or runs[-1][-1] != start:
            runs.append([start, end])
            continue
        run = runs[-1]
        if run[-2][1] == start[1] == end[1]:
            run.pop()
        run.append(end)
    return runs


def _curve(points: list[Point], turn: Turn) -> Curve:
    pieces: list[tuple[Point, ...]] = []
    for (along, across), end in pairwise(points):
        if across == end[1]:
            pieces.append((turn(end),))
        else:
            middle = (along + end[0]) / 2
            pieces.append((turn((middle, across)), turn((middle, end[1])), turn(end)))
    return Curve(turn(points[0]), tuple(pieces), style.WIRE)


def _labels(graph: NetGraph, layout: Layout, turn: Turn, rankdir: str) -> list[Group]:
    """What is written at a node's arrows, each text once: at the straightest arrow that bears it."""
    sideways = rankdir in ("LR", "RL")
    best: dict[tuple[int, str], list[Point]] = {}
    leaving: dict[int, set[int]] = {}
    for edge, route in zip(graph.edges, layout.routes, strict=True):
        way = route[-1][1] - route[0][1]
        leaving.setdefault(edge.source, set()).add((way > 0) - (way < 0))
        if edge.label:
            best.setdefault((edge.source, edge.label), route)
            best[edge.source, edge.label] = min(best[edge.source, edge.label], route, key=_turning)
    texts = []
    for (source, label), route in best.items():
        # Above a wire, or to its right; on the other side where other arrows leave to this one only.
        side = -1 if sideways else 1
        side = -side if side in leaving[source] and -side not in leaving[source] else side
        texts.append(_label(label, _shaft(route), turn, sideways, side))
    return [Group(tuple(texts))] if texts else []


def _turning(route: list[Point]) -> float:
    """How far a route goes across the flow."""
    return sum(abs(a[1] - b[1]) for a, b in pairwise(route))


def _label(label: str, route: list[Point], turn: Turn, sideways: bool, side: int) -> Text:
    """Beside the first bow or straight piece of a wire: on the middle of a bow, on one side of what is straight."""
    (run,) = _runs(list(pairwise(route)))
    start, end = next(((a, b) for a, b in pairwise(run) if a[1] != b[1]), (run[0], run[1]))
    x, y = turn(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    size = style.LABEL_SIZE
    middle = y + 0.34 * size
    if start[1] == end[1] and sideways:
        middle += side * 0.85 * size
    elif start[1] == end[1]:
        x += side * (text_width(label, size) / 2 + 5)
    return Text(x, middle, label, size, style.INK_SOFT, halo=True)
