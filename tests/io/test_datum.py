"""Datums: what protobuf wrote is read, fast path and slow path alike, and every misfit has its text."""

import io

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.errors import DataError, FormatError, MinicaffeError
from minicaffe.io import datum as module
from minicaffe.io.datum import decode_batch, make_datum, make_encoded_datum
from minicaffe.proto import caffe_pb2

SHAPE = (3, 4, 5)


def serialized(array=None, **fields):
    if array is not None:
        fields.update(channels=array.shape[0], height=array.shape[1], width=array.shape[2], data=array.tobytes())
    return caffe_pb2.Datum(**fields).SerializeToString()


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (6, *SHAPE), dtype=np.uint8)


@pytest.fixture
def slow_only(monkeypatch):
    monkeypatch.setattr(module, "_decode_alike", lambda values: None)


@pytest.fixture
def fast_only(monkeypatch):
    def refuse(*_):
        raise AssertionError("the records were walked one by one")

    monkeypatch.setattr(module, "_Datum", refuse)


LABELS = [0, 1, 127, 128, 999, 2**31 - 1]


@pytest.mark.parametrize("path", ["fast_only", "slow_only"])
@pytest.mark.parametrize("extra", [{}, {"encoded": False}])
def test_raw_pixels(images, path, extra, request):
    request.getfixturevalue(path)
    batch = decode_batch([serialized(image, label=label, **extra) for image, label in zip(images, LABELS, strict=True)])
    np.testing.assert_array_equal(batch.items, images)
    assert batch.items.dtype == np.uint8 and batch.items.shape == (6, *SHAPE)
    np.testing.assert_array_equal(batch.labels, LABELS)
    assert batch.labels.dtype == np.int32 and not batch.encoded


@pytest.mark.parametrize("path", ["fast_only", "slow_only"])
def test_labels_may_be_missing_or_negative(images, path, request):
    request.getfixturevalue(path)
    batch = decode_batch([serialized(images[0]), serialized(images[1], label=-56), serialized(images[2], label=0)])
    assert batch.labels.tolist() == [0, -56, 0]


def test_float_data_is_used_where_data_is_empty(rng):
    arrays = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    batch = decode_batch([make_datum(array, label=i) for i, array in enumerate(arrays)])
    np.testing.assert_array_equal(batch.items, arrays)
    assert batch.items.dtype == np.float32
    assert batch.labels.tolist() == [0, 1, 2]
    # With both, data counts.
    both = serialized(np.ones(SHAPE, np.uint8), float_data=[0.5] * 60)
    np.testing.assert_array_equal(decode_batch([both]).items, np.ones((1, *SHAPE)))


def test_packed_and_scattered_float_data(rng):
    values = rng.normal(size=60).astype(np.float32)
    sizes = caffe_pb2.Datum(channels=3, height=4, width=5).SerializeToString()
    packed = b"\x32" + bytes([240, 1]) + values.tobytes()
    half = caffe_pb2.Datum(float_data=values[:30].tolist()).SerializeToString()
    rest = caffe_pb2.Datum(float_data=values[30:].tolist()).SerializeToString()
    for value in (sizes + packed, half + sizes + rest, sizes + half + b"\x28\x07" + rest):
        np.testing.assert_array_equal(decode_batch([value]).items[0].ravel(), values)


def test_fields_in_any_order_and_twice_as_protobuf_reads_them(images):
    late = caffe_pb2.Datum(channels=3, height=4, width=5, label=7).SerializeToString()
    data = caffe_pb2.Datum(data=images[0].tobytes()).SerializeToString()
    wrong = caffe_pb2.Datum(channels=9, label=9, data=b"abc").SerializeToString()
    unknown = b"\xf8\x07\x05"
    batch = decode_batch([data + late, wrong + late + data, late + unknown + data + unknown])
    np.testing.assert_array_equal(batch.items, images[[0, 0, 0]])
    assert batch.labels.tolist() == [7, 7, 7]


def test_items_that_differ_come_as_a_list(rng):
    small, large = np.ones((1, 2, 3), np.uint8), np.ones((1, 3, 3), np.uint8)
    batch = decode_batch([serialized(small), serialized(large), make_datum(small.astype(np.float32))])
    assert [item.shape for item in batch.items] == [(1, 2, 3), (1, 3, 3), (1, 2, 3)]
    assert [item.dtype for item in batch.items] == [np.uint8, np.uint8, np.float32]


def test_what_is_said_of_encoding(images):
    # Field 7, a varint: said of raw pixels where asked for, as convert_imageset does, and always of an image file.
    assert make_datum(images[0], label=5, encoded=False) == make_datum(images[0], label=5) + b"\x38\x00"
    assert make_encoded_datum(b"abc", 3) == b"\x22\x03abc\x28\x03\x38\x01"


def test_nothing_makes_an_empty_batch():
    batch = decode_batch([])
    assert len(batch.items) == 0 and batch.labels.shape == (0,)


def png(image):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_encoded_images_are_decoded(rng):
    rgb = rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    values = [serialized(data=png(image), encoded=True, label=3) for image in rgb]
    batch = decode_batch(values)
    np.testing.assert_array_equal(batch.items, rgb[..., ::-1].transpose(0, 3, 1, 2))
    assert batch.labels.tolist() == [3, 3] and batch.encoded
    assert decode_batch(values, color=False).items.shape == (2, 1, 4, 5)
    gray = serialized(data=png(rgb[0, ..., 0].copy()), encoded=True)
    assert decode_batch([gray]).items.shape == (1, 1, 4, 5)
    assert decode_batch([gray], color=True).items.shape == (1, 3, 4, 5)


def test_forced_colours_leave_raw_pixels_alone(images):
    np.testing.assert_array_equal(decode_batch([serialized(images[0])], color=False).items, images[:1])


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"width": 6}, r"has 60 bytes of data, its 3 x 4 x 6 \(C x H x W\) need 72; create the database again"),
        ({"data": b"abc"}, "has 3 bytes of data, its 3 x 4 x 5 .* need 60"),
        ({"data": b""}, "has 0 values of float_data, its 3 x 4 x 5 .* need 60"),
        ({"channels": 0}, "has channels 0, must be 1 or more"),
        ({"height": -4}, "has height -4, must be 1 or more"),
        ({"encoded": True}, "is no image that"),
    ],
)
def test_bytes_that_do_not_fit_the_shape_are_told(images, changed, text):
    good = serialized(images[0])
    bad = caffe_pb2.Datum.FromString(good)
    for name, value in changed.items():
        setattr(bad, name, value)
    values = [good, bad.SerializeToString(), good]
    with pytest.raises(DataError, match=rf"^train_lmdb: record b'00001' {text}"):
        decode_batch(values, [b"00000", b"00001", b"00002"], "train_lmdb")
    with pytest.raises(DataError, match=rf"^record number 1 {text}"):
        decode_batch(values)


def test_records_cut_short_are_told(images):
    whole = serialized(images[0], label=5)
    for size in [*range(1, len(whole) - 2), len(whole) - 1]:
        with pytest.raises((FormatError, DataError), match=r"db: .*record b'k'"):
            decode_batch([whole, whole[:size]], [b"j", b"k"], "db")
    with pytest.raises(FormatError, match="db: Failed to parse the Datum of record b'k': at byte 8, field 4 takes 60"):
        decode_batch([whole[:20]], [b"k"], "db")


@given(st.lists(st.binary(max_size=80), max_size=3), st.booleans())
def test_any_bytes_give_a_batch_or_a_typed_error(values, behind):
    head = caffe_pb2.Datum(channels=1, height=1, width=2, data=b"xy").SerializeToString()
    values = [head + value if behind else value for value in values]
    try:
        batch = decode_batch(values)
    except MinicaffeError as error:
        assert "record number" in str(error)
        return
    assert len(batch.items) == len(batch.labels) == len(values)
    for value, item, label in zip(values, batch.items, batch.labels, strict=True):
        datum = caffe_pb2.Datum.FromString(value)
        assert item.shape == (datum.channels, datum.height, datum.width) or datum.encoded
        assert label == datum.label


def test_make_datum_writes_what_caffe_writes(images):
    assert make_datum(images[0], label=0) == serialized(images[0], label=0)
    assert make_datum(images[0]) == serialized(images[0])
    datum = caffe_pb2.Datum.FromString(make_datum(images[0].transpose(2, 1, 0), label=4))
    assert (datum.channels, datum.height, datum.width, datum.label) == (5, 4, 3, 4)
    assert datum.data == images[0].transpose(2, 1, 0).tobytes()
    assert not datum.HasField("encoded")


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.uint8), np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.uint16)])
def test_make_datum_takes_images_only(array):
    with pytest.raises(DataError, match=r"a Datum holds uint8 or float of shape \(C, H, W\), got "):
        make_datum(array)
