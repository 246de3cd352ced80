"""Assembly: from layer messages to wired layers, one short stage after the other.

    filter -> insert splits -> create, wire, set up each layer -> mark backward -> take memory

Everything but the last stage only computes shapes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from minicaffe import log
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import MinicaffeError, ParamError
from minicaffe.layers import layer_class, layer_type_list
from minicaffe.layers.base import Context, Layer
from minicaffe.net.filter import filter_layers
from minicaffe.net.graph import Graph
from minicaffe.net.memory import ParameterMemory, check_size, largest_layer
from minicaffe.net.shared_memory import overwritten_aliases
from minicaffe.net.spec import LayerSpec
from minicaffe.net.splits import insert_splits
from minicaffe.proto.hints import nearest
from minicaffe.proto.printer import format_text


def assemble(specs: list[LayerSpec], state: Any, net_param: Any, context: Context) -> tuple[Graph, ParameterMemory]:
    """All stages. net_param: for the net's own fields (name, force_backward), its layers are not read.

    Raises MinicaffeError kinds that name file, line, layer and field.
    """
    graph = wire(specs, state, net_param, context)
    with closing_on_error(graph):
        check_size(graph)
        memory = take_memory(graph)
    log.info("Network initialization done.")
    return graph, memory


def wire(specs: list[LayerSpec], state: Any, net_param: Any, context: Context) -> Graph:
    """All stages but the last: every blob has its shape, and none its memory. Who calls it closes the layers."""
    included = filter_layers(specs, state)
    log_net(included, net_param, state)
    kept = {id(spec) for spec in included}
    specs = insert_splits(included, [spec for spec in specs if id(spec) not in kept])
    graph = Graph(context, net_param.name, c_order_blobs(specs))
    with closing_on_error(graph):
        for spec in specs:
            add_layer(graph, spec)
        mark_backward(graph, net_param.force_backward)
    for name in graph.outputs:
        log.info(f"This network produces output {name}")
    return graph


@contextlib.contextmanager
def closing_on_error(graph: Graph) -> Iterator[None]:
    """A net that is not finished leaves no thread and no open file behind."""
    try:
        yield
    except BaseException:
        # The last layer may be half set up, and fail again.
        with contextlib.suppress(Exception):
            close_layers(graph.layers)
        raise


def log_net(specs: Sequence[LayerSpec], net_param: Any, state: Any) -> None:
    """The whole net as it is built, in the words of a prototxt."""
    if not log.enabled(log.INFO):
        return
    shown = type(net_param)()
    for descriptor, value in net_param.ListFields():
        if descriptor.name in ("name", "force_backward", "debug_info"):
            setattr(shown, descriptor.name, value)
    shown.state.CopyFrom(state)
    shown.layer.extend(spec.param for spec in specs)
    log.info(f"Initializing net from parameters: \n{format_text(shown)}")


def class_of(spec: LayerSpec) -> type[Layer]:
    """The class for a layer's type. Raises ParamError that lists the known types."""
    name, known = spec.param.type, layer_type_list()
    if name in known:
        return layer_class(name)
    close = nearest(name, known)
    hint = f"; did you mean {close}?" if close else ""
    text = f'is "{name}": Unknown layer type: {name} (known types: {", ".join(known)}){hint}'
    raise spec.error(ParamError, text, "type")


def c_order_blobs(specs: Sequence[LayerSpec]) -> set[str]:
    """Names of blobs that lie in C order whatever the net's rule.

    Those are what user code touches and what shares its memory; and where a layer in place changes other blobs.
    """
    touched: set[str] = set()
    for spec in specs:
        if class_of(spec).c_order:
            touched.update(spec.param.bottom, spec.param.top)
    splits = [{*spec.param.bottom, *spec.param.top} for spec in specs if spec.param.type == "Split"]
    # A Split may read another's top: until nothing is added any more.
    while grown := [names for names in splits if names & touched and not names <= touched]:
        touched.update(*grown)
    return touched | overwritten_aliases(specs, touched)


def add_layer(graph: Graph, spec: LayerSpec) -> None:
    """Make one layer, wire its blobs, set it up, see whether it runs backward, and take in its parameters."""
    layer = make_layer(graph, spec)
    graph.add_layer(layer, spec)
    bottom_ids, top_ids = graph.bottom_ids[-1], graph.top_ids[-1]
    set_up(graph, layer, bottom_ids, top_ids)
    graph.need.add_layer(layer, spec.param.param, graph.names(bottom_ids), graph.names(top_ids))
    graph.parameters.add_layer(layer)


def make_layer(graph: Graph, spec: LayerSpec) -> Layer:
    given, bottoms = len(spec.param.propagate_down), len(spec.param.bottom)
    if given not in (0, bottoms):
        text = f"has {given} entries, must have one for each of the {bottoms} bottoms, or none"
        raise spec.error(ParamError, text, "propagate_down")
    # Two lines, as net.cpp and its factory write.
    log.info(f"Creating layer {spec.name}")
    layer = class_of(spec)(spec.param, graph.context, spec.origin)
    log.info(f"Creating Layer {spec.name}")
    return layer


def set_up(graph: Graph, layer: Layer, bottom_ids: list[int], top_ids: list[int]) -> None:
    tops = graph.blobs_of(top_ids)
    with layer.placing_errors():
        layer.initialize(graph.blobs_of(bottom_ids), tops)
    log.info(f"Setting up {layer.name}")
    for i, blob, weight in zip(top_ids, tops, layer.loss_weights, strict=True):
        graph.loss_weights[i] = weight
        log.info(f"Top shape: {shape_text(blob.shape)}")
        if weight:
            log.info(f"    with loss weight {log.g(weight)}")
    # In-place tops and those of Splits count again, as in Caffe.
    graph.values += sum(blob.count for blob in tops)
    log.info(f"Memory required for data: {graph.values * graph.context.dtype.itemsize}")


def mark_backward(graph: Graph, force: bool) -> None:
    bottoms = [graph.names(ids) for ids in graph.bottom_ids]
    tops = [graph.names(ids) for ids in graph.top_ids]
    graph.need.prune(graph.layers, bottoms, tops)
    if force:
        graph.need.force(graph.layers)
    for layer, runs in zip(graph.layers, graph.need.layer, strict=True):
        layer.runs_backward = runs


def take_memory(graph: Graph) -> ParameterMemory:
    """Parameters get their first values, and losses the seeds of their gradients."""
    layer = largest_layer(graph)
    try:
        memory = ParameterMemory(graph.context, graph.parameters.learnable)
        for layer, ids in zip(graph.layers, graph.top_ids, strict=True):
            layer.fill_parameters()
            seed_losses(layer, graph.blobs_of(ids))
    except (MinicaffeError, MemoryError) as error:
        assert layer is not None
        raise layer.located(error) from error.__cause__
    return memory


def seed_losses(layer: Layer, tops: Sequence[Blob]) -> None:
    """Fill the diff of each weighted top. Where layers in place weigh one blob, the last one's seed is all theirs."""
    for blob, weight in zip(tops, layer.loss_weights, strict=True):
        if weight:
            blob.diff.fill(weight)


def close_layers(layers: Sequence[Layer]) -> None:
    """Stop the threads and close the files of data layers: of all, even where one fails to."""
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.close)
