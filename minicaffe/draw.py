"""caffe.draw: pictures of nets. The layout is our own (net/drawing): neither pydot nor Graphviz is needed.

    net = caffe_pb2.NetParameter()
    text_format.Merge(open("lenet.prototxt").read(), net)
    caffe.draw.draw_net_to_file(net, "lenet.png", "TB")

get_pydot_graph, and the formats dot, gv and raw, which are its text, need pydot: pip install "minicaffe[pydot]".
"""

from __future__ import annotations

import importlib
import os
import re
from typing import Any

from minicaffe.errors import MinicaffeError, ParamError
from minicaffe.io.atomic import atomic_write
from minicaffe.net import drawing
from minicaffe.net.drawing.compose import checked_rankdir
from minicaffe.net.drawing.graph import PHASES, Built, is_drawn, is_in_place
from minicaffe.net.drawing.page import as_built
from minicaffe.net.net import Net
from minicaffe.net.spec import layer_specs
from minicaffe.proto import caffe_pb2
from minicaffe.proto.source import NetSource
from minicaffe.proto.upgrade import upgrade_net

# How the nodes of a pydot graph look. Layers have the colour of choose_color_by_layertype.
LAYER_STYLE_DEFAULT = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
NEURON_LAYER_STYLE = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}

DOT_FORMATS = ("dot", "gv", "raw")
_LEARNING = ("Convolution", "Deconvolution", "InnerProduct")
_NO_LABEL = '""'
_DOT_WORDS = ("node", "edge", "graph", "digraph", "subgraph", "strict")


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The picture of a net, as the contents of a file.

    caffe_net: a NetParameter of any age, or what has one: a NetSpec, or a Net, which is drawn with its shapes.
    rankdir: where the flow leads: "LR" to the right, "TB" down, "RL" to the left, "BT" up.
    ext: svg, png, pdf, jpg, jpeg, gif, bmp; dot, gv and raw are text for Graphviz, and need pydot.
    phase: TRAIN or TEST, whose layers are drawn, by their include and exclude rules alone; None for all layers.
    display_lrm: whether learning rate multipliers are shown.
    Raises ParamError for another ext or rankdir, ValueError for another phase and for a layer with rules of both
    kinds, TypeError for what is no net, GraphError where there is nothing to draw.
    """
    format = checked_format(ext)
    if format in DOT_FORMATS:
        graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
        text: str = graph.to_string()
        return text.encode()
    source, built = _source_of(caffe_net, phase)
    # A net was built for one phase, and has no layers of the other.
    phase = caffe_net.phase if isinstance(caffe_net, Net) else phase
    return drawing.draw_net(source, format, rankdir, phase, display_lrm, built)


def draw_net_to_file(
    caffe_net: Any,
    filename: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """draw_net into a file, in the format that its name ends in. Raises FileError, too: then nothing is written."""
    picture = draw_net(caffe_net, rankdir, format_of(filename), phase, display_lrm)
    with atomic_write(filename) as file:
        file.write(picture)


def format_of(filename: str | os.PathLike[str]) -> str:
    """The format that a file's name asks for. Raises ParamError for one that cannot be drawn."""
    path = os.fspath(filename)
    extension = os.path.splitext(path)[1]
    if not extension:
        raise ParamError(f"ends in no extension, which says what to draw; {_formats_text()}", file=path)
    return checked_format(extension, path)


def checked_format(ext: str, file: str = "") -> str:
    """ext in small letters, without a point. Raises ParamError, naming `file`, where it cannot be drawn."""
    format = ext.lower().removeprefix(".")
    if format not in drawing.FORMATS and format not in DOT_FORMATS:
        raise ParamError(f"'{ext}' is no format that can be drawn; {_formats_text()}", file=file)
    return format


def _formats_text() -> str:
    return f"take one of {', '.join(drawing.FORMATS)}, or as text for Graphviz {', '.join(DOT_FORMATS)}"


def _source_of(caffe_net: Any, phase: int | None) -> tuple[NetSource, Built | None]:
    """A net's definition in today's form; of one that has been built also what is known of it."""
    if phase not in PHASES.values():
        raise ValueError(f"Unknown phase: {phase!r}; it is TRAIN (0) or TEST (1), or None for the layers of both")
    if isinstance(caffe_net, NetSource):
        return caffe_net, None
    if isinstance(caffe_net, Net):
        return as_built(caffe_net.graph)
    if hasattr(type(caffe_net), "to_proto"):
        caffe_net = caffe_net.to_proto()
    if not isinstance(caffe_net, caffe_pb2.NetParameter):
        text = f"caffe_net is a {type(caffe_net).__name__}, must be a caffe_pb2.NetParameter, a NetSpec or a Net"
        raise TypeError(f"{text}: read a prototxt with text_format.Merge(open(name).read(), net_parameter)")
    for layer in caffe_net.layer if phase is not None else ():
        if layer.include and layer.exclude:
            text = f"layer {layer.name} has both include and exclude specified"
            raise ValueError(f"{text}: it is not clear in which phase it is; keep rules of one kind")
    return upgrade_net(caffe_net), None


# --- what pycaffe writes at nodes and edges --------------------------------------------------------


def get_pooling_types_dict() -> dict[int, str]:
    """{number: name} of the ways of pooling."""
    return {number: name for name, number in caffe_pb2.PoolingParameter.PoolMethod.items()}


def get_edge_label(layer: Any) -> str:
    """What stands at the arrow to a layer's top: "Batch 64", its num_output, or for most '""', dot's empty text."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    return str(layer.inner_product_param.num_output) if layer.type == "InnerProduct" else _NO_LABEL


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """lr_mult of weight and bias, 1 where none is given. Raises ValueError for other types, and for more params."""
    if layer.type not in _LEARNING:
        text = f"{layer.type} layers do not have a learning rate multiplier"
        raise ValueError(f"{text} here: only {', '.join(_LEARNING)} layers do")
    rates = [param.lr_mult for param in layer.param]
    if len(rates) > 2:
        text = f"Could not parse the learning rate multiplier: layer {layer.name} has {len(rates)} param messages"
        raise ValueError(f"{text}, and a {layer.type} layer at most two, weight and bias")
    weight, bias = (*rates, 1.0, 1.0)[:2]
    return weight, bias


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    r"""What stands in a layer's node, in double quotes, as dot wants it: "conv1\n(Convolution)\nkernel size: 5\n...".

    The parts are separated by blanks where the flow is vertical (TB, BT), else by \n, a backslash and an n.
    Of kernel, stride and pad the first value is given, as pycaffe does; kernel_h and the like play no part.
    """
    return _label(_descriptors(layer, display_lrm), rankdir)


def _label(descriptors: list[str], rankdir: str) -> str:
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    return f'"{separator.join(descriptors)}"'


def _descriptors(layer: Any, display_lrm: bool) -> list[str]:
    method = f" {get_pooling_types_dict()[layer.pooling_param.pool]}" if layer.type == "Pooling" else ""
    parts = [layer.name, f"({layer.type}{method})", *_window(layer)]
    if display_lrm and layer.type in _LEARNING:
        rates = get_layer_lr_mult(layer)
        if any(rates):
            parts.append("lr mult: {:.1f}, {:.1f}".format(*rates))
    return parts


def _window(layer: Any) -> list[str]:
    if layer.type == "Pooling":
        param = layer.pooling_param
        sizes = [param.kernel_size, param.stride, param.pad]
    elif layer.type in ("Convolution", "Deconvolution"):
        param = layer.convolution_param
        given = ((param.kernel_size, 1), (param.stride, 1), (param.pad, 0))
        sizes = [values[0] if values else default for values, default in given]
    else:
        return []
    return [f"{name}: {size}" for name, size in zip(("kernel size", "stride", "pad"), sizes, strict=True)]


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of a layer's node, #rrggbb."""
    return {
        "Convolution": "#FF5050",
        "Deconvolution": "#FF5050",
        "Pooling": "#FF9900",
        "InnerProduct": "#CC33FF",
    }.get(layertype, LAYER_STYLE_DEFAULT["fillcolor"])


# --- the net as a graph of pydot ---------------------------------------------------------------


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """The net as a pydot.Dot, whose to_string() is text for Graphviz; to build it no Graphviz is needed.

    Layers are records, green where they work in place, blobs octagons; each is named by its label.
    label_edges: whether get_edge_label stands at the edges to tops. The rest, and what is raised, as of draw_net;
    MinicaffeError where neither pydot nor pydotplus is installed.
    """
    pydot = _pydot()
    source, _ = _source_of(caffe_net, phase)
    graph = pydot.Dot(_quoted(source.param.name or "Net"), graph_type="digraph", rankdir=checked_rankdir(rankdir))
    specs = layer_specs(source.param.layer, source.origins)
    layers = [spec.param for spec in specs if is_drawn(spec, phase)]
    blobs = {name: pydot.Node(_quoted(name), **BLOB_STYLE) for layer in layers for name in (*layer.bottom, *layer.top)}
    nodes = {(layer.name, layer.type): _layer_node(pydot, layer, rankdir, display_lrm) for layer in layers}
    for node in (*nodes.values(), *blobs.values()):
        graph.add_node(node)
    for layer in layers:
        node, label = nodes[layer.name, layer.type], get_edge_label(layer) if label_edges else _NO_LABEL
        for name in layer.bottom:
            graph.add_edge(pydot.Edge(blobs[name], node, label=_NO_LABEL))
        for name in layer.top:
            graph.add_edge(pydot.Edge(node, blobs[name], label=label))
    return graph


def _layer_node(pydot: Any, layer: Any, rankdir: str, display_lrm: bool) -> Any:
    color = choose_color_by_layertype(layer.type)
    style = NEURON_LAYER_STYLE if is_in_place(layer) else {**LAYER_STYLE_DEFAULT, "fillcolor": color}
    return pydot.Node(_label(list(map(_escaped, _descriptors(layer, display_lrm))), rankdir), **style)


def _escaped(text: str) -> str:
    """Without what would end a text of dot's, or begin an escape in it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _quoted(name: str) -> str:
    """A name as dot wants it: in quotes unless it is a plain word."""
    is_plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in _DOT_WORDS
    return name if is_plain else f'"{_escaped(name)}"'


def _pydot() -> Any:
    for name in ("pydot", "pydotplus"):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            missing = error
    text = 'this needs pydot: pip install "minicaffe[pydot]"; pictures (svg, png, pdf and more) need no such library'
    raise MinicaffeError(text) from missing
