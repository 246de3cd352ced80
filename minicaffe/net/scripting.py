"""Scripting: what pycaffe's Net offers to scripts, on top of a net that runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from minicaffe.blob import HostBlob
from minicaffe.blob_vec import BlobVec
from minicaffe.errors import MinicaffeError
from minicaffe.layers.memory_data import MemoryDataLayer
from minicaffe.layers.python import PythonLayer
from minicaffe.net import batches
from minicaffe.net.private_names import PrivateNames

Hook = Callable[[int], Any]
Arrays = dict[str, np.ndarray]
EVENTS = ("before_forward", "after_forward", "before_backward", "after_backward")


class Scripting(PrivateNames):
    """Dicts by name, and passes that take and give NumPy arrays.

    Where several layers, or blobs, have one name, it stands for the last of them, as in pycaffe.

    blobs: name -> HostBlob, in the order of creation.  params: layer name -> BlobVec, of layers that have any.
    layers: in net order; of a Python layer, the user's own object.  layer_dict: the same by name.
    top_names, bottom_names: layer name -> names of the blobs it writes, reads.
    blob_loss_weights: blob name -> what it counts in the loss, 0 for most.
    """

    def _offer_to_scripts(self) -> None:
        graph, names = self.graph, self.layer_names
        self._blobs: list[HostBlob] = [HostBlob(blob) for blob in graph.blobs]
        self.blobs: OrderedDict[str, HostBlob] = OrderedDict(zip(graph.blob_names, self._blobs, strict=True))
        self.params: OrderedDict[str, BlobVec] = OrderedDict(
            (layer.name, BlobVec(layer.blobs, layer.new_blob)) for layer in graph.layers if layer.blobs
        )
        self.layers: list[Any] = [layer.user if isinstance(layer, PythonLayer) else layer for layer in graph.layers]
        self.layer_dict: OrderedDict[str, Any] = OrderedDict(zip(names, self.layers, strict=True))
        self.top_names: OrderedDict[str, list[str]] = OrderedDict(
            zip(names, map(graph.names, graph.top_ids), strict=True)
        )
        self.bottom_names: OrderedDict[str, list[str]] = OrderedDict(
            zip(names, map(graph.names, graph.bottom_ids), strict=True)
        )
        self.blob_loss_weights: OrderedDict[str, float] = OrderedDict(
            zip(graph.blob_names, graph.loss_weights, strict=True)
        )
        self._hooks: dict[str, list[Hook]] = {event: [] for event in EVENTS}

    # --- passes --------------------------------------------------------------------------------

    def forward(
        self, blobs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> Arrays:
        """Run forward and return the outputs, {name: array}; the arrays are views of the blobs.

        inputs: arrays for the net's inputs, all of them or none, of the blob's batch size.
        start, end: names of the first and last layer to run, both included; with end its tops are returned.
        blobs: names of further blobs to return.
        """
        extra = self._known(blobs)
        first = 0 if start is None else self._layer_index(start)
        last = len(self.layer_names) - 1 if end is None else self._layer_index(end)
        found = self._named(self._outputs if end is None else self._top_ids(last))
        self._fill(inputs, self.inputs, "data", "Input blob arguments do not match net inputs.", "Input")
        self._forward(first, last)
        return {name: blob.data for name, blob in (found | extra).items()}

    def backward(
        self, diffs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **top_diffs: Any
    ) -> Arrays:
        """Run backward and return the inputs' gradients, {name: array}; the arrays are views of the blobs.

        top_diffs: gradients for the net's outputs, all of them or none.
        start, end: names of the layers to begin and end with (the last and the first by default); with end the
        gradients of its bottoms are returned.
        diffs: names of further blobs whose gradient to return. Parameter gradients add up over calls.
        """
        extra = self._known(diffs)
        first = len(self.layer_names) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        found = self._named(self._inputs if end is None else self._bottom_ids(last))
        self._fill(top_diffs, self.outputs, "diff", "Top diff arguments do not match net outputs.", "Diff")
        self._backward(first, last)
        return {name: blob.diff for name, blob in (found | extra).items()}

    def _named(self, ids: Iterable[int]) -> dict[str, HostBlob]:
        return {self._blob_names[i]: self._blobs[i] for i in ids}

    def _known(self, names: Iterable[str] | None) -> dict[str, HostBlob]:
        """The blobs that a script asks for. Raises KeyError for one that is not there, before anything has run."""
        names = list(names or ())
        for name in names:
            if name not in self.blobs:
                raise KeyError(f"Unknown blob name {name}; this net has: {', '.join(self.blobs)}")
        return {name: self.blobs[name] for name in names}

    def _layer_index(self, name: str) -> int:
        """Of the first layer of that name. Raises ValueError where there is none, as pycaffe does."""
        if name not in self.layer_names:
            raise ValueError(f"'{name}' is not in the list of layers: {', '.join(self.layer_names)}")
        return self.layer_names.index(name)

    def _fill(self, arrays: dict[str, Any], names: list[str], what: str, mismatch: str, side: str) -> None:
        """Write the caller's arrays into blobs, after pycaffe's two checks; ValueError for what NumPy cannot assign."""
        if not arrays:
            return
        if set(arrays) != set(names):
            given, wanted = ", ".join(arrays), ", ".join(names) or "none"
            raise MinicaffeError(f"{mismatch} Given: {given}; the net has: {wanted}")
        for name, array in arrays.items():
            blob = self.blobs[name]
            if np.shape(array)[:1] != tuple(blob.shape[:1]):
                text = f"{side} is not batch sized: '{name}' has shape {np.shape(array)}, the blob {tuple(blob.shape)}"
                raise MinicaffeError(f"{text}; reshape the blob, or hand over as many items as it holds")
        for name, array in arrays.items():
            values = getattr(self.blobs[name], what)
            try:
                values[...] = array
            except ValueError as error:
                raise ValueError(f"{side} '{name}' does not fit the blob of shape {values.shape}: {error}") from error

    def forward_all(self, blobs: Iterable[str] | None = None, **inputs: Any) -> Arrays:
        """As forward, for arrays of any length: run in batches, the last one padded with zeros (net/batches.py)."""
        return batches.forward_all(self, list(blobs or ()), inputs)

    def forward_backward_all(
        self, blobs: Iterable[str] | None = None, diffs: Iterable[str] | None = None, **arrays: Any
    ) -> tuple[Arrays, Arrays]:
        """forward and backward for arrays of any length. arrays: inputs, gradients of outputs, or both."""
        return batches.forward_backward_all(self, list(blobs or ()), list(diffs or ()), arrays)

    def _batch(self, arrays: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The batches of forward_all, one after the other."""
        return batches.cut(arrays, batches.batch_size(self))

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Let the net read these arrays, batch by batch, over and over: its first layer must be a MemoryDataLayer.

        data: (n, C, H, W), labels: (n,) or (n, 1, 1, 1), float32 in C order; n a multiple of the batch size. On the
        CPU they are used in place.
        """
        if isinstance(labels, np.ndarray) and labels.ndim == 1:
            labels = np.ascontiguousarray(labels).reshape(-1, 1, 1, 1)
        self._set_input_arrays(data, labels)

    def _set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """set_input_arrays, for labels of 4 axes only."""
        layers = self.graph.layers
        if not layers or not isinstance(layers[0], MemoryDataLayer):
            first = f'it is "{layers[0].name}" ({layers[0].type})' if layers else "this net has none"
            text = f"set_input_arrays may only be called if the first layer is a MemoryDataLayer, {first}"
            raise MinicaffeError(f"{text}; give arrays to forward, or write them into blobs")
        layers[0].reset(data, labels)

    # --- hooks ---------------------------------------------------------------------------------

    def before_forward(self, hook: Hook) -> None:
        """Call hook(layer index) before each layer's forward."""
        self._hooks["before_forward"].append(hook)

    def after_forward(self, hook: Hook) -> None:
        """Call hook(layer index) after each layer's forward."""
        self._hooks["after_forward"].append(hook)

    def before_backward(self, hook: Hook) -> None:
        """Call hook(layer index) before each layer's turn in backward, whether it needs it or not."""
        self._hooks["before_backward"].append(hook)

    def after_backward(self, hook: Hook) -> None:
        """Call hook(layer index) after each layer's turn in backward, whether it needed it or not."""
        self._hooks["after_backward"].append(hook)
