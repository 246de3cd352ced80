"""Graph: layers and the blobs between them, wired one layer at a time. As net.cpp, AppendTop and AppendBottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minicaffe import log
from minicaffe.backend.layout import c_order
from minicaffe.blob import Blob
from minicaffe.errors import GraphError
from minicaffe.layers.base import Context, Layer
from minicaffe.net.need import Need
from minicaffe.net.shared_memory import memory_of
from minicaffe.net.sharing import ParameterTable
from minicaffe.net.spec import LayerSpec
from minicaffe.net.splits import unknown_bottom

AUTOMATIC = "(automatic)"  # what tops are called that no prototxt names; several blobs may bear it


@dataclass
class Graph:
    """A wired net.

    name: the net's.
    layers, bottom_ids, top_ids: one entry a layer, Split layers included.
    blobs, blob_names, loss_weights: one entry a blob, in the order of their creation; ids count them.
    inputs, outputs: blob names.  values: how many there are in all tops.
    c_order: names of blobs that user code touches, which lie in C order whatever the net's rule.
    """

    context: Context
    name: str = ""
    c_order: set[str] = field(default_factory=set)
    layers: list[Layer] = field(default_factory=list)
    bottom_ids: list[list[int]] = field(default_factory=list)
    top_ids: list[list[int]] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    blob_names: list[str] = field(default_factory=list)
    loss_weights: list[float] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    values: int = 0
    need: Need = field(default_factory=Need)
    parameters: ParameterTable = field(default_factory=ParameterTable)
    # The blob that a name stands for, and the names that no layer has read yet.
    _ids: dict[str, int] = field(default_factory=dict)
    _available: set[str] = field(default_factory=set)
    # Which memory a blob lies in, called by the first blob there; and the layers that write it.
    _memory: dict[str, str] = field(default_factory=dict)
    _writers: dict[str, list[Layer]] = field(default_factory=dict)

    @property
    def outputs(self) -> list[str]:
        """Blobs that nobody reads, sorted as bytes."""
        return sorted(self._available)

    @property
    def output_blobs(self) -> list[Blob]:
        return self.blobs_of(self.ids(self.outputs))

    def ids(self, names: Sequence[str]) -> list[int]:
        return [self._ids[name] for name in names]

    def names(self, ids: Sequence[int]) -> list[str]:
        return [self.blob_names[i] for i in ids]

    def blobs_of(self, ids: Sequence[int]) -> list[Blob]:
        return [self.blobs[i] for i in ids]

    def add_layer(self, layer: Layer, spec: LayerSpec) -> None:
        """Wire a layer to the blobs it reads and writes, which has not been set up yet.

        Raises GraphError for a bottom that is not there, a top that is there already, and a layer that cannot
        run in place.
        """
        bottom, top = spec.param.bottom, spec.param.top
        self.layers.append(layer)
        self.bottom_ids.append([self._take(spec, position) for position in range(len(bottom))])
        self.top_ids.append([self._add_top(spec, position, layer) for position in range(len(top))])
        if layer.auto_top:
            while len(self.top_ids[-1]) < max(layer.min_top or 0, layer.exact_top or 0):
                self.top_ids[-1].append(self._new_blob(spec, AUTOMATIC))
        if spec.param.type == "Input":
            self.inputs += top

    def _take(self, spec: LayerSpec, position: int) -> int:
        name = spec.param.bottom[position]
        if name not in self._available:
            raise unknown_bottom(spec, position, "another layer has used it up")
        self._available.remove(name)
        log.info(f"{spec.name} <- {name}")
        return self._ids[name]

    def _add_top(self, spec: LayerSpec, position: int, layer: Layer) -> int:
        """The bottom itself for a layer in place (same name, same index), else a new blob."""
        name, bottom = spec.param.top[position], spec.param.bottom
        if position < len(bottom) and bottom[position] == name:
            if not layer.in_place:
                text = f"is '{name}', the layer's own bottom, and layers of type {spec.param.type} cannot run in place"
                raise spec.error(GraphError, f"{text}: give the top a name of its own", f"top[{position}]")
            log.info(f"{spec.name} -> {name} (in-place)")
            for writer in self._writers[self._memory[name]]:
                writer.top_is_overwritten = True
        elif name in self._ids:
            raise self._produced_twice(spec, position)
        else:
            self._ids[name] = self._new_blob(spec, name)
        self._available.add(name)
        memory = self._memory.setdefault(name, memory_of(name, spec, self._memory))
        self._writers.setdefault(memory, []).append(layer)
        return self._ids[name]

    def _new_blob(self, spec: LayerSpec, name: str) -> int:
        log.info(f"{spec.name} -> {name}")
        context = self.context
        layout = c_order if name in self.c_order else context.layout
        assert layout is not None
        self.blobs.append(Blob(backend=context.backend, dtype=context.dtype, layout=layout))
        self.blob_names.append(name)
        self.loss_weights.append(0.0)
        return len(self.blobs) - 1

    def _produced_twice(self, spec: LayerSpec, position: int) -> GraphError:
        name = spec.param.top[position]
        # The layer at hand is not in top_ids yet, and may itself be the other source.
        writers = (self.layers[i].name for i, ids in enumerate(self.top_ids) if self._ids[name] in ids)
        other = next(writers, spec.name)
        text = f"is '{name}': Top blob '{name}' produced by multiple sources, layer '{other}' among them; give this top"
        text += " another name, or, if the layer shall run in place, let no other layer read the blob before it does"
        return spec.error(GraphError, text, f"top[{position}]")
