"""What the stages of assembly hand on: layer messages, each with the place it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from minicaffe.errors import Kind, Origin
from minicaffe.proto import caffe_pb2


@dataclass
class LayerSpec:
    """One LayerParameter and where it stands."""

    param: Any
    origin: Origin

    @property
    def name(self) -> str:
        return self.param.name

    def copy(self) -> LayerSpec:
        """A copy whose message may be changed."""
        param = caffe_pb2.LayerParameter()
        param.CopyFrom(self.param)
        return LayerSpec(param, self.origin)

    def error(self, kind: type[Kind], message: str, field: str = "") -> Kind:
        """An exception that says where this layer stands in its file. field: "bottom[0]"."""
        return self.origin.error(kind, message, field, layer=self.param.name, layer_type=self.param.type)


def layer_specs(params: Iterable[Any], origins: Iterable[Origin]) -> list[LayerSpec]:
    return [LayerSpec(param, origin) for param, origin in zip(params, origins, strict=True)]
