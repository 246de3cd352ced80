"""All layer types, one file each. Importing this package imports every file of it, so that each type registers.

The package is pycaffe's `L`, too: a capitalised name makes layers of a net written in Python (net_spec.py).

    from minicaffe import layers as L

    relu1 = L.ReLU(ip1, in_place=True)
"""

import typing
from collections import abc
from importlib import import_module
from pkgutil import iter_modules

from minicaffe import net_spec
from minicaffe.layers.registry import layer_class, layer_type_list

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")

# No name here begins with a capital: all of those are layer types.
__all__ = ["layer_class", "layer_type_list"]


def __getattr__(name: str) -> abc.Callable[..., typing.Any]:
    """L.<Type>, for any type name in capitals: of Caffe's types, of the user's own."""
    if not name[:1].isupper():
        hint = f"; a type of that name is written net_spec.layers.{name}" if not name.startswith("_") else ""
        raise AttributeError(f"module {__name__!r} has no {name!r}: layer types begin with a capital{hint}")
    return net_spec.layer_function(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *layer_type_list()})
