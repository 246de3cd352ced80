"""Dropout: random elements are left out while a net is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend import random
from minicaffe.backend.formula import formula
from minicaffe.errors import ParamError
from minicaffe.layers.base import TRAIN, Blobs
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.layers.registry import register


@formula
def masked(xp, x, mask, *, scale):
    return x * mask * scale


@register("Dropout")
class DropoutLayer(NeuronLayer):
    """Each element is 0 with probability p; those that stay are scaled, so that the mean remains.

        TRAIN:  y = x * m / (1 - p), m drawn anew in each forward pass: 0 with probability p, else 1
                dx = dy * m / (1 - p)
        TEST:   y = x, dx = dy

    bottom[0]: x, any shape.  top[0]: y, the shape of x; may be bottom[0] itself.
    dropout_param.dropout_ratio (default 0.5): p, from 0 to below 1.
    What is drawn depends on the net's seed, the layer's name, the count of forward passes and the element's place.
    Source: Caffe's dropout_layer.cpp; Srivastava et al., JMLR 15, 2014.
    """

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.ratio = self.layer_param.dropout_param.dropout_ratio
        if not 0 <= self.ratio < 1:
            text = f"is {self.ratio:g}, must be at least 0 and below 1: the share of elements to leave out"
            raise self.error(ParamError, text, "dropout_param.dropout_ratio")
        self.scale = 1 / (1 - self.ratio)
        # Of the 32-bit numbers, those below this are `ratio`.
        self.limit = round(self.ratio * 2**32)
        self.mask: Any = None
        self.forward_count = 0

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x, y = bottom[0].data, top[0].data
        if self.phase == TRAIN:
            self.mask = self.kept_like(x, self.mask, np.uint8)
            key = random.philox_key(self.context.seed, "dropout", self.name, self.forward_count)
            self.kernels.dropout_mask(key, self.limit, self.mask)
            self.forward_count += 1
            self.apply(masked, x, self.mask, out=y, scale=self.scale)
        elif top[0] is not bottom[0]:
            self.xp.copyto(y, x)

    def gradient(self, bottom: Blobs, top: Blobs, dy: Any, dx: Any) -> None:
        if self.phase == TRAIN:
            # Before a forward pass over this shape nothing has been let through.
            self.mask = self.kept_like(dy, self.mask, np.uint8)
            self.apply(masked, dy, self.mask, out=dx, scale=self.scale)
        elif top[0] is not bottom[0]:
            self.xp.copyto(dx, dy)

    def state(self) -> dict:
        return {"forward_count": self.forward_count}

    def restore(self, state: dict) -> None:
        self.forward_count = self.count_in(state, "forward_count")
