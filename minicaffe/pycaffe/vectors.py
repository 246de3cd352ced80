"""The sequence types of caffe._caffe: lists that hold one kind of thing.

What minicaffe hands out are plain lists and tuples; a script that makes a vector of its own can hand it in anywhere.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, ClassVar, SupportsIndex

from minicaffe.blob import HostBlob
from minicaffe.layers.user_layer import Layer
from minicaffe.net.net import Net


def one_of(cls: type) -> Any:
    """A converter that lets nothing but instances of `cls` through."""

    def check(value: Any) -> Any:
        if not isinstance(value, cls):
            raise TypeError
        return value

    return staticmethod(check)


class Vector(list):
    """A list that takes one kind of thing.

    kind: what that is called.  convert: value -> value of that kind; raises TypeError or ValueError.
    Raises TypeError, where something is put in that is of another kind.
    """

    kind: ClassVar[str] = ""
    convert: ClassVar[Any] = staticmethod(lambda value: value)

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__(map(self.checked, values))

    @classmethod
    def checked(cls, value: Any) -> Any:
        try:
            return cls.convert(value)
        except (TypeError, ValueError):
            raise TypeError(f"{cls.__name__} holds {cls.kind}, not {value!r}") from None

    def append(self, value: Any) -> None:
        super().append(self.checked(value))

    def extend(self, values: Iterable[Any]) -> None:
        super().extend(map(self.checked, values))

    def insert(self, index: SupportsIndex, value: Any) -> None:
        super().insert(index, self.checked(value))

    def __iadd__(self, values: Iterable[Any]) -> Vector:  # type: ignore[misc]
        self.extend(values)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        new = list(map(self.checked, value)) if isinstance(index, slice) else self.checked(value)
        super().__setitem__(index, new)


class IntVec(Vector):
    """Integers: indices of blobs and layers."""

    kind, convert = "integers", staticmethod(operator.index)


class DtypeVec(Vector):
    """Floating point numbers: loss weights."""

    kind, convert = "numbers", staticmethod(float)


class BoolVec(Vector):
    """Truth values: a layer's propagate_down."""

    kind, convert = "truth values", staticmethod(bool)


class StringVec(Vector):
    """Names."""

    kind, convert = "strings", one_of(str)


class RawBlobVec(Vector):
    """Blobs: a layer's bottom or top."""

    kind, convert = "blobs", one_of(HostBlob)


class LayerVec(Vector):
    """Layers of a net."""

    kind, convert = "layers", one_of(Layer)


class NetVec(Vector):
    """Nets: a solver's test nets."""

    kind, convert = "nets", one_of(Net)
