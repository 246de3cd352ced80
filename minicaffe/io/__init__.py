"""Files and databases: weights, solver states, images, datums, and the one atomic writer of all output.

The package itself offers what scripts know as caffe.io: Transformer, load_image, resize_image, oversample, and arrays
to and from BlobProto and Datum messages.
"""

from minicaffe.io.image_arrays import load_image, oversample, resize_image
from minicaffe.io.proto_arrays import (
    array_to_blobproto,
    array_to_datum,
    arraylist_to_blobprotovector_str,
    blobproto_to_array,
    blobprotovector_str_to_arraylist,
    datum_to_array,
)
from minicaffe.io.transformer import Transformer
from minicaffe.proto import caffe_pb2

# As pycaffe spells it.
arraylist_to_blobprotovecor_str = arraylist_to_blobprotovector_str

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
