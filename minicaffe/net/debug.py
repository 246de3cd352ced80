"""debug_info: the mean absolute value of every blob, layer by layer. As net.cpp, ForwardDebugInfo and after."""

from __future__ import annotations

import math
from typing import Any

from minicaffe import log
from minicaffe.net.graph import Graph
from minicaffe.net.sharing import display_name


class DebugInfo:
    """Writes the log lines that follow each layer's turn."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def forward(self, i: int) -> None:
        layer, graph = self.graph.layers[i], self.graph
        for j in graph.top_ids[i]:
            mean = log.g(mean_of(graph.blobs[j].data))
            log.info(f"    [Forward] Layer {layer.name}, top blob {graph.blob_names[j]} data: {mean}")
        for j, blob in enumerate(layer.blobs):
            mean = log.g(mean_of(blob.data))
            log.info(f"    [Forward] Layer {layer.name}, param blob {display_name(layer, j)} data: {mean}")

    def backward(self, i: int) -> None:
        layer, graph = self.graph.layers[i], self.graph
        for j, needed in zip(graph.bottom_ids[i], graph.need.bottom[i], strict=True):
            if needed:
                mean = log.g(mean_of(graph.blobs[j].diff))
                log.info(f"    [Backward] Layer {layer.name}, bottom blob {graph.blob_names[j]} diff: {mean}")
        for j, (blob, wanted) in enumerate(zip(layer.blobs, layer.param_propagate_down, strict=True)):
            if wanted:
                mean = log.g(mean_of(blob.diff))
                log.info(f"    [Backward] Layer {layer.name}, param blob {j} diff: {mean}")

    def all_params(self) -> None:
        blobs = [parameter.blob for parameter in self.graph.parameters.learnable]
        data, diff = (norms([getattr(blob, which) for blob in blobs]) for which in ("data", "diff"))
        l1, l2 = (f"({log.g(a)}, {log.g(b)})" for a, b in zip(data, diff, strict=True))
        # ERROR is the severity that Caffe gives it, too.
        log.error(f"    [Backward] All net params (data, diff): L1 norm = {l1}; L2 norm = {l2}")


def mean_of(array: Any) -> float:
    """The mean absolute value."""
    return float(abs(array).sum()) / array.size if array.size else math.nan


def norms(arrays: list[Any]) -> tuple[float, float]:
    """L1 and L2 norm of all values."""
    return sum(float(abs(a).sum()) for a in arrays), math.sqrt(sum(float((a * a).sum()) for a in arrays))
