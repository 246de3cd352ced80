"""What a picture consists of, in pixels: shapes that every renderer draws in the order given.

x runs to the right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle with round corners; x, y is its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    fill: str
    stroke: str


@dataclass(frozen=True)
class Polygon:
    """A closed shape with straight sides. stroke: "" for none."""

    points: tuple[Point, ...]
    fill: str
    stroke: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Curve:
    """A line from `start` on: each piece is a straight line to a point, or a Bézier curve (control, control, point)."""

    start: Point
    pieces: tuple[tuple[Point, ...], ...]
    stroke: str


@dataclass(frozen=True)
class Text:
    """A line of text. x: its middle; y: its base line. halo: on a white rim, that lines below it leave it readable."""

    x: float
    y: float
    text: str
    size: float
    color: str
    halo: bool = False


Shape = Box | Polygon | Curve | Text


@dataclass(frozen=True)
class Group:
    """Shapes that belong together. title: shown by a viewer over them; "" for nothing."""

    shapes: tuple[Shape, ...]
    title: str = ""


@dataclass(frozen=True)
class Scene:
    """A picture on white ground."""

    width: float
    height: float
    title: str
    groups: tuple[Group, ...]

    def shapes(self) -> list[Shape]:
        return [shape for group in self.groups for shape in group.shapes]
