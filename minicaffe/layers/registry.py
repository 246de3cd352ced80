"""Which class computes which layer type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from minicaffe.layers.base import Layer

LayerClass = TypeVar("LayerClass", bound="type[Layer]")
_registry: dict[str, type[Layer]] = {}


def register(layer_type: str) -> Callable[[LayerClass], LayerClass]:
    """Class decorator: `type: "<layer_type>"` in a prototxt makes one of these."""

    def decorate(cls: LayerClass) -> LayerClass:
        if layer_type in _registry:
            raise ValueError(f"layer type {layer_type} is registered already, by {_registry[layer_type]}")
        cls.type = layer_type
        _registry[layer_type] = cls
        return cls

    return decorate


def layer_type_list() -> list[str]:
    """All known types, sorted as bytes (capitals first), as Caffe's registry lists them."""
    return sorted(_registry)


def layer_class(layer_type: str) -> type[Layer]:
    """The class for a type of layer_type_list()."""
    return _registry[layer_type]
