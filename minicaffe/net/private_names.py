"""The underscored names of pycaffe's Net, which scripts use all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicaffe.blob import HostBlob
    from minicaffe.net.graph import Graph


class PrivateNames:
    """Indices count blobs in creation order and layers in net order, Split layers included.

    _blobs: HostBlobs, one an index, also where several have the name "(automatic)".
    """

    graph: Graph
    _blobs: list[HostBlob]
    layer_names: list[str]
    inputs: list[str]
    outputs: list[str]

    @property
    def _layer_names(self) -> list[str]:
        return self.layer_names

    @property
    def _blob_names(self) -> list[str]:
        return self.graph.blob_names

    @property
    def _inputs(self) -> list[int]:
        return self.graph.ids(self.inputs)

    @property
    def _outputs(self) -> list[int]:
        return self.graph.ids(self.outputs)

    @property
    def _blob_loss_weights(self) -> list[float]:
        return self.graph.loss_weights

    def _top_ids(self, layer: int) -> list[int]:
        return self.graph.top_ids[layer]

    def _bottom_ids(self, layer: int) -> list[int]:
        return self.graph.bottom_ids[layer]

    def _forward(self: Any, start: int, end: int) -> float:
        return float(self.run_forward(start, end))

    def _backward(self: Any, start: int, end: int) -> None:
        self.run_backward(start, end)
