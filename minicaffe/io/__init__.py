"""Files and databases: weights, solver states, images, datums, and the one atomic writer of all output.

The package itself offers what scripts know as caffe.io: Transformer, load_image, resize_image, oversample, and arrays
to and from BlobProto and Datum messages. They are imported when a script first asks for them: every module of the
project that reads a file imports this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minicaffe.proto import caffe_pb2

if TYPE_CHECKING:
    from minicaffe.io.image_arrays import load_image, oversample, resize_image
    from minicaffe.io.proto_arrays import (
        array_to_blobproto,
        array_to_datum,
        arraylist_to_blobprotovecor_str,
        arraylist_to_blobprotovector_str,
        blobproto_to_array,
        blobprotovector_str_to_arraylist,
        datum_to_array,
    )
    from minicaffe.io.transformer import Transformer

__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "arraylist_to_blobprotovecor_str",
    "arraylist_to_blobprotovector_str",
    "blobproto_to_array",
    "blobprotovector_str_to_arraylist",
    "caffe_pb2",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize_image",
]

_IMAGES = ("load_image", "oversample", "resize_image")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "transformer" if name == "Transformer" else "image_arrays" if name in _IMAGES else "proto_arrays"
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
