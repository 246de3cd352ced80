"""Whose Python layers may run. A prototxt that names code does not start it: its reader has to agree.

Allowed are classes registered in code, modules that the program has imported itself, the program's own script, and
modules that the user names: in the environment, MINICAFFE_PYTHON_LAYERS=module,module (* for all), or by the flag
--python-layer.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from minicaffe.layers.user_layer import Layer

ENVIRONMENT = "MINICAFFE_PYTHON_LAYERS"
FLAG = "--python-layer"
EVERYTHING = "*"

UserClass = TypeVar("UserClass", bound=type)
_registered: dict[tuple[str, str], type] = {}
_named: list[str] = []


def register_python_layer(cls: UserClass, module: str | None = None, layer: str | None = None) -> UserClass:
    """Let `python_param { module layer }` mean this class, without an import. Also a decorator.

    module, layer: what the prototxt says; by default where the class stands, and its name.
    """
    _registered[module or cls.__module__, layer or cls.__name__] = cls
    return cls


class LacksClassError(ImportError):
    """The module is there, the class is not."""


@contextmanager
def naming_modules(modules: Iterable[str]) -> Iterator[None]:
    """Inside the `with` the user has named these modules."""
    before = list(_named)
    _named.extend(modules)
    try:
        yield
    finally:
        _named[:] = before


def is_allowed(module: str, layer: str) -> bool:
    """Whether this class may be looked for, and its module imported."""
    return (module, layer) in _registered or imported(module) is not None or is_named(module)


def imported(module: str) -> ModuleType | None:
    """A module that the program has imported already, if it has; the script that runs counts under its own name, too.

    Python calls that one __main__. To import it by its name would run the script a second time.
    """
    main = sys.modules.get("__main__")
    return sys.modules.get(module) or (main if main is not None and module == name_of_script(main) else None)


def name_of_script(main: ModuleType) -> str:
    """What an import would call the module that Python runs: train for `python train.py`, a.b for `python -m a.b`."""
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name
    return Path(getattr(main, "__file__", None) or "").stem


def is_named(module: str) -> bool:
    """Whether the user has named the module."""
    names = [*_named, *(name.strip() for name in os.environ.get(ENVIRONMENT, "").split(","))]
    return module in names or EVERYTHING in names


def find_class(module: str, layer: str) -> Any:
    """What an allowed module calls `layer`.

    Raises ImportError where the module cannot be had, LacksClassError where it has no such name.
    """
    if (module, layer) in _registered:
        return _registered[module, layer]
    found = imported(module) or importlib.import_module(module)
    try:
        # A module's __getattr__ may import more: it is asked only where the user has named the module.
        return getattr(found, layer) if is_named(module) else vars(found)[layer]
    except (AttributeError, KeyError):
        layers = [name for name, value in vars(found).items() if is_layer(value) and value is not Layer]
        known = f"its layers are {', '.join(layers)}" if layers else "it has no layers"
        raise LacksClassError(f"cannot import name '{layer}' from '{module}'; {known}", name=module) from None


def is_layer(value: Any) -> bool:
    """Whether this is a class that users' layers may be made of."""
    return isinstance(value, type) and issubclass(value, Layer)
