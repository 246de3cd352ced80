"""Summary: what each layer of a net is, gives, holds and costs, without running it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from minicaffe import log
from minicaffe.blob import DATA, DIFF, Blob
from minicaffe.layers.base import Context, Layer
from minicaffe.net.build import close_layers, closing_on_error, wire
from minicaffe.net.graph import Graph
from minicaffe.net.multiply_adds import multiply_adds
from minicaffe.net.spec import layer_specs
from minicaffe.net.summary_table import Row, Summary
from minicaffe.net.weights import copy_from
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import read_net


def summarize(graph: Graph, values: bool = False) -> Summary:
    """The summary of a wired net, whether or not it has memory: of `net.graph`, say.

    values: look at the parameters that have memory.
    """
    flows = gradients(graph)
    seen: set[int] = set()
    rows = [summarize_layer(graph, i, flows, seen) for i in range(len(graph.layers))]
    if values:
        magnitudes = map(magnitude, graph.layers)
        rows = [replace(row, magnitude=found) for row, found in zip(rows, magnitudes, strict=True)]
    return Summary(graph.name, graph.context.phase, tuple(rows), learned(graph), graph.context.dtype.itemsize)


def summarize_layer(graph: Graph, index: int, flows: set[int], seen: set[int]) -> Row:
    """flows: the blobs that have a gradient.  seen: the memory that was counted before (by id), to which this adds."""
    layer, value_bytes = graph.layers[index], graph.context.dtype.itemsize
    bottoms, tops = (graph.blobs_of(ids[index]) for ids in (graph.bottom_ids, graph.top_ids))
    graded = graph.blobs_of([i for i in graph.top_ids[index] if i in flows])
    forward = value_bytes * new_values(tops, DATA, seen)
    return Row(
        name=layer.name,
        type=layer.layer_param.type,
        shapes=tuple(blob.shape for blob in tops),
        parameters=new_values(layer.blobs, DATA, seen),
        multiply_adds=multiply_adds(layer, bottoms, tops),
        forward=forward,
        backward=forward + value_bytes * new_values(graded, DIFF, seen),
    )


def read_summary(
    path: str | os.PathLike[str],
    phase: int,
    level: int = 0,
    stages: Sequence[str] = (),
    weights: str | os.PathLike[str] | None = None,
) -> Summary:
    """The summary of the net that a prototxt defines. Only shapes are computed: blobs take no memory, no file is made.

    The arguments are Net's. With weights, which must fit the net, the rows tell the magnitudes of what they hold.
    Raises what Net raises.
    """
    source = read_net(path)
    state = caffe_pb2.NetState(phase=phase, level=level, stage=[*source.param.state.stage, *stages])
    context = Context(dtype=np.dtype(np.float32), phase=phase)
    with warnings_only():
        for severity, text in source.notes:
            log.write(severity, text)
        graph = wire(layer_specs(source.param.layer, source.origins), state, source.param, context)
        with closing_on_error(graph):
            if weights is not None:
                copy_from(graph, weights)
            summary = summarize(graph, values=weights is not None)
        close_layers(graph.layers)
    return summary


@contextlib.contextmanager
def warnings_only() -> Iterator[None]:
    """What assembling a net logs is longer than the summary."""
    before = log.set_level(log.WARNING)
    log.set_level(max(before, log.WARNING))
    try:
        yield
    finally:
        log.set_level(before)


def gradients(graph: Graph) -> set[int]:
    """The blobs, by number, whose diff a backward pass writes or begins with."""
    flows = {i for i, weight in enumerate(graph.loss_weights) if weight}
    for ids, needed, wanted in zip(graph.bottom_ids, graph.need.layer, graph.need.bottom, strict=True):
        flows.update(i for i, want in zip(ids, wanted, strict=True) if needed and want)
    return flows


def new_values(blobs: Sequence[Blob], which: int, seen: set[int]) -> int:
    """How many values of DATA or DIFF the blobs hold in memory that is not in `seen`, where it is then put."""
    count = 0
    for blob in blobs:
        memory = id(blob.storage(which))
        count += 0 if memory in seen else blob.count
        seen.add(memory)
    return count


def learned(graph: Graph) -> int:
    return sum(parameter.blob.count for parameter in graph.parameters.learnable if parameter.lr_mult != 0)


def magnitude(layer: Layer) -> float | None:
    """Of the parameters that have memory: a file's, or a net's."""
    found = [blob for blob in layer.blobs if blob.storage(DATA).allocated and blob.count]
    # From where the values are: looking at them must not move them to the GPU, or back.
    arrays = [blob.host_array(DATA) if blob.storage(DATA).host_is_newer else blob.data for blob in found]
    total = sum(float(abs(array).sum(dtype=np.float64)) for array in arrays)
    return total / sum(blob.count for blob in found) if found else None
