"""A net in, the bytes of a picture out."""

from __future__ import annotations

from collections.abc import Callable

from minicaffe.errors import ParamError
from minicaffe.net.drawing.bitmaps import to_bmp, to_gif, to_jpeg
from minicaffe.net.drawing.compose import compose
from minicaffe.net.drawing.graph import Built, net_graph
from minicaffe.net.drawing.pdf import to_pdf
from minicaffe.net.drawing.png import to_png
from minicaffe.net.drawing.scene import Scene
from minicaffe.net.drawing.svg import to_svg
from minicaffe.proto.source import NetSource

FORMATS: dict[str, Callable[[Scene], bytes]] = {
    "svg": to_svg,
    "png": to_png,
    "pdf": to_pdf,
    "jpg": to_jpeg,
    "jpeg": to_jpeg,
    "gif": to_gif,
    "bmp": to_bmp,
}


def draw_net(
    source: NetSource,
    format: str,
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
    built: Built | None = None,
) -> bytes:
    """The picture of a net, in today's form (proto/upgrade.py).

    format: of FORMATS.  rankdir: where the flow leads: LR, TB, RL or BT.
    phase: TRAIN or TEST of caffe_pb2, None for the layers of both; levels and stages play no part.
    display_lrm: whether boxes show lr_mult.  built: what is known of a net that has been built.
    Raises ParamError for another format or rankdir, GraphError where there is nothing to draw.
    """
    if format not in FORMATS:
        raise ParamError(f"'{format}' is no format that can be drawn; take one of {', '.join(FORMATS)}")
    return FORMATS[format](compose(net_graph(source, phase, built), rankdir, display_lrm))
