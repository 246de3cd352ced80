"""Windows that slide over images: output sizes, and which pixels a tap of the window meets.

Sizes are in pixels, one number per spatial axis (any number of axes). Everything here is plain
integer arithmetic, used by the layers (to shape their tops) and by both kernel twins alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """A window: `kernel` taps, moved by `stride`, over an image with `pad` zeros on each side.

    dilation: distance between neighbouring taps, in pixels.
    """

    kernel: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes

    @classmethod
    def of(cls, kernel: Sizes, stride: Sizes | None = None, pad: Sizes | None = None, dilation: Sizes | None = None):
        axes = len(kernel)
        ones, zeros = (1,) * axes, (0,) * axes
        return cls(tuple(kernel), tuple(stride or ones), tuple(pad or zeros), tuple(dilation or ones))

    @cached_property
    def taps(self) -> int:
        return math.prod(self.kernel)

    @cached_property
    def extent(self) -> Sizes:
        """Pixels from the first tap to the last, both included: dilation * (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @cached_property
    def inner(self) -> Window:
        """The window without its taps along the first axis."""
        return replace(self, **{name: (1, *getattr(self, name)[1:]) for name in ("kernel", "stride", "dilation")})

    @cached_property
    def is_pointwise(self) -> bool:
        """One tap, no stride, no padding: the window is the image."""
        return self.taps == 1 and set(self.stride) <= {1} and set(self.pad) <= {0}

    def conv_output(self, image: Sizes) -> Sizes:
        """Convolution's output: (in + 2 pad - extent) / stride + 1, division truncated towards zero.

        May be 0 (an empty top) or negative (the caller refuses it). As conv_layer.cpp.
        """
        spans = (i + 2 * p - e for i, p, e in zip(image, self.pad, self.extent, strict=True))
        return tuple(math.trunc(span / s) + 1 for span, s in zip(spans, self.stride, strict=True))

    def deconv_output(self, image: Sizes) -> Sizes:
        """Deconvolution's output: stride (in - 1) + extent - 2 pad."""
        parts = zip(image, self.stride, self.extent, self.pad, strict=True)
        return tuple(s * (i - 1) + e - 2 * p for i, s, e, p in parts)

    def pool_output(self, image: Sizes, round_down: bool = False) -> Sizes:
        """Pooling's output: (in + 2 pad - kernel) / stride + 1, rounded up (or down).

        The quotient is a float32, as in pooling_layer.cpp. With any padding, a last window that would
        start beyond the image and its leading pad is dropped, on every axis.
        """
        rounding = math.floor if round_down else math.ceil
        sizes = []
        for i, k, s, p in zip(image, self.kernel, self.stride, self.pad, strict=True):
            size = rounding(float(np.float32(i + 2 * p - k) / np.float32(s))) + 1
            if any(self.pad) and (size - 1) * s >= i + p:
                size -= 1
            sizes.append(size)
        return tuple(sizes)

    def each_tap(self, image: Sizes, output: Sizes) -> Iterator[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
        """For taps that can meet the image, row by row: (index, the pixels it meets, the outputs that meet them).

        Only real pixels: an output whose tap falls on padding, or behind the image, is left out.
        The two tuples of slices have equal lengths on every axis, which may be zero. However wide the
        window, the taps walked are no more than the image and its outputs have room for.
        """
        spans = []
        for k, s, p, d, i, o in zip(self.kernel, self.stride, self.pad, self.dilation, image, output, strict=True):
            first = max(0, -((s * (o - 1) - p) // d))
            last = min(k, (i - 1 + p) // d + 1)
            spans.append([(j, *tap_span(j * d - p, s, i, o)) for j in range(first, last)])
        for taps in itertools.product(*spans):
            index = 0
            for (j, _, _), size in zip(taps, self.kernel, strict=True):
                index = index * size + j
            yield index, tuple(tap[1] for tap in taps), tuple(tap[2] for tap in taps)


def tap_span(offset: int, stride: int, image: int, output: int) -> tuple[slice, slice]:
    """One axis of one tap: pixels offset + stride * o that lie in the image, and those outputs o."""
    first = max(0, -(offset // stride))
    last = min(output, (image - 1 - offset) // stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = offset + stride * first
    return slice(start, start + stride * (last - first - 1) + 1, stride), slice(first, last)
