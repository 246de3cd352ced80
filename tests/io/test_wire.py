"""The wire walker against protobuf itself, on messages and on garbage."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, strategies as st

from minicaffe.errors import FormatError
from minicaffe.io.wire import (
    FIXED32,
    FIXED64,
    GROUP,
    LEN,
    VARINT,
    Field,
    Wire,
    encode_varint,
    len_field,
    len_header,
    varint_field,
)
from minicaffe.proto import caffe_pb2

NUMBERS = st.integers(1, 2**29 - 1)
FIXED = {FIXED32: 4, FIXED64: 8}


@st.composite
def raw_fields(draw):
    """(number, wire type, value bytes) as they are to come out, and the bytes of the field."""
    number, wire_type = draw(NUMBERS), draw(st.sampled_from([VARINT, LEN, FIXED32, FIXED64]))
    if wire_type == VARINT:
        body = encode_varint(draw(st.integers(-(2**63), 2**64 - 1)))
        return (number, wire_type, body), encode_varint(number << 3) + body
    if wire_type == LEN:
        body = draw(st.binary(max_size=200))
        return (number, wire_type, body), len_field(number, body)
    body = draw(st.binary(min_size=FIXED[wire_type], max_size=FIXED[wire_type]))
    return (number, wire_type, body), encode_varint(number << 3 | wire_type) + body


@given(st.lists(raw_fields()))
def test_fields_come_out_as_they_went_in(pairs):
    wire = Wire(b"".join(raw for _, raw in pairs))
    fields = list(wire.fields())
    assert [(f.number, f.wire_type, bytes(wire.body(f))) for f in fields] == [field for field, _ in pairs]
    assert [bytes(wire.raw(f)) for f in fields] == [raw for _, raw in pairs]


@given(st.integers(-(2**63), 2**64 - 1))
def test_varint_is_its_own_inverse(value):
    encoded = encode_varint(value)
    assert Wire(b"x" + encoded + b"x").varint(1, 1 + len(encoded)) == (value % 2**64, 1 + len(encoded))


@given(st.integers(-(2**63), 2**63 - 1), st.text())
def test_encoders_write_what_protobuf_reads(number, text):
    shape = caffe_pb2.BlobShape.FromString(varint_field(1, number))
    layer = caffe_pb2.LayerParameter.FromString(len_field(1, text.encode()))
    assert list(shape.dim) == [number] and layer.name == text
    assert len_header(1, len(text.encode())) + text.encode() == layer.SerializeToString()


def accepts(parse, data, error):
    try:
        parse(data)
    except error:
        return False
    return True


@given(st.binary(max_size=60))
def test_whatever_protobuf_accepts_is_walked(data):
    # Behind one good field, so that short data is not all tag.
    unknown = encode_varint(1 << 3 | VARINT) + b"\x00" + data
    walked = accepts(lambda buffer: list(Wire(buffer).fields()), unknown, FormatError)
    parsed = accepts(caffe_pb2.NetState.FromString, unknown, DecodeError)
    assert walked or not parsed


def layer_bytes():
    layer = caffe_pb2.LayerParameter(name="conv1", type="Convolution", bottom=["data"], loss_weight=[0.5, 2])
    layer.convolution_param.num_output = 300
    return layer.SerializeToString()


def test_every_cut_inside_a_field_is_found():
    data = layer_bytes()
    ends = {0} | {field.end for field in Wire(data).fields()}
    assert len(ends) > 5
    for size in range(len(data)):
        whole = accepts(lambda buffer: list(Wire(buffer).fields()), data[:size], FormatError)
        assert whole == (size in ends), size


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x0a\x05abc", "at byte 2, field 1 takes 5 bytes, 3 are left"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "field 1 takes 9223372036854775807 bytes, 0 are left"),
        (b"\x08\x01\x15abc", "at byte 3, field 2 takes 4 bytes, 3 are left"),
        (b"\x08\x80", "at byte 1, a number has no end"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "at byte 1, a number has no end"),
        (b"\x02\x00", "at byte 0, a field of number 0 and wire type 2 cannot be"),
        (b"\x0e", "a field of number 1 and wire type 6 cannot be"),
        (b"\xf8\xff\xff\xff\xff\x01\x00", "wire type 0 cannot be"),
        (b"\x0c", "at byte 0, group 1 ends, but never began"),
        (b"\x0b\x14", "at byte 1, group 2 ends, but another is open"),
        (b"\x0b\x10\x01", "at byte 3, a number has no end"),
    ],
)
def test_damage_is_named_with_file_and_byte(data, text):
    with pytest.raises(FormatError) as caught:
        list(Wire(data, "w.caffemodel", "NetParameter").fields())
    assert str(caught.value).startswith("w.caffemodel: Failed to parse NetParameter: at byte ")
    assert text in str(caught.value)
    assert caught.value.file == "w.caffemodel"


def test_groups_are_stepped_over():
    # Group 3 holds a varint, group 4 and in it a text that looks like the end of group 3; field 1 follows.
    data = b"\x1b\x08\x05\x23\x0a\x01\x1c\x24\x1c" + varint_field(1, 7)
    assert list(Wire(data).fields()) == [Field(3, GROUP, 0, 1, 9), Field(1, VARINT, 9, 10, 11)]


def test_groups_nested_as_deep_as_the_file_is_long():
    depth = 100_000
    data = b"\x0b" * depth + b"\x0c" * depth
    assert [field.end for field in Wire(data).fields()] == [2 * depth]
    with pytest.raises(FormatError):
        list(Wire(data[:-1]).fields())


def test_a_message_inside_ends_where_it_ends():
    data = len_field(1, varint_field(2, 3)) + varint_field(4, 5)
    wire = Wire(data)
    outer = next(wire.fields())
    assert [(f.number, bytes(wire.body(f))) for f in wire.fields(outer.body, outer.end)] == [(2, b"\x03")]
    with pytest.raises(FormatError, match="a number has no end"):
        wire.field(outer.body, outer.end - 1)
