"""The underscored names of pycaffe's Net, which scripts use all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicaffe.blob import HostBlob
    from minicaffe.net.build import Graph


class PrivateNames:
    """Indices count blobs in creation order and layers in net order, Split layers included."""

    _graph: Graph
    layer_names: list[str]
    inputs: list[str]
    outputs: list[str]
    blobs: dict[str, HostBlob]

    @property
    def _layer_names(self) -> list[str]:
        return self.layer_names

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def _blobs(self) -> list[HostBlob]:
        return list(self.blobs.values())

    @property
    def _inputs(self) -> list[int]:
        return self._ids(self.inputs)

    @property
    def _outputs(self) -> list[int]:
        return self._ids(self.outputs)

    @property
    def _blob_loss_weights(self) -> list[float]:
        return [self._graph.blob_loss_weights[name] for name in self.blobs]

    def _top_ids(self, layer: int) -> list[int]:
        return self._ids(self._graph.top_names[layer])

    def _bottom_ids(self, layer: int) -> list[int]:
        return self._ids(self._graph.bottom_names[layer])

    def _forward(self: Any, start: int, end: int) -> float:
        return float(self.run_forward(start, end))

    def _backward(self: Any, start: int, end: int) -> None:
        self.run_backward(start, end)

    def _ids(self, names: list[str]) -> list[int]:
        numbers = {name: number for number, name in enumerate(self.blobs)}
        return [numbers[name] for name in names]
