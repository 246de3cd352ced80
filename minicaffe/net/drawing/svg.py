"""A scene as SVG: attributes only, no style sheet and no ids, so that pictures in one page leave each other alone."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from minicaffe.net.drawing import style
from minicaffe.net.drawing.scene import Box, Curve, Group, Polygon, Scene, Shape, Text
from minicaffe.net.drawing.text import FAMILY


def to_svg(scene: Scene) -> bytes:
    """The file's contents, UTF-8; the same for the same scene."""
    width, height = _number(scene.width), _number(scene.height)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f" font-family={quoteattr(FAMILY)} text-anchor="
        f'"middle" stroke-width="{_number(style.LINE_WIDTH)}">',
        f"<title>{escape(scene.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{style.GROUND}"/>',
        *(_group(group) for group in scene.groups),
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _group(group: Group) -> str:
    title = f"<title>{escape(group.title)}</title>" if group.title else ""
    return "\n".join([f"<g>{title}", *map(_shape, group.shapes), "</g>"])


def _shape(shape: Shape) -> str:
    if isinstance(shape, Box):
        place = f'x="{_number(shape.x)}" y="{_number(shape.y)}"'
        size = f'width="{_number(shape.width)}" height="{_number(shape.height)}" rx="{_number(shape.radius)}"'
        return f'<rect {place} {size} fill="{shape.fill}" stroke="{shape.stroke}"/>'
    if isinstance(shape, Polygon):
        return _polygon(shape)
    if isinstance(shape, Curve):
        return _curve(shape)
    return _text(shape)


def _polygon(shape: Polygon) -> str:
    points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
    stroke = f' stroke="{shape.stroke}"' if shape.stroke else ""
    dashes = f' stroke-dasharray="{style.DASH:g}"' if shape.dashed else ""
    return f'<polygon points="{points}" fill="{shape.fill}"{stroke}{dashes}/>'


def _curve(shape: Curve) -> str:
    words = [f"M{_number(shape.start[0])} {_number(shape.start[1])}"]
    for piece in shape.pieces:
        letter = "L" if len(piece) == 1 else "C"
        words.append(letter + " ".join(f"{_number(x)} {_number(y)}" for x, y in piece))
    return f'<path d="{" ".join(words)}" fill="none" stroke="{shape.stroke}"/>'


def _text(shape: Text) -> str:
    halo = f' stroke="{style.GROUND}" stroke-width="{style.HALO:g}" paint-order="stroke"' if shape.halo else ""
    place = f'x="{_number(shape.x)}" y="{_number(shape.y)}"'
    return f'<text {place} font-size="{shape.size:g}" fill="{shape.color}"{halo}>{escape(shape.text)}</text>'


def _number(value: float) -> str:
    """To a hundredth of a pixel, without needless zeros."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
