"""The picture of a net for a notebook's page: from top to bottom, and with what a built net knows of itself."""

from __future__ import annotations

from typing import Any

from minicaffe.blob import DATA
from minicaffe.errors import Origin
from minicaffe.net.drawing.compose import compose
from minicaffe.net.drawing.graph import Built, net_graph
from minicaffe.net.drawing.png import to_png
from minicaffe.net.drawing.scene import Scene
from minicaffe.net.drawing.svg import to_svg
from minicaffe.net.graph import Graph
from minicaffe.net.summary import new_values
from minicaffe.proto import caffe_pb2
from minicaffe.proto.source import NetSource
from minicaffe.proto.upgrade import upgrade_net

# A page scrolls down: there a long net is readable, where one to the right would be shrunk to the page's width.
RANKDIR = "TB"
MANY_PIXELS = 4_000_000  # of a PNG: whoever shows the SVG, as most do, shall not wait for it


def net_svg(graph: Graph) -> str:
    """The picture of a built net, to stand in a page of HTML."""
    return _in_page(_scene_of_net(graph))


def net_png(graph: Graph) -> bytes:
    return to_png(_scene_of_net(graph), MANY_PIXELS)


def param_svg(param: Any) -> str | None:
    """The picture of a NetParameter of any age; None where it has no layers."""
    scene = _scene_of_param(param)
    return _in_page(scene) if scene else None


def param_png(param: Any) -> bytes | None:
    scene = _scene_of_param(param)
    return to_png(scene, MANY_PIXELS) if scene else None


def _in_page(scene: Scene) -> str:
    """SVG without the line that says it were a file."""
    text = to_svg(scene).decode()
    return text[text.index("<svg") :]


def _scene_of_param(param: Any) -> Scene | None:
    source = upgrade_net(param)
    return compose(net_graph(source), RANKDIR) if source.param.layer else None


def _scene_of_net(graph: Graph) -> Scene:
    source, built = as_built(graph)
    return compose(net_graph(source, graph.context.phase, built), RANKDIR)


def as_built(graph: Graph) -> tuple[NetSource, Built]:
    """The definition of a built net, and what is known of it: without the Split layers that assembly has put in."""
    param = caffe_pb2.NetParameter(name=graph.name)
    renamed: dict[str, str] = {}
    notes: list[str] = []
    seen: set[int] = set()
    for layer in graph.layers:
        message = layer.layer_param
        if is_inserted_split(message):
            renamed.update((top, message.bottom[0]) for top in message.top)
            continue
        shown = param.layer.add()
        shown.CopyFrom(message)
        shown.bottom[:] = [renamed.get(blob, blob) for blob in message.bottom]
        # The rules have been held against the net's state.
        for field in ("include", "exclude"):
            shown.ClearField(field)
        notes.append(parameters_note(layer.blobs, seen))
    shapes = {name: blob.shape for name, blob in zip(graph.blob_names, graph.blobs, strict=True)}
    return NetSource(param, [Origin()] * len(param.layer)), Built(shapes, notes)


def is_inserted_split(message: Any) -> bool:
    """Whether a layer bears the names that net/splits.py gives, as no one else would."""
    tops = [f"{message.name}_{i}" for i in range(len(message.top))]
    return message.type == "Split" and message.name.endswith("_split") and list(message.top) == tops


def parameters_note(blobs: Any, seen: set[int]) -> str:
    """How many parameters a layer has. seen: memory counted before (by id), to which this adds."""
    count, new = sum(blob.count for blob in blobs), new_values(blobs, DATA, seen)
    if not count:
        return ""
    plural = "" if count == 1 else "s"
    return f"{new:,} parameter{plural}" if new else f"shares {count:,} parameter{plural}"
