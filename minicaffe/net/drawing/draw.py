"""A net in, the bytes of a picture out."""

from __future__ import annotations

import os
from collections.abc import Callable

from minicaffe.errors import ParamError
from minicaffe.io.atomic import atomic_write
from minicaffe.net.drawing.compose import compose
from minicaffe.net.drawing.graph import net_graph
from minicaffe.net.drawing.png import to_png
from minicaffe.net.drawing.scene import Scene
from minicaffe.net.drawing.svg import to_svg
from minicaffe.proto.source import NetSource

FORMATS: dict[str, Callable[[Scene], bytes]] = {"svg": to_svg, "png": to_png}


def draw_net(
    source: NetSource, format: str, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The picture of a net, in today's form (proto/upgrade.py).

    format: "svg" or "png".  rankdir: where the flow leads: LR, TB, RL or BT.
    phase: TRAIN or TEST of caffe_pb2, None for the layers of both; levels and stages play no part.
    display_lrm: whether boxes show lr_mult.
    Raises ParamError for another format or rankdir, GraphError where there is nothing to draw.
    """
    if format not in FORMATS:
        raise ParamError(f"'{format}' is no format that can be drawn; take svg or png")
    return FORMATS[format](compose(net_graph(source, phase), rankdir, display_lrm))


def draw_net_to_file(
    source: NetSource,
    path: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """draw_net into the file at `path`, whose extension is the format. Raises FileError, too."""
    picture = draw_net(source, format_of(path), rankdir, phase, display_lrm)
    with atomic_write(path) as file:
        file.write(picture)


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that the extension of `path` asks for. Raises ParamError for one that cannot be drawn."""
    extension = os.path.splitext(os.fspath(path))[1]
    if extension[1:].lower() not in FORMATS:
        what = f"'{extension}'" if extension else "no extension"
        raise ParamError(f"ends in {what}; end it in .svg or .png, which can be drawn", file=os.fspath(path))
    return extension[1:].lower()
