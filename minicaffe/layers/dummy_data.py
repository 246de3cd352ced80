"""DummyData: blobs filled by fillers, constant or drawn anew in every forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import LEGACY, Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.input import shape_as_told
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@register("DummyData")
class DummyDataLayer(Layer):
    """Data without a file. A constant filler fills its top once; any other draws anew in every forward pass.

    Until the first forward pass a drawn top is 0. A constant top may be edited, and the edits stay.

    top[i]: the shape it is told.
    dummy_data_param: shape: one for all tops or one each; or the older num, channels, height, width, each once or
    once per top.  data_filler: none (constant 0), one for all tops, or one each.
    Source: Caffe's dummy_data_layer.cpp.
    """

    exact_bottom = 0
    min_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.top_fillers = self.read_fillers(len(top))
        for index, (blob, (dims, field)) in enumerate(zip(top, self.read_shapes(len(top)), strict=True)):
            shape_as_told(self, blob, dims, field)
            if not blob.count:
                text = f"leaves top[{index}] empty, with the shape {shape_text(blob.shape)}: there is nothing to fill"
                raise self.error(ShapeError, f"{text}; make every size 1 or more", field)
        self.forward_count = 0
        self.top_blobs = list(top)

    def read_fillers(self, tops: int) -> list[Any]:
        given = self.layer_param.dummy_data_param.data_filler
        if len(given) not in (0, 1, tops):
            text = f"is given {len(given)} times, must be given once, once for each of the {tops} tops, or not at all"
            raise self.error(ParamError, text, "dummy_data_param.data_filler")
        return per_top(given or [caffe_pb2.FillerParameter()], tops)

    def read_shapes(self, tops: int) -> list[tuple[list[int], str]]:
        """(sizes, the field they come from) for each top; of the older fields one that is 0, or else the first."""
        param = self.layer_param.dummy_data_param
        legacy = [name for name in LEGACY if getattr(param, name)]
        if not legacy:
            self.check_count("shape", len(param.shape), tops)
            return [(list(shape.dim), "dummy_data_param.shape") for shape in per_top(param.shape, tops)]
        if len(param.shape):
            text = "is given beside shape: Both shape and legacy fields were specified; keep the shape"
            raise self.error(ParamError, text, f"dummy_data_param.{legacy[0]}")
        for name in LEGACY:
            self.check_count(name, len(getattr(param, name)), tops)
        columns = [per_top(getattr(param, name), tops) for name in LEGACY]
        sizes = [list(dims) for dims in zip(*columns, strict=True)]
        return [(dims, f"dummy_data_param.{LEGACY[dims.index(0) if 0 in dims else 0]}") for dims in sizes]

    def check_count(self, name: str, count: int, tops: int) -> None:
        if count not in (1, tops):
            text = f"is given {count} times, must be given once or once for each of the {tops} tops"
            raise self.error(ParamError, text, f"dummy_data_param.{name}")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """The tops keep the shapes of set-up."""

    def fill_parameters(self) -> None:
        super().fill_parameters()
        for index, (blob, filler) in enumerate(zip(self.top_blobs, self.top_fillers, strict=True)):
            # What is drawn later is drawn once for show, so that a bad filler is found at once.
            self.fill_top(index, blob if is_constant(filler) else self.new_blob(blob.shape))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        for index, (blob, filler) in enumerate(zip(top, self.top_fillers, strict=True)):
            if not is_constant(filler):
                self.fill_top(index, blob)
        self.forward_count += 1

    def fill_top(self, index: int, blob: Blob) -> None:
        self.fill_blob(blob, self.top_fillers[index], "dummy_data_param.data_filler", index, self.forward_count)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """There is nothing below."""

    def state(self) -> dict:
        return {"forward_count": self.forward_count}

    def restore(self, state: dict) -> None:
        self.forward_count = self.count_in(state, "forward_count")


def is_constant(filler: Any) -> bool:
    return filler.type == "constant"


def per_top(values: Any, tops: int) -> list[Any]:
    """One value per top, from one for all or one each."""
    return list(values) * tops if len(values) == 1 else list(values)
