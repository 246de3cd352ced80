"""Which layers and bottoms run backward: only what lies between a loss and something that learns. As net.cpp, Init."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minicaffe import log
from minicaffe.layers.base import Layer

Names = Sequence[str]


@dataclass
class Need:
    """layer[i]: layer i runs backward.  bottom[i][j]: it writes the gradient of its bottom j."""

    layer: list[bool] = field(default_factory=list)
    bottom: list[list[bool]] = field(default_factory=list)
    # Of each blob, by name as the building goes on: whether something below it wants a gradient.
    blob: dict[str, bool] = field(default_factory=dict)

    def add_layer(self, layer: Layer, specs: Sequence[Any], bottoms: Names, tops: Names) -> None:
        """The build pass: a layer needs backward if what it reads does, or a parameter of its own.

        specs: the ParamSpecs of the prototxt, not those a layer (BatchNorm) has added to its own message.
        propagate_down replaces what the bottoms inherit, but not in what the layer itself needs.
        """
        given = list(layer.layer_param.propagate_down)
        inherited = [self.blob[name] for name in bottoms]
        layer.param_propagate_down = [j >= len(specs) or specs[j].lr_mult != 0 for j in range(len(layer.blobs))]
        need = any(inherited) or any(layer.param_propagate_down)
        self.layer.append(need)
        self.bottom.append(given or inherited)
        self.blob.update(dict.fromkeys(tops, need))

    def prune(self, layers: Sequence[Layer], bottoms: Sequence[Names], tops: Sequence[Names]) -> None:
        """The reverse pass: nothing runs backward that leads to no loss, or that nobody wants.

        A surprise of Caffe's that stays: a loss with only its default weight, read by a layer that leads to no
        loss, counts as unwanted, and all training through it is off. Caffe does not tell.
        """
        under_loss: set[str] = set()
        unwanted: set[str] = set()
        for i in range(len(layers) - 1, -1, -1):
            contributes = any(layers[i].loss_weights) or any(name in under_loss for name in tops[i])
            if self.layer[i] and all(name in unwanted for name in tops[i]):
                if any(layers[i].loss_weights):
                    warn_of_lost_loss(layers[i], tops[i])
                self.layer[i] = False
                self.bottom[i] = [False] * len(self.bottom[i])
            self.layer[i] = self.layer[i] and contributes
            verb = "needs" if self.layer[i] else "does not need"
            log.info(f"{layers[i].name} {verb} backward computation.")
            for j, name in enumerate(bottoms[i]):
                if contributes:
                    under_loss.add(name)
                else:
                    self.bottom[i][j] = False
                if not self.bottom[i][j]:
                    unwanted.add(name)

    def force(self, layers: Sequence[Layer]) -> None:
        """force_backward: every layer, every parameter, and every bottom that its layer allows."""
        for i, layer in enumerate(layers):
            self.layer[i] = True
            self.bottom[i] = [need or j not in layer.not_forced for j, need in enumerate(self.bottom[i])]
            layer.param_propagate_down = [True] * len(layer.blobs)


def warn_of_lost_loss(layer: Layer, tops: Names) -> None:
    text = f"layer '{layer.name}': nothing learns from this loss, because a layer that leads to no loss reads its top"
    log.warning(f"{text} '{tops[0]}'; write loss_weight: {log.g(layer.loss_weights[0])} to train on it all the same")
