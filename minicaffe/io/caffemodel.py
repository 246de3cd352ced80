"""Weights in binary form: a NetParameter of any age, with the blobs of each layer inside. See caffemodel_write.

What the net is, protobuf reads; the blobs are taken out before, as they are nearly all of the file:

    NetParameter   layer = 100 { blobs = 7 }   layers = 2 { blobs = 6   layer = 1 { blobs = 50 } }
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from minicaffe.errors import FormatError, MinicaffeError
from minicaffe.io.blobproto import StoredBlob, decode_blob
from minicaffe.io.wire import LEN, Field, Wire, len_field, varint_field
from minicaffe.io.wire_file import WEIGHTS, open_message
from minicaffe.proto import caffe_pb2
from minicaffe.proto.source import NetSource
from minicaffe.proto.upgrade import upgrade_net

# Field numbers on the way to a blob; None is one.
_BLOBS: dict[int, Any] = {100: {7: None}, 2: {6: None, 1: {50: None}}}
_ADVICE = "give a .caffemodel; a net's definition (.prototxt) and a .solverstate have places of their own"


@dataclass
class LayerWeights:
    """The blobs of one layer, as a file holds them; type in today's form: "InnerProduct"."""

    name: str
    type: str
    blobs: list[StoredBlob]


def read_caffemodel(path: str | os.PathLike[str]) -> list[LayerWeights]:
    """The layers in a binary weight file, those without blobs too. Errors as in read_caffemodel_net."""
    return read_caffemodel_net(path)[1]


def read_caffemodel_net(path: str | os.PathLike[str]) -> tuple[NetSource, list[LayerWeights]]:
    """The net in a binary weight file, in today's form and without blobs, and its layers' blobs in the same order.

    The blobs are views of the file's bytes, which are read once.
    Raises FileError, `Couldn't open <path>`, where there is none, FormatError where it holds no whole net.
    """
    return decode_net(open_message(path, "NetParameter", WEIGHTS, _ADVICE))


def decode_net(wire: Wire) -> tuple[NetSource, list[LayerWeights]]:
    """As read_caffemodel_net, from bytes already at hand."""
    blobs: list[Field] = []
    source = _upgraded(wire, _take_out(wire, 0, len(wire.buffer), _BLOBS, blobs))
    if not source.param.layer:
        raise wire.error(0, "the net has no layers")
    return source, [_weights(wire, layer, blobs) for layer in source.param.layer]


def _take_out(wire: Wire, start: int, end: int, where: dict[int, Any], blobs: list[Field]) -> bytes:
    """The message between two positions, with a ticket in place of each blob: a BlobProto whose num is its index.

    protobuf and the upgrades carry the tickets wherever the blobs themselves would have gone.
    """
    pieces: list[bytes | memoryview] = []
    for field in wire.fields(start, end):
        if field.number not in where or field.wire_type != LEN:
            pieces.append(wire.raw(field))
        elif where[field.number] is None:
            pieces.append(len_field(field.number, varint_field(1, len(blobs))))
            blobs.append(field)
        else:
            pieces.append(len_field(field.number, _take_out(wire, field.body, field.end, where[field.number], blobs)))
    return b"".join(pieces)


def _upgraded(wire: Wire, data: bytes) -> NetSource:
    try:
        return upgrade_net(caffe_pb2.NetParameter.FromString(data), file=wire.file)
    except (DecodeError, UnicodeError) as error:
        raise wire.error(0, f"its layers cannot be read ({error})") from error
    except MinicaffeError as error:
        raise FormatError(f"Failed to upgrade NetParameter: {error}", file=wire.file) from error


def _weights(wire: Wire, layer: Any, blobs: list[Field]) -> LayerWeights:
    """The blobs of a layer, in exchange for its tickets."""
    name = _text(layer.name)
    named = Wire(wire.buffer, wire.file, wire.message, name)
    found = [blobs[ticket.num] for ticket in layer.blobs]
    layer.ClearField("blobs")
    return LayerWeights(name, _text(layer.type), [decode_blob(named, blob.body, blob.end) for blob in found])


def _text(value: str | bytes) -> str:
    """A string of a message; protobuf hands out bytes where they are no UTF-8."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
