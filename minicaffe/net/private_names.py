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

    @property
    def _layer_names(self) -> list[str]:
        return self.layer_names

    @property
    def _blob_names(self) -> list[str]:
        return self.graph.blob_names

    @property
    def _inputs(self) -> list[int]:
        return self.graph.ids(self.graph.inputs)

    @property
    def _outputs(self) -> list[int]:
        return self.graph.ids(self.graph.outputs)

    @property
    def _blob_loss_weights(self) -> list[float]:
        return self.graph.loss_weights

    def _top_ids(self, i: int) -> list[int]:
        """The blobs that layer i writes."""
        return self.graph.top_ids[i]

    def _bottom_ids(self, i: int) -> list[int]:
        """The blobs that layer i reads."""
        return self.graph.bottom_ids[i]

    def _forward(self: Any, start: int, end: int) -> float:
        """Run layers start to end, both included, and return their loss."""
        return float(self.run_forward(start, end))

    def _backward(self: Any, start: int, end: int) -> None:
        """Run layers start down to end, both included, backward."""
        self.run_backward(start, end)
