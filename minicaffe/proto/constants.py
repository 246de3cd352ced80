"""pycaffe's `P`: the enums of caffe.proto by short names, as P.Pooling.MAX for PoolingParameter.MAX."""

from __future__ import annotations

from typing import Any

from minicaffe.proto import caffe_pb2, hints


class Parameters:
    """Constants for each message: P.Pooling is of PoolingParameter. Raises AttributeError where there is no message."""

    def __getattr__(self, name: str) -> Constants:
        if name.startswith("__"):
            raise AttributeError(f"{name} is not a message of caffe.proto")
        if not hasattr(caffe_pb2, name + "Parameter"):
            close = hints.nearest(name, dir(self))
            hint = f"; did you mean P.{close}?" if close else f"; with enums there are {', '.join(dir(self))}"
            raise AttributeError(f"P.{name}: caffe.proto has no {name}Parameter{hint}")
        return Constants(name)

    def __dir__(self) -> list[str]:
        messages = caffe_pb2.DESCRIPTOR.message_types_by_name.items()
        return sorted(name.removesuffix("Parameter") for name, message in messages if _has_constants(name, message))


def _has_constants(name: str, message: Any) -> bool:
    return name.endswith("Parameter") and bool(message.enum_types)


class Constants:
    """The values of one message's enums: P.Pooling.MAX is 0. Raises AttributeError where there is none of the name."""

    def __init__(self, name: str) -> None:
        self._name, self._message = name, getattr(caffe_pb2, name + "Parameter")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{name} is not a value of an enum")
        if not hasattr(self._message, name):
            values = hints.nearest(name, dir(self)) or ", ".join(dir(self)) or "no enums"
            raise AttributeError(f"P.{self._name}.{name}: {self._message.__name__} has {values}")
        return getattr(self._message, name)

    def __dir__(self) -> list[str]:
        return list(self._message.DESCRIPTOR.enum_values_by_name)

    def __repr__(self) -> str:
        return f"<P.{self._name}: {', '.join(dir(self))}>"
