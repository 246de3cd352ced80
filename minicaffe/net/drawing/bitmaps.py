"""A scene in the older formats of images, by Pillow: JPEG, GIF and BMP."""

from __future__ import annotations

import io

from minicaffe.net.drawing.png import painted
from minicaffe.net.drawing.scene import Scene

QUALITY = 90  # of 100: text keeps its edges
COLORS = 256  # of a palette; a drawing has few, and those between them at rounded edges


def to_jpeg(scene: Scene) -> bytes:
    file = io.BytesIO()
    # Colours as fine as brightness: coloured lines would smear.
    painted(scene).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def to_gif(scene: Scene) -> bytes:
    return _with_palette(scene, "GIF")


def to_bmp(scene: Scene) -> bytes:
    return _with_palette(scene, "BMP")


def _with_palette(scene: Scene, format: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    painted(scene).quantize(COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, format)
    return file.getvalue()
