"""Which part of an image a window of WindowData shows, and where it comes to lie in the square that the net gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicaffe.errors import DataError


@dataclass(frozen=True)
class Span:
    """Along one axis: the image's pixels `source`, resized to `size`, go to place ... place + size - 1."""

    source: slice
    size: int
    place: int = 0


@dataclass(frozen=True)
class WindowCropper:
    """Finds the place of boxes in an image and in a result of crop_size x crop_size pixels.

    context_pad: pixels on each side of the result that show what is around the box.
    square: show a square around the box instead of a part of its own shape.
    dtype: of the net, in which places are computed.
    Source: Caffe's window_data_layer.cpp.
    """

    crop_size: int
    context_pad: int = 0
    square: bool = False
    dtype: Any = np.float32

    def crop(self, box: Sequence[int], height: int, width: int, mirror: bool = False) -> tuple[Span, Span]:
        """Rows and columns of a box x1, y1, x2, y2 (pixels, the last ones included) in an image of height x width.

        What lies beyond the image is left out, and its share of the result stays empty. mirror: the resized part will
        be turned round left to right, and so is the empty share.
        Raises DataError where nothing is left of the box.
        """
        x1, y1, x2, y2 = box
        half_width, half_height = (x2 - x1 + 1) / 2, (y2 - y1 + 1) / 2
        if self.square:
            half_width = half_height = max(half_width, half_height)
        try:
            return self._span(y1, y2, half_height, height, False), self._span(x1, x2, half_width, width, mirror)
        except ValueError:
            text = f"the window {x1} {y1} {x2} {y2} cannot be clipped into its image of {width} x {height} pixels"
            raise DataError(f"{text} (width x height); correct x1 y1 x2 y2") from None

    def _span(self, first: int, last: int, half: float, size: int, mirror: bool) -> Span:
        if not (self.context_pad or self.square):
            if not 0 <= first <= last < size:
                raise ValueError
            return Span(slice(first, last + 1), self.crop_size)
        begin, end = self._widen(first, last, half)
        before, after = max(0, -begin), max(0, end - size)
        source = slice(begin + before, end - after)
        if source.start >= source.stop:
            raise ValueError
        scale = self.dtype(self.crop_size) / self.dtype(end - begin)
        kept, before, after = (_round(self.dtype(n) * scale) for n in (source.stop - source.start, before, after))
        place = after if mirror else before
        # Rounded one by one they may need a pixel more than there is.
        kept = min(kept, self.crop_size - place)
        if kept < 1:
            raise ValueError
        return Span(source, kept, place)

    def _widen(self, first: int, last: int, half: float) -> tuple[int, int]:
        """Begin and end (the first pixel behind) of what is shown around a box.

        round(centre - half k), round(centre + half k) + 1,    k = s / (s - 2 context_pad)
        """
        centre = self.dtype(first) + self.dtype((last - first + 1) / 2)
        reach = self.dtype(half) * (self.dtype(self.crop_size) / self.dtype(self.crop_size - 2 * self.context_pad))
        return _round(centre - reach), _round(centre + reach) + 1


def _round(value: float) -> int:
    """To the nearest whole number, halves away from zero, as in C."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
