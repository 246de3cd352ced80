"""All layer types, one file each. Importing this package imports every file of it, so that each type registers."""

from importlib import import_module
from pkgutil import iter_modules

from minicaffe.layers.registry import layer_class, layer_type_list

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")

__all__ = ["layer_class", "layer_type_list"]
