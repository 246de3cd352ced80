"""Net: a net that runs."""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe import backend as backends, log
from minicaffe.backend import random
from minicaffe.blob import DIFF, Blob
from minicaffe.errors import FormatError, ParamError
from minicaffe.layers.base import TEST, TRAIN, Context
from minicaffe.net import weights as weight_files, weights_hdf5
from minicaffe.net.build import assemble, close_layers
from minicaffe.net.debug import DebugInfo
from minicaffe.net.graph import Graph
from minicaffe.net.older_form import understands_older_form
from minicaffe.net.scripting import Scripting
from minicaffe.net.spec import layer_specs
from minicaffe.net.weights_table import WeightsTable
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import NetSource, read_net

Path = str | os.PathLike[str]


class Net(Scripting):
    """A net, built from a prototxt for one phase.

        net = Net("lenet.prototxt", caffe.TEST, weights="lenet.caffemodel")
        net.blobs["data"].data[...] = images            # (N, C, H, W)
        scores = net.forward()["prob"]                  # a view of the blob, (N, 10)

    network_file: a prototxt (any format Caffe ever had).  phase: TRAIN (0) or TEST (1).
    level, stages: the NetState that include and exclude rules are held against, an integer and a list of names. The
    file's own phase and level do not count, its stages do.
    weights: a .caffemodel, or HDF5 weights, to copy parameters from (copy_from).
    dtype: "float32", or "float64" for gradient checks.
    memory_order: "auto", "c" or "batch_innermost" (backend/layout.py).
    pycaffe's older form is understood, too: Net(network_file, weights_file, phase).

    blobs, params: dicts of HostBlob, by blob name, by layer name.  inputs, outputs: blob names.
    layers, layer_names: in order, with the Split layers that were put in; of a Python layer the user's own object.
    graph: what the net runs, layers, blobs and their wiring.
    learnable_params, params_lr, params_decay: what is trained, without sharers, and its factors.
    Raises MinicaffeError kinds with file, line, layer and field; FileError for a missing file.
    """

    @understands_older_form
    def __init__(
        self,
        network_file: Path,
        phase: int,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: Path | None = None,
        *,
        dtype: Any = np.float32,
        memory_order: str = "auto",
    ) -> None:
        state = caffe_pb2.NetState(phase=checked_phase(phase), level=checked_level(level))
        wanted = checked_stages(stages)
        source = read_net(network_file)
        if weights is not None:
            # Before the net takes its time and memory.
            weight_files.check_file(weights)
        state.stage.extend([*source.param.state.stage, *wanted])
        self._build(source, state, dtype, memory_order, None)
        if weights is not None:
            try:
                self.copy_from(weights)
            except BaseException:
                self.close()
                raise

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
        self.dtype = checked_dtype(dtype)
        seed = random.next_net_seed() if seed is None else seed
        context = self._context = Context(self.backend, self.dtype, self.phase, seed, self.backend.layout(memory_order))
        specs = layer_specs(source.param.layer, source.origins)
        graph, self._memory = assemble(specs, state, source.param, context)
        self.graph: Graph = graph
        # A net that is dropped stops the threads of its data layers, closed or not.
        self._closer = weakref.finalize(self, close_layers, graph.layers)
        self.layer_names = [layer.name for layer in graph.layers]
        self.output_blobs: list[Blob] = graph.output_blobs
        parameters = graph.parameters.learnable
        self.learnable_params: list[Blob] = [parameter.blob for parameter in parameters]
        self.params_lr = [1.0 if p.lr_mult is None else p.lr_mult for p in parameters]
        self.params_decay = [1.0 if p.decay_mult is None else p.decay_mult for p in parameters]
        self._tops = [graph.blobs_of(ids) for ids in graph.top_ids]
        self._bottoms = [graph.blobs_of(ids) for ids in graph.bottom_ids]
        self._offer_to_scripts()

    # --- running -------------------------------------------------------------------------------

    def run_forward(self, start: int = 0, end: int | None = None) -> Any:
        """Run layers start ... end (both included) and return their loss.

        The loss is a number on the CPU, a 0-d array that is still on the device on a GPU.
        """
        span = self._span(start, len(self.graph.layers) - 1 if end is None else end)
        loss: Any = 0.0
        with self.backend.at_work():
            for i in span:
                self._call("before_forward", i)
                layer = self.graph.layers[i]
                with layer.placing_errors():
                    loss = loss + layer.run_forward(self._bottoms[i], self._tops[i])
                if self.debug_info:
                    DebugInfo(self.graph).forward(i)
                self._call("after_forward", i)
        return loss

    def run_backward(self, start: int | None = None, end: int = 0) -> None:
        """Run the layers from start down to end (both included) backward, those that need it.

        Diffs of blobs are overwritten, those of parameters added to.
        """
        need = self.graph.need
        span = self._span(end, len(self.graph.layers) - 1 if start is None else start)
        with self.backend.at_work():
            self._memory.take_diffs()
            for i in reversed(span):
                self._call("before_backward", i)
                if need.layer[i]:
                    layer = self.graph.layers[i]
                    with layer.placing_errors():
                        layer.run_backward(self._tops[i], need.bottom[i], self._bottoms[i])
                    if self.debug_info:
                        DebugInfo(self.graph).backward(i)
                self._call("after_backward", i)
            if self.debug_info and len(span) == len(self.graph.layers):
                DebugInfo(self.graph).all_params()

    def _span(self, first: int, last: int) -> range:
        count = len(self.graph.layers)
        if not 0 <= first <= last + 1 <= count:
            text = f"cannot run layers {first} to {last}: this net has layers 0 to {count - 1}, and the first to run"
            raise ParamError(f"{text} forward, the last to run backward, must not come behind the other")
        return range(first, last + 1)

    def _call(self, event: str, index: int) -> None:
        for hook in self._hooks[event]:
            hook(index)

    def reshape(self) -> None:
        """Propagate the shapes of the input blobs through all layers, without computing."""
        with self.backend.at_work():
            for layer, bottom, top in zip(self.graph.layers, self._bottoms, self._tops, strict=True):
                with layer.placing_errors():
                    layer.reshape_if_changed(bottom, top)

    # --- parameters ----------------------------------------------------------------------------

    @property
    def param_data(self) -> Any:
        """The learnable parameters that are this net's own memory, in one flat array of the backend.

        Empty once all are another net's (share_trained_layers_with).
        """
        return self._memory.data

    @property
    def param_diffs(self) -> Any:
        """The gradients of all learnable parameters, in one flat array of the backend, with gaps of zeros."""
        return self._memory.diffs

    def clear_param_diffs(self, *, later: bool = False) -> None:
        """Set the gradients of all learnable parameters to 0.

        later: only let them count as zeros, until someone looks. Arrays fetched before do not show it, but
        a layer that would add to zeros overwrites at once.
        """
        if later:
            for blob in self.learnable_params:
                blob.storage(DIFF).zero_later()
            return
        with self.backend.at_work():
            self.param_diffs.fill(0)

    def copy_from(self, path: Path, mismatched: str = "error") -> WeightsTable:
        """Copy the parameters of equally named layers from a file, binary or HDF5.

            print(net.copy_from("bvlc_reference_caffenet.caffemodel", mismatched="skip"))

        mismatched: what to do where a layer's parameters are others than the file's, in shape or number: "error", or
        "skip" to leave such layers as they are, as in fine-tuning.
        Returns a table of the layers: copied, skipped, mismatched, unused (net/weights_table.py). It is logged, too.
        Raises ShapeError where parameters do not fit, with the table as its `table`, and FileError or FormatError for
        a file that cannot be read; nothing was copied then.
        """
        return weight_files.copy_from(self.graph, path, mismatched)

    def load_hdf5(self, path: Path, mismatched: str = "error") -> WeightsTable:
        """Copy the parameters of equally named layers from an HDF5 file, as copy_from does (net/weights_hdf5.py)."""
        return weights_hdf5.load_hdf5(self.graph, path, mismatched)

    def share_trained_layers_with(self, other: Net) -> None:
        """Use other's parameter memory in equally named layers: data, not diff.

        Raises ShapeError where parameters do not fit, DeviceError for a net on another device; nothing is shared then.
        """
        if not isinstance(other, Net):
            raise TypeError(f"weights are shared with another net, not with {other!r}")
        weight_files.share_trained_layers_with(self.graph, other.graph)
        self._memory.release()

    share_with = share_trained_layers_with

    def save(self, path: Path, *, write_diff: bool = False) -> None:
        """Write a .caffemodel, all of it or nothing; write_diff: with the gradients."""
        weight_files.save(self.graph, os.fspath(path), write_diff=write_diff, hashed=False)

    def save_hdf5(self, path: Path, write_diff: bool = False) -> None:
        """Write the weights as an HDF5 file (net/weights_hdf5.py), all of it or nothing."""
        weights_hdf5.save_hdf5(self.graph, os.fspath(path), write_diff=write_diff, hashed=False)

    # --- what goes on between runs -------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What a snapshot has to keep: the seed, and of the layers data positions, counters of draws, memories.

        {"seed": ..., "layers": {name: state}}, plain numbers and strings.
        """
        states = zip(self._state_keys(), (layer.state() for layer in self.graph.layers), strict=True)
        return {"seed": self._context.seed, "layers": {key: state for key, state in states if state}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave. Layers that it does not name go on as they are, and so do all where one cannot.

        Raises FormatError, DataError for a state that is not one of this net, or of other data.
        """
        before = self.state()
        try:
            self._take_up(state)
        except BaseException:
            self._take_up(before)
            raise

    def _take_up(self, state: dict[str, Any]) -> None:
        seed, layers = state.get("seed"), state.get("layers")
        if not isinstance(seed, int) or seed < 0 or not isinstance(layers, dict):
            text = f"cannot go on from the snapshot: what it keeps of net '{self.name}' has no seed, or no layers"
            raise FormatError(f"{text}; begin a new run with its weights")
        self._context.seed = seed
        for key, layer in zip(self._state_keys(), self.graph.layers, strict=True):
            if isinstance(layers.get(key), dict):
                layer.restore(layers[key])

    def _state_keys(self) -> list[str]:
        """The layers' names; where several layers bear one, the later ones are counted."""
        seen: Counter[str] = Counter()
        keys = []
        for name in self.layer_names:
            keys.append(f"{name}#{seen[name]}" if seen[name] else name)
            seen[name] += 1
        return keys

    def close(self) -> None:
        """Stop the threads and close the files of the data layers; once is enough."""
        self._closer()

    def __enter__(self) -> Net:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def checked_phase(phase: Any) -> int:
    if not isinstance(phase, int | np.integer):
        raise TypeError(f"phase must be TRAIN (0) or TEST (1), not {phase!r}")
    if phase not in (TRAIN, TEST):
        raise ParamError(f"phase is {phase}, must be TRAIN (0) or TEST (1)")
    return int(phase)


def checked_level(level: Any) -> int:
    if not isinstance(level, int | np.integer):
        advice = f"; a file of weights is named: weights={level!r}" if isinstance(level, str | os.PathLike) else ""
        raise TypeError(f"level must be an integer, not {level!r}{advice}")
    return int(level)


def checked_stages(stages: Sequence[str] | None) -> list[str]:
    if isinstance(stages, str):
        raise TypeError(f"stages must be a list of names, [{stages!r}], not a name alone")
    for stage in stages or ():
        if not isinstance(stage, str):
            raise TypeError(f"stages must be a list of names, and {stage!r} is none")
    return list(stages or ())


def checked_dtype(dtype: Any) -> np.dtype:
    """float32, or float64; nothing else has been thought through."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ParamError(f"dtype is {np.dtype(dtype)}, must be float32, or float64 for gradient checks")
    return np.dtype(dtype)
