"""Assembly: from layer messages to wired layers, one short stage after the other.

    filter -> insert splits -> create and wire layers -> mark backward -> collect parameters -> allocate

Everything up to `allocate` only computes shapes; memory is taken last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minicaffe import log
from minicaffe.blob import DATA, DIFF, Blob, shape_text
from minicaffe.errors import GraphError, MinicaffeError, ParamError
from minicaffe.layers import layer_class
from minicaffe.layers.base import Context, Layer
from minicaffe.net.filter import filter_layers
from minicaffe.net.need import Need
from minicaffe.net.sharing import Parameter, collect_parameters
from minicaffe.net.spec import LayerSpec
from minicaffe.net.splits import insert_splits, unknown_bottom
from minicaffe.proto.printer import format_text

# Parameters begin at multiples of this many values in the shared buffers: 64 bytes and more.
ALIGNMENT = 64


@dataclass
class Graph:
    """A wired net: parallel lists, one entry a layer."""

    context: Context
    layers: list[Layer] = field(default_factory=list)
    bottoms: list[list[Blob]] = field(default_factory=list)
    tops: list[list[Blob]] = field(default_factory=list)
    bottom_names: list[list[str]] = field(default_factory=list)
    top_names: list[list[str]] = field(default_factory=list)
    blobs: OrderedDict[str, Blob] = field(default_factory=OrderedDict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    blob_loss_weights: OrderedDict[str, float] = field(default_factory=OrderedDict)
    need: Need = field(default_factory=Need)
    parameters: list[Parameter] = field(default_factory=list)
    param_data: Any = None
    param_diffs: Any = None


def assemble(specs: list[LayerSpec], state: Any, net_param: Any, context: Context) -> Graph:
    """All stages. net_param: for the net's own fields (name, force_backward), its layers are not read.

    Raises MinicaffeError kinds that name file, line, layer and field.
    """
    specs = insert_splits(filter_layers(specs, state))
    log_net(specs, net_param, state)
    graph = Graph(context)
    touched = c_order_blobs(specs)
    available: dict[str, None] = {}
    memory = 0
    for spec in specs:
        layer = create_layer(spec, graph, touched, available)
        memory += sum(blob.count for blob in graph.tops[-1])
        log.info(f"Memory required for data: {memory * 4}")
        graph.need.add_layer(layer, spec.param.param, graph.bottom_names[-1], graph.top_names[-1])
    graph.need.prune(graph.layers, graph.bottom_names, graph.top_names)
    if net_param.force_backward:
        graph.need.force(graph.layers)
    graph.outputs = sorted(available)
    for name in graph.outputs:
        log.info(f"This network produces output {name}")
    graph.parameters = collect_parameters(graph.layers)
    allocate(graph)
    log.info("Network initialization done.")
    return graph


def log_net(specs: Sequence[LayerSpec], net_param: Any, state: Any) -> None:
    if not log.enabled(log.INFO):
        return
    shown = type(net_param)(name=net_param.name)
    if net_param.HasField("force_backward"):
        shown.force_backward = net_param.force_backward
    shown.state.CopyFrom(state)
    shown.layer.extend(spec.param for spec in specs)
    log.info(f"Initializing net from parameters: \n{format_text(shown)}")


def c_order_blobs(specs: Sequence[LayerSpec]) -> set[str]:
    """Names of blobs that user code touches: those of layers that ask for C order."""
    touched: set[str] = set()
    for spec in specs:
        if class_of(spec).c_order:
            touched.update(spec.param.bottom, spec.param.top)
    return touched


def class_of(spec: LayerSpec) -> type[Layer]:
    try:
        return layer_class(spec.param.type)
    except ParamError as error:
        text = str(error).removeprefix("type ")
        raise spec.error(ParamError, text, "type") from None


def create_layer(spec: LayerSpec, graph: Graph, touched: set[str], available: dict[str, None]) -> Layer:
    """Make one layer, wire its blobs, set it up."""
    log.info(f"Creating Layer {spec.name}")
    layer = class_of(spec)(spec.param, graph.context, spec.origin)
    given = spec.param.propagate_down
    if given and len(given) != len(spec.param.bottom):
        text = f"has {len(given)} entries, must have one for each of the {len(spec.param.bottom)} bottoms, or none"
        raise spec.error(ParamError, text, "propagate_down")
    bottoms = [take_bottom(spec, position, graph, available) for position in range(len(spec.param.bottom))]
    tops = [add_top(spec, position, layer, graph, touched, available) for position in range(len(spec.param.top))]
    names = list(spec.param.top)
    while layer.auto_top and len(tops) < max(layer.min_top or 0, layer.exact_top or 0):
        tops.append(new_blob(graph, touched, ""))
        names.append("(automatic)")
    graph.layers.append(layer)
    graph.bottoms.append(bottoms)
    graph.tops.append(tops)
    graph.bottom_names.append(list(spec.param.bottom))
    graph.top_names.append(names)
    for name, blob in zip(names, tops, strict=True):
        graph.blobs.setdefault(name, blob)
    if spec.param.type == "Input":
        graph.inputs += list(spec.param.top)
    set_up(layer, graph, bottoms, tops, names)
    return layer


def take_bottom(spec: LayerSpec, position: int, graph: Graph, available: dict[str, None]) -> Blob:
    name = spec.param.bottom[position]
    if name not in available:
        raise unknown_bottom(spec, position)
    del available[name]
    log.info(f"{spec.name} <- {name}")
    return graph.blobs[name]


def add_top(
    spec: LayerSpec, position: int, layer: Layer, graph: Graph, touched: set[str], available: dict[str, None]
) -> Blob:
    """The bottom itself for a layer in place (same name, same index), else a new blob."""
    name = spec.param.top[position]
    in_place = position < len(spec.param.bottom) and spec.param.bottom[position] == name
    log.info(f"{spec.name} -> {name}{' (in-place)' if in_place else ''}")
    if in_place and not layer.in_place:
        text = f"is '{name}', the layer's own bottom: a {spec.param.type} layer cannot run in place; give the top"
        raise spec.error(GraphError, f"{text} a name of its own", f"top[{position}]")
    if not in_place and name in graph.blobs:
        text = f"Top blob '{name}' produced by multiple sources: give this top another name"
        raise spec.error(GraphError, f"{text}, or, to run in place, read the blob only after this layer")
    available[name] = None
    if in_place:
        return graph.blobs[name]
    blob = graph.blobs[name] = new_blob(graph, touched, name)
    return blob


def new_blob(graph: Graph, touched: set[str], name: str) -> Blob:
    context = graph.context
    if name in touched:
        return Blob(backend=context.backend, dtype=context.dtype)
    return Blob(backend=context.backend, dtype=context.dtype, layout=context.layout)


def set_up(layer: Layer, graph: Graph, bottoms: list[Blob], tops: list[Blob], names: list[str]) -> None:
    try:
        layer.initialize(bottoms, tops)
    except MinicaffeError as error:
        raise located(error, layer) from error.__cause__
    log.info(f"Setting up {layer.name}")
    for name, blob, weight in zip(names, tops, layer.loss_weights, strict=True):
        log.info(f"Top shape: {shape_text(blob.shape)}")
        graph.blob_loss_weights[name] = weight
        if weight:
            log.info(f"    with loss weight {log.g(weight)}")


def located(error: MinicaffeError, layer: Layer) -> MinicaffeError:
    """The error itself if it names a layer, else the same with this one's place."""
    return error if error.layer else layer.error(type(error), str(error))


def allocate(graph: Graph) -> None:
    """Lay all learnable parameters into one buffer, all their gradients into another; then fill them.

    The gradients' buffer costs nothing until a backward pass writes it: its pages are zero on demand.
    """
    xp, dtype = graph.context.backend.xp, graph.context.dtype
    sizes = [-(-parameter.blob.count // ALIGNMENT) * ALIGNMENT for parameter in graph.parameters]
    graph.param_data = xp.zeros(sum(sizes), dtype)
    graph.param_diffs = xp.zeros(sum(sizes), dtype)
    start = 0
    for parameter, size in zip(graph.parameters, sizes, strict=True):
        span = slice(start, start + parameter.blob.count)
        parameter.blob.rebind(DATA, graph.param_data[span])
        parameter.blob.rebind(DIFF, graph.param_diffs[span])
        start += size
    for layer in graph.layers:
        layer.fill_parameters()
    # Only now: a sharer's filler must not overwrite what its owner was filled with.
    for parameter in graph.parameters:
        for sharer in parameter.sharers:
            sharer.share_data(parameter.blob)
            sharer.share_diff(parameter.blob)
