"""SPP, spatial pyramid pooling: pooling into ever finer grids, of one size whatever the image's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minicaffe.backend.geometry import Sizes
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import MinicaffeError, ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.pooling import PoolingLayer
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2

HEIGHT = "spp_param.pyramid_height"


@dataclass
class Level:
    """One grid: the Pooling layer that makes it, what it reads, its place in the top.

    bottom: the image. Its data is the layer's bottom's; its diff too on the first level.
    """

    pooling: PoolingLayer
    bottom: Blob
    pooled: Blob
    place: slice


@register("SPP")
class SPPLayer(Layer):
    """Pools an image into grids of 1, 4, 16, ... bins, and puts all their values into one row.

    Level l has B = 2^l bins an axis. Its windows are k = ceil(H / B) pixels high, and as far apart, with
    (k B - H + 1) / 2 pixels of padding, rounded down; likewise in width. All else is Pooling's.

    bottom[0]: x (N, C, H, W).  top[0]: (N, C (4^L - 1) / 3) for L levels, one level behind the other, inside a level
    channel by channel; with L = 1, as in Caffe, (N, C, 1, 1).
    spp_param: pyramid_height (L, 1 or more); pool: MAX (default), AVE or STOCHASTIC. engine changes nothing here.

    Its state: forward_count, how many passes there were, on which a STOCHASTIC draw depends.
    Source: Caffe's spp_layer.cpp; He et al., ECCV 2014, arXiv:1406.4729.
    """

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.height = self.layer_param.spp_param.pyramid_height
        if not self.height:
            raise self.error(ParamError, "is 0 or absent, must be 1 or more: how many grids there are", HEIGHT)
        self.levels: list[Level] = []
        self.image: Sizes = ()
        # The gradient of each level but the first, before it is added to the bottom's.
        self.spare = self.new_like_top()
        self.forward_count = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        x = bottom[0]
        if x.num_axes != 4 or 0 in x.shape[2:]:
            text = f"bottom[0] has the shape {shape_text(x.shape)}, must have 4 axes, batch, channels, height, width"
            raise self.error(ShapeError, f"{text}, and at least one pixel")
        if x.shape[2:] != self.image:
            self.levels, self.image = self.make_levels(x), x.shape[2:]
        self.spare.reshape_like(x)
        self.spare.share_data(x)
        start = 0
        for level in self.levels:
            level.pooling.reshape([level.bottom], [level.pooled])
            values = level.pooled.count_between(1)
            level.place = slice(start, start + values)
            start += values
        with self.blaming(HEIGHT, self.height):
            top[0].reshape(*(self.levels[0].pooled.shape if self.height == 1 else (x.shape[0], start)))

    def make_levels(self, x: Blob) -> list[Level]:
        """The levels for images of this size. Raises ShapeError for the first that Pooling refuses."""
        levels: list[Level] = []
        for number in range(self.height):
            pooling = self.make_pooling(number, x.shape[2:])
            level = Level(pooling, self.spare if number else x, self.new_like_top(), slice(0))
            try:
                pooling.setup([x], [level.pooled])
                pooling.reshape([x], [level.pooled])
            except MinicaffeError as error:
                text = f"is {self.height}: level {number}, of {2**number} x {2**number} bins, does not fit images of"
                text = f"{text} {' x '.join(map(str, x.shape[2:]))} pixels ({error})"
                raise self.error(ShapeError, f"{text}; make the pyramid lower, or the image larger", HEIGHT) from error
            levels.append(level)
        return levels

    def make_pooling(self, number: int, image: Sizes) -> PoolingLayer:
        param = caffe_pb2.LayerParameter(name=f"{self.name}_level{number}", type="Pooling", phase=self.phase)
        param.pooling_param.pool = self.layer_param.spp_param.pool
        for axis, size in zip("hw", image, strict=True):
            kernel = -(-size // 2**number)
            setattr(param.pooling_param, f"kernel_{axis}", kernel)
            setattr(param.pooling_param, f"stride_{axis}", kernel)
            setattr(param.pooling_param, f"pad_{axis}", (kernel * 2**number - size + 1) // 2)
        return PoolingLayer(param, self.context)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        for level in self.levels:
            level.pooling.forward_count = self.forward_count
            level.pooling.forward([level.bottom], [level.pooled])
            self.part(top[0].data, level)[...] = level.pooled.data
        self.forward_count += 1

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        for level in self.levels:
            level.pooled.diff[...] = self.part(top[0].diff, level)
            level.pooling.backward([level.pooled], [True], [level.bottom])
            if level.bottom is self.spare:
                dx = bottom[0].diff
                self.xp.add(dx, self.spare.diff, out=dx)

    def part(self, y: Any, level: Level) -> Any:
        """A level's place in the top, in the shape of its grid."""
        return y if y.ndim == 4 else y[:, level.place].reshape(level.pooled.shape)

    def state(self) -> dict:
        return {"forward_count": self.forward_count}

    def restore(self, state: dict) -> None:
        self.forward_count = self.count_in(state, "forward_count")
