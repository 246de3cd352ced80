"""Tile: a blob repeated along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("Tile")
class TileLayer(Layer):
    """Copies of x one behind the other along an axis: a b a b, not a a b b.

        y[.., t * D + d, ..] = x[.., d, ..]          dx = sum of dy over the copies t

    bottom[0]: x, D long along `axis`.  top[0]: y, tiles * D long there, else the shape of x.
    tile_param: tiles (required, 1 or more); axis (default 1; negative ones count from the end).
    Source: Caffe's tile_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.tile_param
        if param.tiles < 1:
            told = f"is {param.tiles}" if param.HasField("tiles") else "is missing"
            raise self.error(ParamError, f"{told}: number of tiles must be positive, 1 or more", "tile_param.tiles")
        self.tiles = param.tiles

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        shape = bottom[0].shape
        self.tiled = self.axis(bottom[0], self.layer_param.tile_param.axis, "tile_param.axis")
        with self.blaming("tile_param.tiles", self.tiles):
            top[0].reshape(*shape[: self.tiled], self.tiles * shape[self.tiled], *shape[self.tiled + 1 :])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x = bottom[0].data
        self.copies(top[0].data)[...] = self.xp.expand_dims(x, self.tiled)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if propagate_down[0]:
            self.xp.sum(self.copies(top[0].diff), axis=self.tiled, out=bottom[0].diff)

    def copies(self, y: Any) -> Any:
        """A view of the top with an axis of its own for the copies, in front of the one that they are copies along."""
        length = y.shape[self.tiled] // self.tiles
        return y.reshape(*y.shape[: self.tiled], self.tiles, length, *y.shape[self.tiled + 1 :])
