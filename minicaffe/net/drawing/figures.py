"""The figures of a drawing: a box of layers, an octagon; how large they are and what they consist of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minicaffe.backend.layout import sizes_text
from minicaffe.net.drawing import labels, style
from minicaffe.net.drawing.graph import Blob, Card, NetGraph
from minicaffe.net.drawing.scene import Box, Group, Polygon, Text
from minicaffe.net.drawing.text import shown, text_width

# (text, size, colour)
Line = tuple[str, float, str]


@dataclass(frozen=True)
class Section:
    """One layer's part of a box."""

    lines: tuple[Line, ...]
    colors: style.Colors
    title: str
    radius: float

    @property
    def width(self) -> float:
        return max(text_width(text, size) for text, size, _ in self.lines) + 2 * style.PADDING_X

    @property
    def height(self) -> float:
        return sum(size * style.LINE for _, size, _ in self.lines) + 2 * style.PADDING_Y


@dataclass(frozen=True)
class CardFigure:
    """A box: sections below each other, all of one width."""

    sections: tuple[Section, ...]

    @property
    def width(self) -> float:
        return max(section.width for section in self.sections)

    @property
    def height(self) -> float:
        return sum(section.height for section in self.sections) + (len(self.sections) - 1) * SEAM

    def groups(self, x: float, y: float) -> list[Group]:
        """The box with its middle at x, y."""
        groups, top, left = [], y - self.height / 2, x - self.width / 2
        for section in self.sections:
            colors = section.colors
            box = Box(left, top, self.width, section.height, section.radius, colors.fill, colors.stroke)
            lines = _lines(section.lines, x, top + section.height / 2)
            groups.append(Group((box, *lines), section.title))
            top += section.height + SEAM
        return groups


@dataclass(frozen=True)
class BlobFigure:
    """An octagon. made: whether a layer makes the blob; else its rim is dashed."""

    lines: tuple[Line, ...]
    title: str
    made: bool

    @property
    def width(self) -> float:
        return max(max(text_width(text, size) for text, size, _ in self.lines) + 2 * CORNER, self.height)

    @property
    def height(self) -> float:
        return BLOB_HEIGHT + sum(size * style.LINE for _, size, _ in self.lines[1:])

    def groups(self, x: float, y: float) -> list[Group]:
        """The octagon with its middle at x, y."""
        half_x, half_y = self.width / 2, self.height / 2
        near_x, near_y = half_x - CORNER, half_y - CORNER
        quarter = [(near_x, half_y), (half_x, near_y)]
        right = [*((u, -v) for u, v in quarter), *((u, v) for u, v in reversed(quarter))]
        outline = [*right, *((-u, v) for u, v in reversed(right))]
        points = tuple((x + u, y + v) for u, v in outline)
        shape = Polygon(points, style.BLOB.fill, style.BLOB.stroke, dashed=not self.made)
        return [Group((shape, *_lines(self.lines, x, y)), self.title)]


Figure = CardFigure | BlobFigure
SEAM = 2.0  # between the sections of a box
CORNER = 7.0  # what an octagon's corner takes of each side
BLOB_HEIGHT = 23.0
ONE_LINE = 118.0  # a name and its type stand in one line up to this width


def figures_of(graph: NetGraph, rankdir: str, display_lrm: bool) -> list[Figure]:
    """The figure of each node. Where ranks run downwards there is room to the sides: more goes into one line."""
    wide = rankdir in ("TB", "BT")
    return [
        _blob(node, graph) if isinstance(node, Blob) else _card(node, graph, wide, rankdir == "BT", display_lrm)
        for node in graph.nodes
    ]


def _card(card: Card, graph: NetGraph, wide: bool, upwards: bool, display_lrm: bool) -> CardFigure:
    sections = []
    for index, (layer, note) in enumerate(zip(card.layers, card.notes, strict=True)):
        in_place = card.in_place or index > 0
        details = [*labels.layer_details(layer, graph.phase, display_lrm), *([note] if note else [])]
        lines = (*_heading(layer, wide, in_place), *_details(details, wide))
        radius = 9.0 if in_place else style.RADIUS
        title = labels.layer_tip(layer) + ("\n# works in place" if in_place else "")
        sections.append(Section(lines, style.colors_of(layer, in_place), title, radius))
    return CardFigure(tuple(sections[::-1] if upwards else sections))


def _heading(layer: Any, wide: bool, in_place: bool) -> list[Line]:
    """The name, then the type in brackets: in one line if the box is a wide one, or flat and they are short."""
    name, kind = shown(layer.name), f"({shown(labels.layer_type(layer))})"
    if wide or (in_place and text_width(f"{name} {kind}", style.TYPE_SIZE) < ONE_LINE):
        return [(f"{name} {kind}", style.TYPE_SIZE if in_place else style.NAME_SIZE, style.INK)]
    if in_place:
        return [(name, style.TYPE_SIZE, style.INK), (kind, style.DETAIL_SIZE, style.INK)]
    return [(name, style.NAME_SIZE, style.INK), (kind, style.TYPE_SIZE, style.INK)]


def _details(details: list[str], wide: bool) -> list[Line]:
    texts = [", ".join(details)] if wide and details else details
    return [(text, style.DETAIL_SIZE, style.INK_SOFT) for text in texts]


def _blob(blob: Blob, graph: NetGraph) -> BlobFigure:
    def names(boxes: list[int]) -> str:
        cards = [graph.nodes[box] for box in boxes]
        return ", ".join(shown(layer.name, 80) for card in cards if isinstance(card, Card) for layer in card.layers)

    made = f"made by {names(blob.makers)}" if blob.makers else "no layer makes it"
    read = f"read by {names(blob.readers)}" if blob.readers else "no layer reads it"
    lines: list[Line] = [(shown(blob.name), style.TYPE_SIZE, style.INK)]
    if blob.shape is not None:
        lines.append((sizes_text(blob.shape), style.DETAIL_SIZE, style.INK_SOFT))
    return BlobFigure(tuple(lines), f"blob {shown(blob.name, 80)}\n{made}\n{read}", bool(blob.makers))


def _lines(lines: tuple[Line, ...], x: float, y: float) -> list[Text]:
    """Lines of text below each other, their block's middle at x, y."""
    base = y - sum(size * style.LINE for _, size, _ in lines) / 2
    texts = []
    for text, size, color in lines:
        # Letters reach from about 0.72 above the base line to 0.21 below: their middle lies 0.25 above it.
        texts.append(Text(x, base + size * (style.LINE / 2 + 0.34), text, size, color))
        base += size * style.LINE
    return texts
