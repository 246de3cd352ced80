"""What of a net is drawn: boxes of layers, octagons of blobs, and the arrows between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from minicaffe.errors import GraphError, ParamError
from minicaffe.net.drawing import labels
from minicaffe.net.spec import LayerSpec, layer_specs
from minicaffe.proto import caffe_pb2
from minicaffe.proto.source import NetSource

PHASES = {"ALL": None, "TRAIN": caffe_pb2.TRAIN, "TEST": caffe_pb2.TEST}


@dataclass(frozen=True)
class Built:
    """What a net knows that has been built: shapes by blob, and what to say of the parameters of each layer.

    notes: parallel to the net's layers; "" for nothing.
    """

    shapes: Mapping[str, tuple[int, ...]]
    notes: Sequence[str]


@dataclass
class Card:
    """A box of layers: one, and below it those that work in place on its only top.

    in_place: the box stands for itself, though its layer works in place: it could not be joined to one box.
    notes: parallel to the layers; what of a layer does not stand in its definition.
    """

    layers: list[Any]
    notes: list[str]
    in_place: bool = False


@dataclass
class Blob:
    """An octagon: a blob, from its making until a layer that works in place changes it under others' eyes.

    makers, readers: boxes, by index; none in makers for a blob that no layer of the net makes.
    shape: None where it is not known.
    """

    name: str
    shape: tuple[int, ...] | None = None
    makers: list[int] = field(default_factory=list)
    readers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Edge:
    """An arrow from node to node, by index. label: what is written at it."""

    source: int
    target: int
    label: str = ""


@dataclass
class NetGraph:
    """Nodes in the order of the file, and edges, of which none closes a circle.

    phase: of caffe_pb2, or None where layers of both are there.
    """

    name: str
    phase: int | None
    nodes: list[Card | Blob] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


def net_graph(source: NetSource, phase: int | None = None, built: Built | None = None) -> NetGraph:
    """The graph of a net in today's form.

    phase: whose layers are drawn, TRAIN or TEST of caffe_pb2; None for all. Levels and stages play no part.
    built: what else is known of the net. Then no shapes are written at the arrows.
    Raises GraphError where there is nothing to draw, ParamError for a layer with rules of both kinds.
    """
    specs = layer_specs(source.param.layer, source.origins)
    notes = built.notes if built else [""] * len(specs)
    drawn = [(spec.param, note) for spec, note in zip(specs, notes, strict=True) if is_drawn(spec, phase)]
    if not drawn:
        what = "has no layers" if not specs else f"has no layer of phase {caffe_pb2.Phase.Name(phase)}"
        raise GraphError(f"{what}: there is nothing to draw; give the definition of a net", file=source.origin.file)
    builder = _Builder(NetGraph(source.param.name, phase), built.shapes if built else None)
    for layer, note in drawn:
        builder.add(layer, note)
    return builder.finish()


def is_drawn(spec: LayerSpec, phase: int | None) -> bool:
    """Whether a layer's rules let it into a phase. A rule that names no phase speaks of neither."""
    include, exclude = spec.param.include, spec.param.exclude
    if phase is None:
        return True
    if include and exclude:
        text = "stands beside exclude: a layer has rules of one kind only; keep one of the two"
        raise spec.error(ParamError, text, "include")
    included = not include or any(not rule.HasField("phase") or rule.phase == phase for rule in include)
    return included and not any(rule.HasField("phase") and rule.phase == phase for rule in exclude)


class _Builder:
    """Adds layer after layer. blobs: what a name means now, as the index of its octagon."""

    def __init__(self, graph: NetGraph, shapes: Mapping[str, tuple[int, ...]] | None) -> None:
        self.graph, self.shapes = graph, shapes
        self.blobs: dict[str, int] = {}
        self.labels: dict[tuple[int, int], str] = {}

    def add(self, layer: Any, note: str) -> None:
        if is_in_place(layer) and self._join(layer, note):
            return
        card = self._node(Card([layer], [note], is_in_place(layer)))
        for name in dict.fromkeys(layer.bottom):
            if name not in self.blobs:
                self.blobs[name] = self._node(self._new_blob(name))
            self._blob(name).readers.append(card)
        for index, name in enumerate(layer.top):
            blob = self._made(name, card)
            if self.shapes is None:
                self.labels.setdefault((card, blob), labels.edge_label(layer, index))

    def _join(self, layer: Any, note: str) -> bool:
        """Put a layer that works in place between its blob's makers and the blob. Not where others read it before."""
        name = layer.bottom[0]
        if name not in self.blobs or not self._blob(name).makers or self._blob(name).readers:
            return False
        blob = self._blob(name)
        only = self._card(blob.makers[0])
        if len(blob.makers) == 1 and len(only.layers[0].top) == 1:
            only.layers.append(layer)
            only.notes.append(note)
            return True
        card = self._node(Card([layer], [note], in_place=True))
        for maker in blob.makers:
            label = self.labels.pop((maker, self.blobs[name]), "")
            self.graph.edges.append(Edge(maker, card, label))
        blob.makers = [card]
        return True

    def _made(self, name: str, card: int) -> int:
        """The octagon for a top of `card`. A name comes twice where phases have a maker each: both make one blob."""
        if name in self.blobs:
            blob = self._blob(name)
            is_source = not self._card(card).layers[0].bottom
            # Once it has been read, what is made from other blobs could lie behind its readers: another octagon.
            if blob.makers and (is_source or not blob.readers):
                if card not in blob.makers:
                    blob.makers.append(card)
                return self.blobs[name]
        blob = self._new_blob(name)
        blob.makers.append(card)
        self.blobs[name] = self._node(blob)
        return self.blobs[name]

    def _new_blob(self, name: str) -> Blob:
        return Blob(name, self.shapes.get(name) if self.shapes else None)

    def finish(self) -> NetGraph:
        graph = self.graph
        for index, node in enumerate(graph.nodes):
            if isinstance(node, Blob):
                graph.edges += [Edge(maker, index, self.labels.get((maker, index), "")) for maker in node.makers]
                graph.edges += [Edge(index, reader) for reader in node.readers]
        return graph

    def _card(self, index: int) -> Card:
        return cast(Card, self.graph.nodes[index])

    def _blob(self, name: str) -> Blob:
        return cast(Blob, self.graph.nodes[self.blobs[name]])

    def _node(self, node: Card | Blob) -> int:
        self.graph.nodes.append(node)
        return len(self.graph.nodes) - 1


def is_in_place(layer: Any) -> bool:
    """Whether a layer overwrites its only bottom: one of Caffe's neurons."""
    return len(layer.bottom) == 1 and list(layer.bottom) == list(layer.top)
