"""A scene as PDF: one page of shapes that stay sharp, its text in Helvetica, which every reader of PDF has."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

from minicaffe.net.drawing import style
from minicaffe.net.drawing.scene import Box, Curve, Point, Polygon, Scene, Shape, Text
from minicaffe.net.drawing.text import text_width

POINTS = 0.75  # points, of which an inch has 72, for a pixel, of which it has 96
LONGEST_SIDE = 14_400  # points: Acrobat opens no longer page
ROUND = 0.5523  # how far, in radii, the control points of a quarter of a circle lie from its ends
ENCODING = "cp1252"  # which PDF calls WinAnsiEncoding; of other letters Helvetica has none


def to_pdf(scene: Scene) -> bytes:
    """The file's contents; the same for the same scene. Letters beyond Western Europe's become question marks."""
    scale = min(POINTS, LONGEST_SIDE / max(scene.width, scene.height))
    width, height = scene.width * scale, scene.height * scale
    # y of the page runs up, the scene's down.
    begin = f"{_number(scale)} 0 0 {_number(-scale)} 0 {_number(height)} cm {style.LINE_WIDTH} w 1 j"
    drawing = zlib.compress("\n".join([begin, *map(_shape, scene.shapes())]).encode(ENCODING, "replace"))
    page = f"/Type /Page /Parent 2 0 R /MediaBox [0 0 {_number(width)} {_number(height)}] /Contents 4 0 R"
    font = "/Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding"
    title = b"\xfe\xff" + scene.title.encode("utf-16-be")
    return _file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< {page} /Resources << /Font << /F 5 0 R >> >> >>".encode(),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(drawing), drawing),
            f"<< {font} >>".encode(),
            f"<< /Title <{title.hex()}> >>".encode(),
        ]
    )


def _file(objects: Sequence[bytes]) -> bytes:
    """The objects, numbered from 1, between head and table of contents. The first is the catalog, the last the info."""
    contents, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(contents))
        contents += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    count = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    head = b"xref\n0 %d\n0000000000 65535 f \n" % count
    return contents + head + table + trailer % (count, count - 1, len(contents))


def _shape(shape: Shape) -> str:
    if isinstance(shape, Box):
        return f"{_color(shape.fill, 'rg')} {_color(shape.stroke, 'RG')} {_box(shape)} b"
    if isinstance(shape, Polygon):
        return _polygon(shape)
    if isinstance(shape, Curve):
        return f"{_color(shape.stroke, 'RG')} {_path(shape)} S"
    return _text(shape)


def _box(shape: Box) -> str:
    """A way around the box, from the end of each corner to the beginning of the next."""
    radius = min(shape.radius, shape.width / 2, shape.height / 2)
    left, top, right, bottom = shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    words = [f"{_at((left + radius, top))} m"]
    # A corner, the way that leads to it, and the way on.
    ways = pairwise([(1, 0), (0, 1), (-1, 0), (0, -1), (1, 0)])
    for (x, y), (to, on) in zip([(right, top), (right, bottom), (left, bottom), (left, top)], ways, strict=True):
        # The bow's points, by their distance from the corner.
        before = [_at((x - to[0] * far, y - to[1] * far)) for far in (radius, radius * (1 - ROUND))]
        behind = [_at((x + on[0] * far, y + on[1] * far)) for far in (radius * (1 - ROUND), radius)]
        words.append(f"{before[0]} l {before[1]} {' '.join(behind)} c")
    return " ".join(words)


def _polygon(shape: Polygon) -> str:
    first, *others = shape.points
    path = f"{_at(first)} m " + " ".join(f"{_at(point)} l" for point in others)
    fill = _color(shape.fill, "rg")
    if not shape.stroke:
        return f"{fill} {path} f"
    dashes = (f"[{_number(style.DASH)}] 0 d ", " [] 0 d") if shape.dashed else ("", "")
    return f"{fill} {_color(shape.stroke, 'RG')} {dashes[0]}{path} b{dashes[1]}"


def _path(shape: Curve) -> str:
    words = [f"{_at(shape.start)} m"]
    for piece in shape.pieces:
        words.append(" ".join(map(_at, piece)) + (" l" if len(piece) == 1 else " c"))
    return " ".join(words)


def _text(shape: Text) -> str:
    """Fill, or first a broad white outline and then fill. The text stands upright again, its middle at x."""
    escaped = shape.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    place = f"1 0 0 -1 {_at((shape.x - text_width(shape.text, shape.size) / 2, shape.y))} Tm"
    begin, show = f"BT /F {_number(shape.size)} Tf {_color(shape.color, 'rg')}", f"{place} ({escaped}) Tj"
    if not shape.halo:
        return f"{begin} {show} ET"
    rim = f"{_number(style.HALO)} w {_color(style.GROUND, 'RG')} 1 Tr {show} 0 Tr"
    return f"{begin} {rim} {show} ET {style.LINE_WIDTH} w"


def _color(color: str, operator: str) -> str:
    """#rrggbb as three shares of 1."""
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return f"{' '.join(f'{part:.3f}' for part in parts)} {operator}"


def _at(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
