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
    stored = parse_stored_net(wire)
    source = stored.upgraded()
    if not source.param.layer:
        raise wire.error(0, "the net has no layers")
    return source, [_weights(stored, layer) for layer in source.param.layer]


@dataclass
class StoredNet:
    """A net of any age as its file holds it.

    param: a NetParameter with a ticket in place of each blob, a BlobProto whose num is its index among `blobs`.
    protobuf and the upgrades carry the tickets wherever the blobs themselves would have gone.
    """

    wire: Wire
    param: Any
    blobs: list[Field]

    def upgraded(self) -> NetSource:
        """The net in today's form, its tickets too. Raises FormatError where it cannot be brought into it."""
        try:
            return upgrade_net(self.param, file=self.wire.file)
        except UnicodeError as error:
            # protobuf looks at text when it is asked for it.
            raise _unreadable(self.wire, error) from error
        except MinicaffeError as error:
            raise FormatError(f"Failed to upgrade NetParameter: {error}", file=self.wire.file) from error

    def named(self, layer: Any) -> Wire:
        """The file's bytes, of which errors name the layer."""
        return Wire(self.wire.buffer, self.wire.file, self.wire.message, _text(layer.name))

    def redeem(self, layer: Any) -> list[Field]:
        """Where the blobs of a layer lie, in exchange for its tickets."""
        found = [self.blobs[ticket.num] for ticket in layer.blobs]
        layer.ClearField("blobs")
        return found


def open_caffemodel(path: str | os.PathLike[str]) -> StoredNet:
    """The net in a binary weight file, not yet upgraded, and where its blobs lie. Errors as in read_caffemodel_net."""
    return parse_stored_net(open_message(path, "NetParameter", WEIGHTS, _ADVICE))


def parse_stored_net(wire: Wire) -> StoredNet:
    """As open_caffemodel, from bytes already at hand."""
    blobs: list[Field] = []
    data = _take_out(wire, 0, len(wire.buffer), _BLOBS, blobs)
    try:
        return StoredNet(wire, caffe_pb2.NetParameter.FromString(data), blobs)
    except (DecodeError, UnicodeError) as error:
        raise _unreadable(wire, error) from error


def _unreadable(wire: Wire, error: Exception) -> FormatError:
    return wire.error(0, f"its layers cannot be read ({error})")


def _take_out(wire: Wire, start: int, end: int, where: dict[int, Any], blobs: list[Field]) -> bytes:
    """The message between two positions, with a ticket (StoredNet) in place of each blob."""
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


def _weights(stored: StoredNet, layer: Any) -> LayerWeights:
    """The blobs of a layer."""
    name, wire = _text(layer.name), stored.named(layer)
    found = [decode_blob(wire, blob.body, blob.end) for blob in stored.redeem(layer)]
    return LayerWeights(name, _text(layer.type), found)


def _text(value: str | bytes) -> str:
    """A string of a message; protobuf hands out bytes where they are no UTF-8."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
