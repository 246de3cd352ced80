"""Pooling: the maximum, the average or a random pixel of each window of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend import random
from minicaffe.backend.geometry import Sizes, Window
from minicaffe.blob import DATA, Blob, shape_text
from minicaffe.errors import DataError, GraphError, ParamError, ShapeError
from minicaffe.layers.base import TRAIN, Blobs, Layer
from minicaffe.layers.pooling_param import given_as, read_window
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@register("Pooling")
class PoolingLayer(Layer):
    """Shrinks images: every window of a channel becomes one pixel.

        MAX         y = the greatest pixel, the first in row order among equals; a window without a pixel above
                    -FLT_MAX gives -FLT_MAX.  dx: each y's winner gets dy
        AVE         y = sum of the pixels / area of the window, which counts padding, but not what lies beyond it.
                    dx: each pixel of the window gets dy / area
        STOCHASTIC  TRAIN: pixel i with probability x_i / sum x, and dx as MAX.  TEST: y = sum x^2 / sum x

    bottom[0]: x (N, C, H, W).  top[0]: y (N, C, P_h, P_w), P = (H + 2 pad - kernel) / stride + 1, rounded as
    round_mode says (CEIL by default); with padding a last window that would begin behind the image is dropped.
    top[1], with MAX alone: the winner's place in its plane, h * W + w; -1 where there is none.

    pooling_param: pool (MAX), kernel_size or kernel_h and kernel_w, stride (1) and pad (0), in pixels, or both of
    their _h and _w; global_pooling (false): the window is the image; round_mode. engine changes nothing here.

    Its state: forward_count, how many TRAIN passes with STOCHASTIC there were, on which the next draw depends.
    Source: Caffe's pooling_layer.cpp; stochastic: Zeiler & Fergus, ICLR 2013, arXiv:1301.3557.
    """

    exact_bottom = 1
    min_top = 1
    max_top = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.pooling_param
        self.pool = caffe_pb2.PoolingParameter.PoolMethod.Name(param.pool)
        self.fixed_window = read_window(self)
        if len(top) > 1 and self.pool != "MAX":
            text = f"is {self.pool}: only MAX has a second top, the mask; Pooling Layer produces at most 1 top here"
            raise self.error(GraphError, text, "pooling_param.pool")
        if self.pool == "STOCHASTIC" and self.fixed_window and any(self.fixed_window.pad):
            axis = 0 if self.fixed_window.pad[0] else 1
            text = f"is {self.fixed_window.pad[axis]}, must be 0 with STOCHASTIC: a padded pixel cannot be drawn"
            raise self.error(ParamError, text, f"pooling_param.{given_as(self, 'pad', 'pad')[axis]}")
        self.winner: Any = None
        self.uniform = self.new_like_top()
        self.forward_count = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        shape = bottom[0].shape
        if len(shape) != 4:
            text = f"bottom[0] has the shape {shape_text(shape)}, must have 4 axes: batch, channels, height, width"
            raise self.error(ShapeError, text)
        image = shape[2:]
        self.window = self.fixed_window or self.global_window(image)
        output = self.window.pool_output(image, self.layer_param.pooling_param.round_mode == 1)
        self.check_output(image, output)
        # Only padding can make a top larger than its bottom.
        with self.blaming(f"pooling_param.{given_as(self, 'pad', 'pad')[0]}", by(self.window.pad)):
            for blob in top:
                blob.reshape(*shape[:2], *output)

    def global_window(self, image: Sizes) -> Window:
        if 0 in image:
            text = f"is true: the window would be as empty as the image, which has {by(image)} pixels"
            raise self.error(ShapeError, text, "pooling_param.global_pooling")
        return Window.of(image)

    def check_output(self, image: Sizes, output: Sizes) -> None:
        window = self.window
        if min(output) < 0:
            axis = 0 if output[0] < 0 else 1
            text = f"is {window.kernel[axis]}, too much for an image of {by(image)} pixels with padding of"
            text += (
                f" {by(window.pad)}: the output would have {by(output)} pixels; use a smaller kernel, or more padding"
            )
            raise self.error(ShapeError, text, f"pooling_param.{given_as(self, 'kernel_size', 'kernel')[axis]}")
        for size, count, stride, pad in zip(image, output, window.stride, window.pad, strict=True):
            if any(window.pad) and (count - 1) * stride >= size + pad:
                text = f"the last of {count} windows begins {(count - 1) * stride - pad} pixels into {size}: behind"
                raise self.error(ShapeError, f"{text} the image; use a smaller stride or pad", "pooling_param")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if not top[0].count:
            return
        x, y = bottom[0].data, top[0].data
        if self.pool == "MAX" and len(top) == 1 and not self.runs_backward:
            self.kernels.max_pool_values(x, self.window, y, self.workspace)
        elif self.pool == "MAX":
            winner = self.winner_like(y)
            self.kernels.max_pool_forward(x, self.window, y, winner, self.workspace)
            if len(top) > 1:
                self.kernels.max_pool_index(winner, self.window, bottom[0].shape[2:], top[1].data)
        elif self.pool == "AVE":
            self.kernels.average_pool_forward(x, self.window, y, self.workspace)
        elif self.phase == TRAIN:
            uniform = self.draw(top[0])
            self.kernels.stochastic_pool_forward(x, self.window, uniform, y, self.winner_like(y))
        else:
            self.kernels.stochastic_pool_test(x, self.window, y, self.workspace)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        dy, dx = top[0].diff, bottom[0].diff
        if not top[0].count:
            dx.fill(0)
        elif self.pool == "AVE":
            self.kernels.average_pool_backward(dy, self.window, dx, self.workspace)
        elif len(top) > 1:
            self.check_mask(top[1], bottom[0].shape[2:])
            self.kernels.max_pool_backward_index(dy, top[1].data, dx)
        elif self.winner is None or self.winner.shape != dy.shape:
            text = "cannot run backward before a forward pass of the same shape in phase TRAIN has chosen pixels"
            raise self.error(GraphError, text)
        else:
            self.kernels.max_pool_backward(dy, self.winner, self.window, dx, self.workspace)

    def winner_like(self, y: Any) -> Any:
        """The integer array that keeps each window's winner for backward, in y's shape and memory order."""
        # 0 means none and taps count from 1 on, so a byte tells up to 255 of them.
        dtype = np.uint8 if self.window.taps < 255 else np.int32
        self.winner = self.kept_like(y, self.winner, dtype)
        return self.winner

    def draw(self, y: Blob) -> Any:
        """Numbers in (0, 1], one per output; they depend on the output's place, not on the memory order."""
        self.uniform.reshape_like(y)
        rng = random.generator(self.context.seed, "pooling", self.name, self.forward_count)
        self.forward_count += 1
        np.subtract(1, rng.random(y.shape, np.float32), out=self.uniform.host_array(DATA))
        return self.uniform.data

    def check_mask(self, mask: Blob, image: Sizes) -> None:
        """The mask is a top, and whoever else writes it may leave an index outside the image."""
        pixels = image[0] * image[1]
        place = self.kernels.find_bad_label(mask.data, pixels, -1)
        if place >= 0:
            value = float(mask.data.reshape(-1)[place])
            text = f"top[1], the mask, holds {value:g} at position {place}, must lie between -1 and {pixels - 1}"
            raise self.error(DataError, f"{text}: let nothing else write it")

    def state(self) -> dict:
        return {"forward_count": self.forward_count}

    def restore(self, state: dict) -> None:
        self.forward_count = self.count_in(state, "forward_count")


def by(sizes: Sizes) -> str:
    """`4 x 5`"""
    return " x ".join(map(str, sizes))
