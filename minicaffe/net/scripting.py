"""Scripting: what pycaffe's Net offers to scripts, on top of a net that runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

import numpy as np

from minicaffe.blob import HostBlob
from minicaffe.blob_vec import BlobVec
from minicaffe.errors import MinicaffeError
from minicaffe.layers.memory_data import MemoryDataLayer
from minicaffe.layers.user_layer import Layer
from minicaffe.net import batches
from minicaffe.net.batches import Arrays
from minicaffe.net.host_layer import as_scripts_see
from minicaffe.net.notebook import Shown
from minicaffe.net.private_names import PrivateNames

Hook = Callable[[int], Any]
Value = TypeVar("Value")
EVENTS = ("before_forward", "after_forward", "before_backward", "after_backward")


class Scripting(PrivateNames, Shown):
    """Dicts by name, and passes that take and give NumPy arrays.

    The dicts are made once. Where several layers, or blobs, have one name, it stands for the last of them, as in
    pycaffe.
    """

    def _offer_to_scripts(self) -> None:
        graph, names = self.graph, self.layer_names
        self._blobs: list[HostBlob] = [HostBlob(blob) for blob in graph.blobs]
        self._layers: list[Layer] = [as_scripts_see(layer) for layer in graph.layers]
        blob_vecs = [layer.blobs for layer in self._layers]
        self._blob_dict = by_name(graph.blob_names, self._blobs, "blob")
        self._loss_weight_dict = by_name(graph.blob_names, graph.loss_weights, "blob")
        self._layer_dict = by_name(names, self._layers, "layer")
        learning = [i for i, vec in enumerate(blob_vecs) if vec]
        learning_names, learning_vecs = [names[i] for i in learning], [blob_vecs[i] for i in learning]
        self._param_dict = by_name(learning_names, learning_vecs, "layer with parameters")
        self._top_names = by_name(names, [graph.names(ids) for ids in graph.top_ids])
        self._bottom_names = by_name(names, [graph.names(ids) for ids in graph.bottom_ids])
        self._input_list, self._output_list = list(graph.inputs), graph.outputs
        self._hooks: dict[str, list[Hook]] = {event: [] for event in EVENTS}

    def __copy__(self) -> NoReturn:
        """One that shared all with this net would be closed with it."""
        raise TypeError("a net cannot be copied: build another of its prototxt, and share_with or copy_from")

    # --- what there is -------------------------------------------------------------------------

    @property
    def blobs(self) -> OrderedDict[str, HostBlob]:
        """Blob name -> blob, in the order of their creation, those of Split layers included."""
        return self._blob_dict

    @property
    def params(self) -> OrderedDict[str, BlobVec]:
        """Layer name -> its parameters (weights, bias), of layers that have any."""
        return self._param_dict

    @property
    def layers(self) -> list[Layer]:
        """All layers in net order, Split layers included: HostLayers, and of Python layers the user's own objects."""
        return self._layers

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        """Layer name -> layer."""
        return self._layer_dict

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that Input layers make, in order."""
        return self._input_list

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads, sorted."""
        return self._output_list

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """Layer name -> names of the blobs that it writes."""
        return self._top_names

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """Layer name -> names of the blobs that it reads; those of a Split where several layers read one."""
        return self._bottom_names

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """Blob name -> what it counts in the loss, 0 for most."""
        return self._loss_weight_dict

    # --- passes --------------------------------------------------------------------------------

    def forward(
        self, blobs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run forward and return the outputs, {name: array}.

            scores = net.forward(data=images)["prob"].copy()

        blobs: names of further blobs to return.
        start, end: names of the first and last layer to run, both included; with end its tops are returned.
        kwargs: arrays for the net's inputs, {name: array}: all of them or none, each of its blob's batch size and of
        a shape that NumPy can assign to it. Without any, the inputs stay what they are.
        The arrays returned are views of the blobs: the next pass changes them, so copy what you keep.
        Raises KeyError or ValueError for a name that is not there, MinicaffeError for other inputs than the net's.
        """
        extra = self._known(blobs)
        first = 0 if start is None else self._layer_index(start)
        last = len(self.layer_names) - 1 if end is None else self._layer_index(end)
        found = self._named(self._outputs if end is None else self._top_ids(last))
        self._fill(kwargs, self.inputs, "data", "Input blob arguments do not match net inputs.", "Input")
        self._forward(first, last)
        return {name: blob.data for name, blob in (found | extra).items()}

    def backward(
        self, diffs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run backward and return the inputs' gradients, {name: array}.

        diffs: names of further blobs whose gradient to return.
        start, end: names of the layers to begin and end with (the last and the first by default); with end the
        gradients of its bottoms are returned.
        kwargs: gradients of the net's outputs, {name: array}: all of them or none, each of its blob's batch size.
        Without any they stay what they are; a loss has brought its own.
        The arrays returned are views of the blobs, as in forward. Gradients of parameters add up over calls, until
        clear_param_diffs(); gradients of blobs that nobody needs are not computed (see force_backward).
        Raises as forward.
        """
        extra = self._known(diffs)
        first = len(self.layer_names) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        found = self._named(self._inputs if end is None else self._bottom_ids(last))
        self._fill(kwargs, self.outputs, "diff", "Top diff arguments do not match net outputs.", "Diff")
        self._backward(first, last)
        return {name: blob.diff for name, blob in (found | extra).items()}

    def _named(self, ids: Iterable[int]) -> dict[str, HostBlob]:
        return {self._blob_names[i]: self._blobs[i] for i in ids}

    def _known(self, names: Iterable[str] | None) -> dict[str, HostBlob]:
        """The blobs that a script asks for. Raises KeyError for one that is not there, before anything has run."""
        names = names_in(names)
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

    def forward_all(self, blobs: Iterable[str] | None = None, **kwargs: Any) -> Arrays:
        """As forward, for arrays of any length: run in batches, the last one padded with zeros (net/batches.py).

        blobs: names of further blobs to return.  kwargs: the inputs, {name: array}, arrays of one length n.
        Returns copies, {name: array of n items}.
        Raises MinicaffeError without inputs, ShapeError for an output without a batch axis.
        """
        return batches.forward_all(self, names_in(blobs), kwargs)

    def forward_backward_all(
        self, blobs: Iterable[str] | None = None, diffs: Iterable[str] | None = None, **kwargs: Any
    ) -> tuple[Arrays, Arrays]:
        """forward and backward for arrays of any length, batch by batch.

        blobs, diffs: names of further blobs whose values, whose gradients to return.
        kwargs: inputs, gradients of outputs, or both, {name: array}, arrays of one length n; a side without any runs
        on what its blobs hold.
        Returns ({name: values}, {name: gradients}): what forward and backward give for all n items, copied.
        Raises as forward_all.
        """
        return batches.forward_backward_all(self, names_in(blobs), names_in(diffs), kwargs)

    def _batch(self, blobs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The batches of forward_all, one after the other."""
        return batches.cut(blobs, batches.batch_size(self))

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

    def before_forward(self, f: Hook) -> None:
        """Call f(layer index) before each layer's forward. Hooks add up; what one raises, the pass raises."""
        self._add_hook("before_forward", f)

    def after_forward(self, f: Hook) -> None:
        """Call f(layer index) after each layer's forward."""
        self._add_hook("after_forward", f)

    def before_backward(self, f: Hook) -> None:
        """Call f(layer index) before each layer's turn in backward, whether it needs it or not."""
        self._add_hook("before_backward", f)

    def after_backward(self, f: Hook) -> None:
        """Call f(layer index) after each layer's turn in backward, whether it needed it or not."""
        self._add_hook("after_backward", f)

    def _add_hook(self, event: str, f: Hook) -> None:
        if not callable(f):
            raise TypeError(f"{event} takes a function of the layer's index, not {f!r}")
        self._hooks[event].append(f)


def names_in(names: Iterable[str] | None) -> list[str]:
    """Raises TypeError for a name alone, whose letters would be taken for names, and for arrays."""
    if isinstance(names, str):
        raise TypeError(f"blobs to return are given as a list of names, [{names!r}], not as a name alone")
    if isinstance(names, np.ndarray | dict):
        text = f"blobs to return are given as a list of names, not as {type(names).__name__}"
        raise TypeError(f"{text}; arrays are handed over by the names of their blobs: forward(data=array)")
    return [] if names is None else list(names)


class ByName(OrderedDict[str, Value]):
    """What a net has, by name.  what: a word for a value, for the error where a name is not there."""

    what = "value"

    def __missing__(self, name: Any) -> NoReturn:
        raise KeyError(f"this net has no {self.what} {name!r}, but: {', '.join(self) or 'none at all'}")

    __repr__ = dict.__repr__


def by_name(names: Iterable[str], values: Iterable[Value], what: str = "layer") -> OrderedDict[str, Value]:
    found = ByName(zip(names, values, strict=True))
    found.what = what
    return found
