"""debug_info: the mean absolute value of every blob, layer by layer. As net.cpp, ForwardDebugInfo and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minicaffe import log
from minicaffe.net.sharing import param_spec

if TYPE_CHECKING:
    from minicaffe.net.net import Net


class DebugInfo:
    """Writes the log lines that follow each layer's turn."""

    def __init__(self, net: Net) -> None:
        self.net, self.graph = net, net._graph

    def forward(self, i: int) -> None:
        layer = self.net.layers[i]
        for name, blob in zip(self.graph.top_names[i], self.graph.tops[i], strict=True):
            log.info(f"    [Forward] Layer {layer.name}, top blob {name} data: {log.g(self._mean(blob.data))}")
        for j, blob in enumerate(layer.blobs):
            name = param_spec(layer, j).name or str(j)
            log.info(f"    [Forward] Layer {layer.name}, param blob {name} data: {log.g(self._mean(blob.data))}")

    def backward(self, i: int) -> None:
        layer = self.net.layers[i]
        bottoms = zip(self.graph.bottom_names[i], self.graph.bottoms[i], self.graph.need.bottom[i], strict=True)
        for name, blob, needed in bottoms:
            if needed:
                log.info(f"    [Backward] Layer {layer.name}, bottom blob {name} diff: {log.g(self._mean(blob.diff))}")
        for j, (blob, wanted) in enumerate(zip(layer.blobs, layer.param_propagate_down, strict=True)):
            if wanted:
                log.info(f"    [Backward] Layer {layer.name}, param blob {j} diff: {log.g(self._mean(blob.diff))}")

    def all_params(self) -> None:
        data, diff = self.net.param_data, self.net.param_diffs
        l1 = f"L1 norm = ({log.g(abs(data).sum())}, {log.g(abs(diff).sum())})"
        l2 = f"L2 norm = ({log.g(math.sqrt((data * data).sum()))}, {log.g(math.sqrt((diff * diff).sum()))})"
        log.error(f"    [Backward] All net params (data, diff): {l1}; {l2}")

    def _mean(self, array: Any) -> float:
        return float(abs(array).sum()) / array.size if array.size else math.nan
