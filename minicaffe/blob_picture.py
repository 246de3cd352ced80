"""Blobs as pictures, in the way of vis_square in Caffe's notebooks: tiles of grey or colour in a grid.

    (N, 3, H, W)   N tiles in colour; the channels are blue, green, red, as Caffe's data layers give them
    (N, C, H, W)   N * C grey tiles: a row an item where a row has room, else the channels of the first item
    (N, C, 1, 1), (N, K)   one tile, a row an item
    (K,), (1, K)   bars up and down from zero
    other axes     all but the first and the last two count as channels; of three the first counts the tiles

The least finite value is black, the greatest white (for all tiles alike); what is NaN or infinite is magenta. Below
stands what is shown: shape, range, and what was left out. Small tiles are enlarged, each value a square of pixels;
where one tile is too large, a pixel is the mean of a block of values.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicaffe.backend.layout import sizes_text

LARGEST = 960  # pixels, a side of the grid at most
WISHED = 480  # small grids are enlarged about to this,
SMALLEST_TILE = 24  # and on until their tiles are this large,
LARGEST_TILE, LARGEST_VALUE = 280, 24  # but no tile and no value becomes larger than this
MOST_TILES = 4096
GAP = 2  # pixels between tiles and around them
BARS = 120  # pixels, the height of a picture of bars
GROUND, NOT_FINITE, BAR, ZERO = (214, 224, 240), (255, 0, 160), (64, 98, 160), (150, 158, 170)
FONT_SIZE, LINE, MARGIN = 12, 16, 4  # pixels, of the text below

Pixels = np.ndarray  # (H, W, 3), uint8


@dataclass(frozen=True)
class BlobPicture:
    """pixels: the grid alone, (H, W, 3), uint8, None where there is nothing to see.  caption: what stands below it."""

    pixels: Pixels | None
    caption: str

    def __repr__(self) -> str:
        return f"<BlobPicture {self.caption.splitlines()[0]}>"

    def image(self) -> Any:
        """Grid and caption as an RGB image of Pillow."""
        from PIL import Image, ImageDraw

        font, lines = _font(), self.caption.split("\n")
        height, width = (0, 0) if self.pixels is None else self.pixels.shape[:2]
        broad = max(width, *(math.ceil(font.getlength(line)) + 2 * MARGIN for line in lines))
        image = Image.new("RGB", (broad, height + LINE * len(lines) + MARGIN), "white")
        if self.pixels is not None:
            image.paste(Image.fromarray(self.pixels), (0, 0))
        for number, line in enumerate(lines):
            place = (MARGIN, height + MARGIN + LINE * number)
            ImageDraw.Draw(image).text(place, line, fill="black", font=font)
        return image

    def png(self) -> bytes:
        return png_of(self.image())

    def _repr_png_(self) -> bytes:
        return self.png()


def blob_picture(values: np.ndarray, channel_order: str = "BGR") -> BlobPicture:
    """The picture of an array of numbers, of any shape.

    channel_order: "BGR" or "RGB", what three channels mean; "" shows them as grey tiles.
    Raises ValueError for another.
    """
    if channel_order not in ("BGR", "RGB", ""):
        raise ValueError(f"channel_order is {channel_order!r}, must be 'BGR', 'RGB', or '' for grey tiles")
    shape = sizes_text(values.shape)
    if values.size == 0:
        return BlobPicture(None, f"{shape}: empty")
    if values.size == 1:
        return BlobPicture(None, f"{shape}: the one value is {values.item():.6g}")
    scale = _Scale.of(values)
    pixels, notes = _drawn(values, scale, channel_order)
    return BlobPicture(pixels, "\n".join([f"{shape}: {scale.text()}", *notes]))


def stacked(pictures: Sequence[BlobPicture]) -> Any:
    """Pictures below each other, as one image of Pillow."""
    from PIL import Image

    images = [picture.image() for picture in pictures]
    whole = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    return whole


def png_of(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _font() -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(FONT_SIZE)
    except TypeError:  # Pillow 10.0: one font of one size
        return ImageFont.load_default()


@dataclass(frozen=True)
class _Scale:
    """From values to shades. least, greatest: of the finite values, NaN without any.  lost: how many are not finite."""

    least: float
    greatest: float
    lost: int

    @classmethod
    def of(cls, values: np.ndarray) -> _Scale:
        least, greatest, lost = float(values.min()), float(values.max()), 0
        if not math.isfinite(least) or not math.isfinite(greatest):
            finite = values[np.isfinite(values)]
            lost = values.size - finite.size
            least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (math.nan, math.nan)
        return cls(least, greatest, lost)

    def shades(self, values: np.ndarray) -> np.ndarray:
        """0 to 255 in the place of each finite value; the middle where all are alike."""
        # Halves: between the ends of a float's range is more than a float can hold.
        span = self.greatest / 2 - self.least / 2
        if not span > 0:
            return np.full(values.shape, 128, np.uint8)
        with np.errstate(invalid="ignore", over="ignore"):
            share = (values.astype(np.float64) / 2 - self.least / 2) / span
        return (np.clip(np.nan_to_num(share, nan=0.0), 0, 1) * 255 + 0.5).astype(np.uint8)

    def text(self) -> str:
        lost = f"{self.lost:,} NaN or infinite (magenta)"
        if math.isnan(self.least):
            return f"no finite value; {lost}"
        same = self.least == self.greatest
        span = f"all values {self.least:.6g}" if same else f"{self.least:.6g} to {self.greatest:.6g}"
        return f"{span}; {lost}" if self.lost else span


def _drawn(values: np.ndarray, scale: _Scale, channel_order: str) -> tuple[Pixels, list[str]]:
    """The grid, and what to say of it."""
    if values.ndim < 3 or values.shape[-2:] == (1, 1):
        rows = values.reshape(values.shape[0], -1)
        rows = rows.T if rows.shape[1] == 1 else rows
        return _bars(rows[0], scale) if rows.shape[0] == 1 else _grid(rows[None, :, :, None], 1, scale)
    items, (height, width) = values.shape[0], values.shape[-2:]
    if values.ndim == 4 and values.shape[1] == 3 and channel_order:
        colors = values.transpose(0, 2, 3, 1)[..., :: -1 if channel_order == "BGR" else 1]
        pixels, notes = _grid(colors, None, scale)
        return pixels, [*notes, f"channels are {channel_order}"]
    channels = values.reshape(items, -1, height, width)
    count = channels.shape[1]
    tiles = channels.reshape(-1, height, width, 1)
    if items == 1 or count == 1:
        return _grid(tiles, None, scale)
    if count * (width + GAP) + GAP <= LARGEST:
        pixels, notes = _grid(tiles, count, scale)
        return pixels, [*notes, f"a row an item, of {count} channels"]
    pixels, notes = _grid(tiles[:count], None, scale)
    return pixels, [*notes, f"the channels of the first of {items} items"]


def _bars(values: np.ndarray, scale: _Scale) -> tuple[Pixels, list[str]]:
    """A bar a value, from zero; where there are more than columns of pixels, one for the range of some neighbours."""
    count = len(values)
    each, many = max(1, WISHED // count), math.ceil(count / LARGEST)
    low, high = (0.0, 0.0) if math.isnan(scale.least) else (min(scale.least, 0.0), max(scale.greatest, 0.0))
    span = (high / 2 - low / 2) or 1.0
    pixels = np.full((BARS, each * math.ceil(count / many), 3), GROUND, np.uint8)

    def row(value: float) -> int:
        return round((high / 2 - value / 2) / span * (BARS - 1))

    for column, begin in enumerate(range(0, count, many)):
        part = values[begin : begin + many]
        finite = part[np.isfinite(part)]
        across = slice(column * each, (column + 1) * each - (each > 2))
        if finite.size:
            pixels[row(max(float(finite.max()), 0.0)) : row(min(float(finite.min()), 0.0)) + 1, across] = BAR
        if finite.size < part.size:
            pixels[:, across] = NOT_FINITE
    zero = pixels[row(0.0)]
    zero[(zero != NOT_FINITE).any(axis=1)] = ZERO
    return pixels, [f"each bar the range of {many} values"] if many > 1 else []


def _grid(tiles: np.ndarray, columns: int | None, scale: _Scale) -> tuple[Pixels, list[str]]:
    """Tiles (T, H, W, 1 or 3) in rows of `columns`, by default so many that the grid is about a square.

    What has no room is left out; tiles that alone are too large are shrunk, each pixel the mean of a square of values.
    """
    count, height, width = tiles.shape[:3]
    most = math.ceil(max(height, width) / (LARGEST - 2 * GAP))
    # Both sides alike, but what is narrow must stay visible.
    shrink = tuple(max(1, min(most, side // SMALLEST_TILE)) for side in (height, width))
    high, wide = (math.ceil(side / by) for side, by in zip((height, width), shrink, strict=True))
    columns = columns or math.ceil(math.sqrt(count * high / wide))
    columns = min(columns, count, (LARGEST - GAP) // (wide + GAP))
    rows = min(math.ceil(count / columns), (LARGEST - GAP) // (high + GAP), max(1, MOST_TILES // columns))
    shown = tiles[: rows * columns]
    zoom = _zoom(high, wide, rows, columns)
    high, wide = high * zoom, wide * zoom
    pixels = np.full((rows * (high + GAP) + GAP, columns * (wide + GAP) + GAP, 3), GROUND, np.uint8)
    for number, tile in enumerate(shown):
        top, left = ((high, wide)[axis] + GAP for axis in (0, 1))
        top, left = GAP + number // columns * top, GAP + number % columns * left
        pixels[top : top + high, left : left + wide] = _tile(tile, scale, shrink).repeat(zoom, 0).repeat(zoom, 1)
    notes = [f"the first {len(shown):,} of {count:,} tiles"] if len(shown) < count else []
    return pixels, notes + ([f"each pixel the mean of {shrink[0]} x {shrink[1]} values"] if most > 1 else [])


def _zoom(high: int, wide: int, rows: int, columns: int) -> int:
    """How many pixels a side of a value becomes; one that is shrunk or fills the room stays one."""
    side, tile = max(rows * high, columns * wide), max(high, wide)
    wished = max(WISHED // side, math.ceil(SMALLEST_TILE / tile))
    room = min((LARGEST - GAP * (rows + 1)) // (rows * high), (LARGEST - GAP * (columns + 1)) // (columns * wide))
    return max(1, min(wished, room, LARGEST_TILE // tile, LARGEST_VALUE))


def _tile(values: np.ndarray, scale: _Scale, shrink: tuple[int, int]) -> Pixels:
    """A tile's pixels, of values (H, W, 1 or 3); row by row where it is a large one, so that memory stays small."""
    step = shrink[0] if max(shrink) > 1 else len(values)
    return np.concatenate([_band(values[top : top + step], scale, shrink) for top in range(0, len(values), step)])


def _band(values: np.ndarray, scale: _Scale, shrink: tuple[int, int]) -> Pixels:
    """One row of pixels; without shrinking, one for each row of values."""
    shades, lost = scale.shades(values), ~np.isfinite(values).all(axis=2)
    if max(shrink) > 1:
        begins = np.arange(0, values.shape[1], shrink[1])
        counts = np.diff([*begins, values.shape[1]])[:, None] * len(values)
        shades = (np.add.reduceat(shades.sum(axis=0, dtype=np.int64), begins, axis=0) // counts)[None].astype(np.uint8)
        lost = np.logical_or.reduceat(lost.any(axis=0), begins)[None]
    pixels = np.broadcast_to(shades, (*shades.shape[:2], 3)).copy()
    pixels[lost] = NOT_FINITE
    return pixels
