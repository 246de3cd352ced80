"""A scene as PNG, drawn by Pillow: larger than wanted and then reduced, which rounds the edges off."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from minicaffe.net.drawing import style
from minicaffe.net.drawing.scene import Box, Curve, Point, Polygon, Scene, Shape, Text
from minicaffe.net.drawing.text import text_width

SCALE = 2.0  # pixels of the file for a pixel of the scene: today's screens are fine
SMOOTH = 3  # times as large it is drawn
TILE = 512  # pixels of the file, a side of what is drawn at once: memory does not grow with the picture's edges
MANY_PIXELS = 16_000_000  # of the file: what has more is drawn smaller, down to the scene's own size,
MOST_PIXELS = 100_000_000  # and smaller yet for this, which viewers can still open,
LONGEST_SIDE = 65_000  # and this
COMPRESSION = 3  # of 9: a drawing is small anyway, and this is three times as fast as the usual 6
BOW_STEPS = 24  # straight pieces of a bow


def to_png(scene: Scene, many_pixels: int = MANY_PIXELS) -> bytes:
    """The file's contents; the same for the same scene, Pillow and fonts. many_pixels: as of `painted`."""
    file = io.BytesIO()
    painted(scene, many_pixels).save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def painted(scene: Scene, many_pixels: int = MANY_PIXELS) -> Any:
    """The scene as an RGB image of Pillow.

    many_pixels: what would have more is drawn smaller, but not below a pixel of the file for one of the scene.
    """
    from PIL import Image

    scale = _scale(scene, many_pixels)
    width, height = (max(1, round(side * scale)) for side in (scene.width, scene.height))
    picture = Image.new("RGB", (width, height), style.GROUND)
    shapes = [(shape, _bounds(shape)) for shape in scene.shapes()]
    for left in range(0, width, TILE):
        for top in range(0, height, TILE):
            size = min(TILE, width - left), min(TILE, height - top)
            box = left / scale, top / scale, (left + size[0]) / scale, (top + size[1]) / scale
            inside = [shape for shape, bounds in shapes if _meet(bounds, box)]
            if inside:
                picture.paste(_tile(inside, box, size), (left, top))
    return picture


def _scale(scene: Scene, many_pixels: int) -> float:
    area = scene.width * scene.height
    wanted = max(1.0, min(SCALE, math.sqrt(many_pixels / area)))
    return min(wanted, math.sqrt(MOST_PIXELS / area), LONGEST_SIDE / max(scene.width, scene.height))


def _bounds(shape: Shape) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, with room for the line's width and the rim of text."""
    if isinstance(shape, Box):
        points = [(shape.x, shape.y), (shape.x + shape.width, shape.y + shape.height)]
    elif isinstance(shape, Polygon):
        points = list(shape.points)
    elif isinstance(shape, Curve):
        points = [shape.start, *(point for piece in shape.pieces for point in piece)]
    else:
        half = text_width(shape.text, shape.size) / 2 + shape.size
        points = [(shape.x - half, shape.y - 1.5 * shape.size), (shape.x + half, shape.y + shape.size)]
    xs, ys = zip(*points, strict=True)
    return min(xs) - 4, min(ys) - 4, max(xs) + 4, max(ys) + 4


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _tile(shapes: list[Shape], box: tuple[float, ...], size: tuple[int, int]) -> Any:
    """What `box` of the scene holds, as an image of `size`."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (size[0] * SMOOTH, size[1] * SMOOTH), style.GROUND)
    pen = _Pen(ImageDraw.Draw(image), (box[0], box[1]), SMOOTH * size[0] / (box[2] - box[0]))
    for shape in shapes:
        pen.draw(shape)
    return image.reduce(SMOOTH)


class _Pen:
    """Draws shapes on an image whose upper left corner is `corner` of the scene, `scale` times as large."""

    def __init__(self, canvas: Any, corner: Point, scale: float) -> None:
        self.canvas, self.corner, self.scale = canvas, corner, scale
        self.line = max(1, round(style.LINE_WIDTH * scale))

    def draw(self, shape: Shape) -> None:
        if isinstance(shape, Box):
            self.box(shape)
        elif isinstance(shape, Polygon):
            self.polygon(shape)
        elif isinstance(shape, Curve):
            self.path(self.at(_flat(shape)), shape.stroke)
        else:
            self.text(shape)

    def at(self, points: Any) -> list[Point]:
        return [((x - self.corner[0]) * self.scale, (y - self.corner[1]) * self.scale) for x, y in points]

    def box(self, shape: Box) -> None:
        # Pillow draws the line inside, SVG on the edge: half a line to each side.
        half = style.LINE_WIDTH / 2
        far = (shape.x + shape.width + half, shape.y + shape.height + half)
        corners = self.at([(shape.x - half, shape.y - half), far])
        radius = (shape.radius + half) * self.scale
        self.canvas.rounded_rectangle(corners, radius, shape.fill, shape.stroke, self.line)

    def polygon(self, shape: Polygon) -> None:
        self.canvas.polygon(self.at(shape.points), fill=shape.fill)
        if shape.stroke:
            closed = [*shape.points, shape.points[0]]
            for line in _dashes(closed, style.DASH) if shape.dashed else [closed]:
                self.path(self.at(line), shape.stroke)
            if not shape.dashed:
                # The corner where the outline begins and ends.
                self.path(self.at([closed[-2], closed[0], closed[1]]), shape.stroke)

    def path(self, points: list[Point], stroke: str) -> None:
        self.canvas.line(points, fill=stroke, width=self.line, joint="curve")

    def text(self, shape: Text) -> None:
        font = _font(shape.text.isascii(), shape.size * self.scale)
        room = text_width(shape.text, shape.size) * self.scale
        if font.getlength(shape.text) > 1.02 * room:
            font = _font(shape.text.isascii(), shape.size * self.scale * room / font.getlength(shape.text))
        rim = {"stroke_width": round(style.HALO / 2 * self.scale), "stroke_fill": style.GROUND} if shape.halo else {}
        where = self.at([(shape.x, shape.y)])[0]
        self.canvas.text(where, shape.text, fill=shape.color, font=font, anchor="ms", **rim)


def _flat(curve: Curve) -> list[Point]:
    """A curve as straight pieces."""
    points = [curve.start]
    for piece in curve.pieces:
        if len(piece) == 1:
            points.append(piece[0])
        else:
            corners = (points[-1], *piece)
            points += [bezier(corners, step / BOW_STEPS) for step in range(1, BOW_STEPS + 1)]
    return points


def bezier(points: tuple[Point, ...], t: float) -> Point:
    """The point of a cubic Bézier curve at t from 0 to 1."""
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    x, y = (sum(weight * point[axis] for weight, point in zip(weights, points, strict=True)) for axis in (0, 1))
    return x, y


def _dashes(points: list[Point], length: float) -> Iterator[list[Point]]:
    """A line as dashes with gaps of the same length; each side begins anew."""
    for (x, y), (to_x, to_y) in pairwise(points):
        count = max(1, round(math.hypot(to_x - x, to_y - y) / length / 2))
        for dash in range(count):
            begin, end = dash / count, (dash + 0.5) / count
            yield [(x + (to_x - x) * at, y + (to_y - y) * at) for at in (begin, end)]


@functools.lru_cache(maxsize=256)
def _font(ascii_only: bool, size: float) -> Any:
    """Pillow's own font; for what it has no letters for, the first of some widespread ones that is installed."""
    from PIL import ImageFont

    size = round(size * 4) / 4
    for name in () if ascii_only else ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow 10.0: one font of one size
        return ImageFont.load_default()
