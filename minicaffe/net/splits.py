"""Split layers where a top is read more than once, so that every blob has one reader. As insert_splits.cpp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from minicaffe.errors import GraphError
from minicaffe.net.spec import LayerSpec
from minicaffe.proto import caffe_pb2
from minicaffe.proto.hints import nearest

Top = tuple[int, int]  # layer index, top index


def insert_splits(layers: Sequence[LayerSpec], left_out: Sequence[LayerSpec] = ()) -> list[LayerSpec]:
    """The same layers, with a Split after every layer whose top has more than one use.

    A use is a bottom, or an explicit non-zero loss_weight (which moves to the Split's first top).
    left_out: layers that the rules keep out of this net, for the error text.
    Raises GraphError for a bottom that no earlier layer produces.
    """
    producers = find_producers(layers, left_out)
    uses = Counter(producer for row in producers for producer in row)
    for index, layer in enumerate(layers):
        for top in range(len(layer.param.top)):
            uses[index, top] += loss_weight_of(layer, top) != 0
    split = {top for top, count in uses.items() if count > 1}
    next_use: Counter[Top] = Counter()
    result = []
    for index, layer in enumerate(layers):
        layer = layer.copy()
        for position, producer in enumerate(producers[index]):
            if producer in split:
                name = split_blob(layers, producer, use_index(layers, producer, next_use))
                layer.param.bottom[position] = name
        result.append(layer)
        tops = [top for top in range(len(layer.param.top)) if (index, top) in split]
        result += [make_split(layers, (index, top), uses[index, top]) for top in tops]
        move_loss_weights(layer, tops)
    return result


def find_producers(layers: Sequence[LayerSpec], left_out: Sequence[LayerSpec] = ()) -> list[list[Top]]:
    """For each layer, the latest producer of each of its bottoms."""
    latest: dict[str, Top] = {}
    producers = []
    for index, layer in enumerate(layers):
        for position, blob in enumerate(layer.param.bottom):
            if blob not in latest:
                advice = advice_about(blob, list(latest), layers[index:], left_out)
                raise unknown_bottom(layer, position, advice)
        producers.append([latest[blob] for blob in layer.param.bottom])
        latest.update({blob: (index, top) for top, blob in enumerate(layer.param.top)})
    return producers


def unknown_bottom(layer: LayerSpec, position: int, advice: str) -> GraphError:
    blob = layer.param.bottom[position]
    text = f"Unknown bottom blob '{blob}' (layer '{layer.name}', bottom index {position})"
    return layer.error(GraphError, f"is '{blob}': {text}; {advice}", f"bottom[{position}]")


def advice_about(blob: str, known: list[str], later: Sequence[LayerSpec], left_out: Sequence[LayerSpec]) -> str:
    """What may have been meant by a blob that no earlier layer produces."""
    for layer in later:
        if blob in layer.param.top:
            return f"layer '{layer.name}' produces it, but comes no earlier: change the order of the layers"
    for layer in left_out:
        if blob in layer.param.top:
            return f"layer '{layer.name}' produces it, but its include or exclude rules keep it out of this net"
    if close := nearest(blob, known):
        return f"did you mean '{close}'?"
    return f"the layers before it produce: {', '.join(known) or 'nothing'}"


def loss_weight_of(layer: LayerSpec, top: int) -> float:
    """The explicit weight; the one that loss layers take by themselves is not in the message yet, nor counted."""
    return layer.param.loss_weight[top] if top < len(layer.param.loss_weight) else 0.0


def use_index(layers: Sequence[LayerSpec], producer: Top, next_use: Counter[Top]) -> int:
    """The number of the next reader's Split top: 0, 1, ...; 0 is the loss's where there is a weight."""
    first = 1 if loss_weight_of(layers[producer[0]], producer[1]) else 0
    next_use[producer] += 1
    return first + next_use[producer] - 1


def split_layer_name(layers: Sequence[LayerSpec], producer: Top) -> str:
    index, top = producer
    return f"{layers[index].param.top[top]}_{layers[index].name}_{top}_split"


def split_blob(layers: Sequence[LayerSpec], producer: Top, use: int) -> str:
    return f"{split_layer_name(layers, producer)}_{use}"


def make_split(layers: Sequence[LayerSpec], producer: Top, uses: int) -> LayerSpec:
    index, top = producer
    layer = layers[index]
    param = caffe_pb2.LayerParameter(name=split_layer_name(layers, producer), type="Split")
    param.bottom.append(layer.param.top[top])
    param.top.extend(split_blob(layers, producer, use) for use in range(uses))
    weight = loss_weight_of(layer, top)
    if weight:
        param.loss_weight.extend([weight] + [0.0] * (uses - 1))
    return LayerSpec(param, layer.origin)


def move_loss_weights(layer: LayerSpec, tops: list[int]) -> None:
    """The weights of split tops have moved to their Splits.

    insert_splits.cpp erases the producer's whole list, and a loss layer then takes its default weight
    again, so that its loss counts twice. Here an explicit 0 stays behind, and the other tops keep theirs.
    """
    for top in tops:
        if loss_weight_of(layer, top):
            layer.param.loss_weight[top] = 0
