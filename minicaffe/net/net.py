"""Net: a net that runs, with pycaffe's face."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe import backend as backends, log
from minicaffe.backend import random
from minicaffe.blob import Blob, HostBlob
from minicaffe.errors import MinicaffeError, ParamError
from minicaffe.layers.base import Context, Layer
from minicaffe.net import weights as weight_files
from minicaffe.net.build import assemble
from minicaffe.net.debug import DebugInfo
from minicaffe.net.private_names import PrivateNames
from minicaffe.net.spec import layer_specs
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import NetSource, read_net

Hook = Callable[[int], Any]


class Net(PrivateNames):
    """A net, built from a prototxt for one phase.

        net = Net("lenet.prototxt", caffe.TEST, weights="lenet.caffemodel")
        net.blobs["data"].data[...] = images            # (N, C, H, W)
        scores = net.forward()["prob"]                  # a view of the blob, (N, 10)

    network_file: a prototxt (any format Caffe ever had).  phase: TRAIN (0) or TEST (1).
    level, stages: the NetState that include and exclude rules are held against.
    weights: a .caffemodel to copy parameters from.
    dtype: "float32", or "float64" for gradient checks.
    memory_order: "auto", "c" or "batch_innermost" (backend/layout.py).

    blobs, params: dicts of HostBlob, by blob name, by layer name.  inputs, outputs: blob names.
    Raises MinicaffeError kinds with file, line, layer and field; FileError for a missing file.
    """

    def __init__(
        self,
        network_file: str | os.PathLike[str],
        phase: int,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: str | os.PathLike[str] | None = None,
        *,
        dtype: Any = np.float32,
        memory_order: str = "auto",
    ) -> None:
        if isinstance(phase, str):
            # pycaffe's older form: Net(network_file, weights_file, phase).
            log.warning("DEPRECATION WARNING - deprecated use of Python interface")
            log.warning(
                f"Use this instead (with the named \"weights\" parameter): Net('{network_file}', {level}, "
                f"weights='{phase}')"
            )
            phase, weights, level = level, phase, 0
        source = read_net(network_file)
        state = caffe_pb2.NetState()
        state.CopyFrom(source.param.state)
        state.phase, state.level = phase, level
        state.stage.extend(stages or ())
        self._build(source, state, dtype, memory_order, None)
        if weights is not None:
            self.copy_from(weights)

    @classmethod
    def from_source(
        cls,
        source: NetSource,
        state: Any,
        *,
        dtype: Any = np.float32,
        memory_order: str = "auto",
        seed: int | None = None,
    ) -> Net:
        """A net from a parsed definition and a complete NetState: what a solver builds.

        seed: of all its random numbers; by default the thread's next one (backend/random.py).
        """
        net = cls.__new__(cls)
        net._build(source, state, dtype, memory_order, seed)
        return net

    def _build(self, source: NetSource, state: Any, dtype: Any, memory_order: str, seed: int | None) -> None:
        for severity, text in source.notes:
            log.write(severity, text)
        self.backend = backends.active()
        self.name: str = source.param.name
        self.phase: int = state.phase
        self.debug_info: bool = source.param.debug_info
        seed = random.next_net_seed() if seed is None else seed
        layout = self.backend.layout(memory_order)
        context = Context(self.backend, np.dtype(dtype), self.phase, seed, layout)
        self._graph = graph = assemble(layer_specs(source.param.layer, source.origins), state, source.param, context)
        self.layers: list[Layer] = graph.layers
        self.layer_names = [layer.name for layer in graph.layers]
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self.output_blobs: list[Blob] = [graph.blobs[name] for name in graph.outputs]
        self.blob_loss_weights = graph.blob_loss_weights
        self.learnable_params: list[Blob] = [parameter.blob for parameter in graph.parameters]
        self.params_lr = [1.0 if p.lr_mult is None else p.lr_mult for p in graph.parameters]
        self.params_decay = [1.0 if p.decay_mult is None else p.decay_mult for p in graph.parameters]
        self.param_data, self.param_diffs = graph.param_data, graph.param_diffs
        self.blobs: OrderedDict[str, HostBlob] = OrderedDict((k, HostBlob(v)) for k, v in graph.blobs.items())
        self.params: OrderedDict[str, list[HostBlob]] = OrderedDict(
            (layer.name, [HostBlob(blob) for blob in layer.blobs]) for layer in graph.layers if layer.blobs
        )
        self._hooks: dict[str, list[Hook]] = {"bf": [], "af": [], "bb": [], "ab": []}

    # --- running -------------------------------------------------------------------------------

    def run_forward(self, start: int = 0, end: int | None = None) -> Any:
        """Run layers start ... end (both included) and return their loss.

        The loss is a number on the CPU, a 0-d array that is still on the device on a GPU.
        """
        graph, loss = self._graph, 0.0
        debug = DebugInfo(self) if self.debug_info else None
        with self.backend.at_work():
            for i in self._span(start, len(self.layers) - 1 if end is None else end):
                self._call("bf", i)
                loss = loss + self.layers[i].run_forward(graph.bottoms[i], graph.tops[i])
                if debug:
                    debug.forward(i)
                self._call("af", i)
        return loss

    def run_backward(self, start: int | None = None, end: int = 0) -> None:
        """Run the layers from start down to end (both included) backward, those that need it."""
        graph, need = self._graph, self._graph.need
        debug = DebugInfo(self) if self.debug_info else None
        last = len(self.layers) - 1 if start is None else start
        with self.backend.at_work():
            for i in reversed(self._span(end, last)):
                self._call("bb", i)
                if need.layer[i]:
                    self.layers[i].run_backward(graph.tops[i], need.bottom[i], graph.bottoms[i])
                    if debug:
                        debug.backward(i)
                self._call("ab", i)
        if debug and start is None and end == 0:
            debug.all_params()

    def _span(self, start: int, end: int) -> range:
        if not 0 <= start <= end + 1 <= len(self.layers):
            raise ParamError(f"layers {start} to {end} do not exist: this net has layers 0 to {len(self.layers) - 1}")
        return range(start, end + 1)

    def _call(self, event: str, index: int) -> None:
        for hook in self._hooks[event]:
            hook(index)

    def reshape(self) -> None:
        """Propagate the shapes of the input blobs through all layers, without computing."""
        for layer, bottom, top in zip(self.layers, self._graph.bottoms, self._graph.tops, strict=True):
            layer.reshape_if_changed(bottom, top)

    def clear_param_diffs(self) -> None:
        """Set the gradients of all learnable parameters to 0."""
        self.param_diffs.fill(0)
        for blob in self.learnable_params:
            blob.storage(1).device()

    def state(self) -> dict[str, dict]:
        """What a snapshot has to keep of the layers (data positions, random counters), by layer name."""
        states = ((layer.name, layer.state()) for layer in self.layers)
        return {name: state for name, state in states if state}

    def restore(self, state: dict[str, dict]) -> None:
        """Take up what `state` gave. Layers that it does not name start anew."""
        for layer in self.layers:
            if layer.name in state:
                layer.restore(state[layer.name])

    def close(self) -> None:
        """Stop the threads and close the files of the data layers."""
        for layer in self.layers:
            layer.close()

    # --- weights -------------------------------------------------------------------------------

    def copy_from(self, path: str | os.PathLike[str]) -> None:
        """Copy the parameters of equally named layers from a .caffemodel (net/weights.py)."""
        weight_files.copy_from(self, path)

    def share_trained_layers_with(self, other: Net) -> None:
        """Use other's parameter memory in equally named layers (data, not diff)."""
        weight_files.share_trained_layers_with(self, other)

    share_with = share_trained_layers_with

    def save(self, path: str | os.PathLike[str], *, write_diff: bool = False) -> tuple[int, str]:
        """Write a .caffemodel, atomically. Returns its size in bytes and its SHA-256."""
        return weight_files.save(self, path, write_diff=write_diff)

    # --- pycaffe -------------------------------------------------------------------------------

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        return OrderedDict((layer.name, layer) for layer in self.layers)

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """The blobs each layer writes, after Split layers were put in."""
        return OrderedDict(zip(self.layer_names, map(list, self._graph.top_names), strict=True))

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """The blobs each layer reads, after Split layers were put in."""
        return OrderedDict(zip(self.layer_names, map(list, self._graph.bottom_names), strict=True))

    def forward(
        self, blobs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Run forward and return the outputs, {name: array}; the arrays are views of the blobs.

        inputs: arrays for the net's inputs, all of them or none, of the blob's batch size.
        start, end: names of the first and last layer to run, both included.
        blobs: names of further blobs to return.
        """
        first = 0 if start is None else self._layer_index(start)
        last = len(self.layers) - 1 if end is None else self._layer_index(end)
        names = list(self.outputs) if end is None else list(self._graph.top_names[last])
        self._fill(inputs, self.inputs, "data", "Input blob arguments do not match net inputs.", "Input")
        self.run_forward(first, last)
        return {name: self.blobs[name].data for name in names + list(blobs or ())}

    def backward(
        self, diffs: Iterable[str] | None = None, start: str | None = None, end: str | None = None, **top_diffs: Any
    ) -> dict[str, np.ndarray]:
        """Run backward and return the inputs' gradients, {name: array}; the arrays are views of the blobs.

        top_diffs: gradients for the net's outputs, all of them or none.
        start, end: names of the layers to begin and end with (the last and the first by default).
        diffs: names of further blobs whose gradient to return. Parameter gradients add up over calls.
        """
        first = len(self.layers) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        names = list(self.inputs) if end is None else list(self._graph.bottom_names[last])
        self._fill(top_diffs, self.outputs, "diff", "Top diff arguments do not match net outputs.", "Diff")
        self.run_backward(None if start is None else first, last)
        return {name: self.blobs[name].diff for name in names + list(diffs or ())}

    def _layer_index(self, name: str) -> int:
        if name not in self.layer_names:
            raise ValueError(f"'{name}' is not in the list of layers: {', '.join(self.layer_names)}")
        return self.layer_names.index(name)

    def _fill(self, arrays: dict[str, Any], names: list[str], what: str, mismatch: str, side: str) -> None:
        """Write the caller's arrays into blobs, after pycaffe's two checks."""
        if not arrays:
            return
        if set(arrays) != set(names):
            raise MinicaffeError(f"{mismatch} Given: {', '.join(arrays)}; the net has: {', '.join(names)}")
        for name, array in arrays.items():
            blob = self.blobs[name]
            if np.shape(array)[:1] != (blob.shape[0] if blob.shape else 1,):
                text = f"{side} is not batch sized: '{name}' has shape {np.shape(array)}, the blob {blob.shape}"
                raise MinicaffeError(text)
            getattr(blob, what)[...] = array

    def before_forward(self, hook: Hook) -> None:
        """Call hook(layer index) before each layer's forward."""
        self._hooks["bf"].append(hook)

    def after_forward(self, hook: Hook) -> None:
        """Call hook(layer index) after each layer's forward."""
        self._hooks["af"].append(hook)

    def before_backward(self, hook: Hook) -> None:
        """Call hook(layer index) before each layer's turn in backward."""
        self._hooks["bb"].append(hook)

    def after_backward(self, hook: Hook) -> None:
        """Call hook(layer index) after each layer's turn in backward."""
        self._hooks["ab"].append(hook)
