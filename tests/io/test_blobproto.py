"""BlobProto: what protobuf writes is read, what is written protobuf reads, and damage is an error."""

import struct

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal
from watch import peak_of

from minicaffe.errors import FormatError, ParamError
from minicaffe.io.blobproto import decode_blob, read_binaryproto, read_blob
from minicaffe.io.blobproto_write import EncodedBlob, write_binaryproto
from minicaffe.io.wire import Wire, encode_varint, len_field, varint_field
from minicaffe.proto import caffe_pb2

SHAPE = (2, 3, 4, 5)
FLOATS = {5: "data", 6: "diff", 8: "double_data", 9: "double_diff"}


def decode(data, **names):
    return decode_blob(Wire(data, **names), 0, len(data))


def encode(*args, **kwargs):
    blob = EncodedBlob(*args, **kwargs)
    data = b"".join(blob.pieces())
    assert len(data) == blob.size
    return data


def message(shape=SHAPE, rng=None, fields=("data",)):
    proto = caffe_pb2.BlobProto()
    proto.shape.dim.extend(shape)
    for name in fields:
        getattr(proto, name).extend((rng or np.random.default_rng(0)).normal(size=int(np.prod(shape))))
    return proto


def one_by_one(number, values):
    code, wire_type = ("<d", 1) if number >= 8 else ("<f", 5)
    return b"".join(encode_varint(number << 3 | wire_type) + struct.pack(code, value) for value in values)


@st.composite
def scattered(draw):
    """The fields of a BlobProto in any order, its values in packed runs and one by one: what a parser must accept."""
    pieces = []
    for number in draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 15]), max_size=12)):
        if number in FLOATS:
            width = 64 if number >= 8 else 32
            values = draw(st.lists(st.floats(width=width), max_size=6))
            packed = struct.pack(f"<{len(values)}{'d' if number >= 8 else 'f'}", *values)
            pieces.append(len_field(number, packed) if draw(st.booleans()) else one_by_one(number, values))
        elif number == 7:
            dims = b"".join(varint_field(1, size) for size in draw(st.lists(st.integers(0, 3), max_size=3)))
            pieces.append(len_field(7, dims))
        else:
            pieces.append(varint_field(number, draw(st.integers(0, 3))))
    return b"".join(pieces)


def expected_of(proto):
    """Shape, data and diff by the rules of blob.cpp, FromProto; None where it would refuse."""
    legacy = any(proto.HasField(name) for name in ("num", "channels", "height", "width"))
    shape = (proto.num, proto.channels, proto.height, proto.width) if legacy else tuple(proto.shape.dim)
    data = list(proto.double_data) or list(proto.data)
    diff = list(proto.double_diff) or list(proto.diff)
    count = int(np.prod(shape, dtype=object))
    return (shape, legacy, data, diff) if len(data) == count and len(diff) in (0, count) else None


@settings(max_examples=500)
@given(scattered())
def test_read_as_protobuf_reads(data):
    expected = expected_of(caffe_pb2.BlobProto.FromString(data))
    if expected is None:
        with pytest.raises(FormatError, match=r"a blob of shape .* has .* values of"):
            decode(data)
        return
    blob = decode(data)
    shape, legacy, values, diff = expected
    assert (blob.shape, blob.legacy) == (shape, legacy) and blob.data.shape == shape
    assert_array_equal(blob.data.ravel(), values)
    assert_array_equal([] if blob.diff is None else blob.diff.ravel(), diff)


@pytest.mark.parametrize("fields", [("data",), ("data", "diff"), ("double_data",), ("double_data", "double_diff")])
@pytest.mark.parametrize("shape", [SHAPE, (), (7,), (2, 0, 3)])
def test_written_as_protobuf_writes(fields, shape):
    proto = message(shape, fields=fields)
    if not shape:
        proto.ClearField("shape")
    dtype = "f8" if fields[0] == "double_data" else "f4"
    arrays = [np.reshape(np.array(getattr(proto, name), dtype), shape) for name in fields]
    assert encode(*arrays) == proto.SerializeToString()


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (1, 2, 3, 0), (3, 2, 1, 0)])
def test_any_memory_order_and_byte_order(dtype, axes):
    values = np.random.default_rng(1).normal(size=SHAPE).astype(dtype)
    array = np.transpose(np.ascontiguousarray(np.transpose(values, axes)), np.argsort(axes))
    blob = decode(encode(array, array[::-1, :, ::2, :].repeat(2, axis=2)))
    assert_array_equal(blob.data, values)
    assert_array_equal(blob.diff, values[::-1, :, ::2, :].repeat(2, axis=2))
    assert blob.data.dtype == dtype.replace(">", "<") and not blob.legacy


def test_pieces_longer_than_one_buffer():
    values = np.arange(3 * 200_000, dtype="f4").reshape(200_000, 3)
    assert_array_equal(decode(encode(values.T)).data, values.T)


def test_nothing_is_copied_in_either_direction():
    values = np.zeros((1000, 1000), "f4")
    data = encode(values, values)
    pieces = []

    def there_and_back():
        blob = decode(data)
        pieces.extend(EncodedBlob(blob.data, blob.diff).pieces())

    assert peak_of(there_and_back) < 20_000 and sum(map(len, pieces)) == len(data)


def test_views_of_a_file_are_read_only(tmp_path):
    write_binaryproto(tmp_path / "mean", np.zeros(SHAPE, "f4"))
    with pytest.raises(ValueError, match="read-only"):
        read_binaryproto(tmp_path / "mean").data[0, 0, 0, 0] = 1


def test_many_short_runs_and_one_long_one():
    # Runs of data between those of diff: each has to end where it ends, also behind a window of 64.
    counts = [1, 63, 64, 65, 500, 2]
    values = np.random.default_rng(2).normal(size=sum(counts)).astype("f4")
    runs = np.split(values, np.cumsum(counts)[:-1])
    data = b"".join(one_by_one(5, run) + one_by_one(6, -run) for run in runs)
    blob = decode(data + len_field(7, varint_field(1, values.size)))
    assert_array_equal(blob.data, values)
    assert_array_equal(blob.diff, -values)


def test_values_of_another_wire_type_are_unknown_fields():
    data = varint_field(5, 3) + one_by_one(5, [1.5]) + encode_varint(6 << 3 | 1) + bytes(8)
    assert list(caffe_pb2.BlobProto.FromString(data).data) == [1.5]
    blob = decode(data)
    assert (blob.shape, blob.data, blob.diff) == ((), 1.5, None)


def test_a_tag_longer_than_need_be():
    data = b"\xad\x80\x00" + struct.pack("<f", 2.5)
    assert list(caffe_pb2.BlobProto.FromString(data).data) == [2.5]
    assert decode(data).data == 2.5


@pytest.mark.parametrize(
    ("stored", "legacy", "shape", "fits"),
    [
        ((1, 1, 1, 20), True, (20,), True),
        ((1, 1, 500, 800), True, (500, 800), True),
        ((20, 1, 5, 5), True, (20, 1, 5, 5), True),
        ((1, 1, 1, 1), True, (), True),
        ((1, 1, 1, 20), True, (20, 1), False),
        ((1, 20, 1, 1), True, (20,), False),
        ((1, 1, 1, 20), True, (1, 1, 1, 1, 20), False),
        ((1, 1, 500, 800), False, (500, 800), False),
        ((500, 800), False, (500, 800), True),
        ((500, 800), False, (800, 500), False),
        ((), False, (), True),
    ],
)
def test_which_shapes_match(stored, legacy, shape, fits):
    proto = caffe_pb2.BlobProto(data=np.zeros(int(np.prod(stored))))
    if legacy:
        proto.num, proto.channels, proto.height, proto.width = stored
    else:
        proto.shape.dim.extend(stored)
    assert decode(proto.SerializeToString()).matches(list(shape)) is fits


def test_legacy_sizes_left_out_are_0():
    blob = decode(caffe_pb2.BlobProto(num=3, channels=2).SerializeToString())
    assert blob.shape == (3, 2, 0, 0) and blob.legacy and blob.data.size == 0


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            message((3, 6), fields=()).SerializeToString() + len_field(5, bytes(17 * 4)),
            "shape 3 6 (18) has 17 values",
        ),
        (message((2,), fields=("data",)).SerializeToString() + one_by_one(6, [1]), "shape 2 (2) has 1 values of diff"),
        (message((2,), fields=()).SerializeToString(), "shape 2 (2) has 0 values of data"),
        (b"", "shape (1) has 0 values of data"),
        (len_field(5, bytes(7)), "at byte 0, 7 bytes are no whole number of 4-byte values"),
        (len_field(8, bytes(12)), "12 bytes are no whole number of 8-byte values"),
        (message((-1, 0), fields=()).SerializeToString(), "a blob cannot have shape -1 1: no size may be negative"),
        (message((2**31, 0), fields=()).SerializeToString(), "blob size exceeds INT_MAX"),
        (message((2**62, 2**62, 0), fields=()).SerializeToString(), "blob size exceeds INT_MAX"),
        (caffe_pb2.BlobProto(num=-1).SerializeToString(), "a blob cannot have shape -1 1 1 1"),
        (message((1,) * 33).SerializeToString(), "a blob has at most 32 axes, not 33"),
        (len_field(7, b"\x08"), "a blob's shape cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(data, text):
    with pytest.raises(FormatError) as caught:
        decode(data, file="w.caffemodel", message="NetParameter", layer="conv1")
    assert str(caught.value).startswith('w.caffemodel: layer "conv1": Failed to parse NetParameter: at byte ')
    assert text in str(caught.value)


def test_32_axes_are_allowed():
    assert read_blob(message((1,) * 32).SerializeToString()).shape == (1,) * 32


def test_every_cut_is_found():
    data = message(fields=("data", "diff")).SerializeToString()
    for size in range(len(data)):
        with pytest.raises(FormatError, match="Failed to parse BlobProto: at byte"):
            read_blob(data[:size])


@settings(max_examples=500)
@given(st.data())
def test_flipped_bits_give_an_error_or_what_protobuf_sees(data):
    flipped = bytearray(message((2, 3), fields=("data", "diff")).SerializeToString())
    for bit in data.draw(st.lists(st.integers(0, 8 * len(flipped) - 1), min_size=1, max_size=3)):
        flipped[bit // 8] ^= 1 << bit % 8
    try:
        blob = decode(bytes(flipped))
    except FormatError:
        return
    try:
        shape, _, values, _ = expected_of(caffe_pb2.BlobProto.FromString(bytes(flipped)))
    except DecodeError:
        pytest.fail("read what protobuf refuses")
    assert blob.shape == shape
    assert_array_equal(blob.data.ravel(), values)


@pytest.mark.parametrize("shape", [(), (5,), (4, 5), (3, 4, 5), SHAPE])
def test_a_mean_file_has_legacy_sizes(tmp_path, shape):
    mean = np.random.default_rng(3).normal(size=shape).astype("f4")
    write_binaryproto(tmp_path / "mean.binaryproto", mean)
    proto = caffe_pb2.BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    assert (proto.num, proto.channels, proto.height, proto.width) == (1,) * (4 - len(shape)) + shape
    assert not proto.HasField("shape")
    blob = read_binaryproto(tmp_path / "mean.binaryproto")
    assert blob.legacy and blob.matches(shape)
    assert_array_equal(blob.data.reshape(shape), mean)


def test_a_mean_file_with_shape(tmp_path):
    write_binaryproto(tmp_path / "m", np.ones((3, 2), "f4"), legacy=False)
    assert (tmp_path / "m").read_bytes() == encode(np.ones((3, 2), "f4"))
    assert read_binaryproto(tmp_path / "m").shape == (3, 2)


def test_a_file_of_another_kind_is_no_mean(tmp_path):
    path = tmp_path / "lenet.caffemodel"
    path.write_bytes(caffe_pb2.NetParameter(name="LeNet").SerializeToString())
    with pytest.raises(FormatError) as caught:
        read_binaryproto(path)
    assert str(caught.value) == (
        f"{path}: looks like weights (a NetParameter), must hold a single blob (such as a mean image), binary; "
        "give a .binaryproto file, as compute_image_mean writes it"
    )


@pytest.mark.parametrize(
    ("data", "diff", "text"),
    [
        (np.zeros((2, 3), "i4"), None, r"values of int32, shape \(2, 3\), cannot be stored in a blob of float32"),
        (np.zeros((2, 3), "f4"), np.zeros((2, 3), "f8"), "values of float64"),
        (
            np.zeros((2, 3), "f8"),
            np.zeros((3, 2), "f8"),
            r"shape \(3, 2\), cannot be stored in a blob of float64",
        ),
    ],
)
def test_what_no_blob_can_hold(data, diff, text):
    with pytest.raises(ParamError, match=text):
        EncodedBlob(data, diff)


def test_no_legacy_sizes_for_five_axes():
    with pytest.raises(ParamError, match="a blob of 5 axes has no legacy shape"):
        EncodedBlob(np.zeros((1,) * 5, "f4"), legacy=True)
