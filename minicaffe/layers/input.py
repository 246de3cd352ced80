"""Input: blobs that the program fills."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.errors import ParamError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register


@register("Input")
class InputLayer(Layer):
    """The net's inputs: tops that the program shapes and fills.

    top[i]: shaped once, by input_param.shape: one for all tops, one each, or none (the program reshapes them).
    Source: Caffe's input_layer.cpp.
    """

    exact_bottom = 0
    min_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        shapes = self.layer_param.input_param.shape
        if len(shapes) not in (0, 1, len(top)):
            text = f"is given {len(shapes)} times, must be given once, once for each of the {len(top)} tops, or not"
            raise self.error(ParamError, f"{text} at all", "input_param.shape")
        for index, blob in enumerate(top):
            if shapes:
                one = index if len(shapes) > 1 else 0
                shape_as_told(self, blob, shapes[one].dim, f"input_param.shape[{one}]")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """The program may have reshaped the tops: they stay as they are."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """The program has filled the tops."""

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """There is nothing below."""


def shape_as_told(layer: Layer, blob: Blob, dims: Sequence[int], field: str) -> None:
    """Reshape a top to sizes out of the prototxt, which may be impossible."""
    with layer.blaming(field, " ".join(map(str, dims))):
        blob.reshape(*dims)
