"""BlobProto and Datum messages to arrays and back."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

import minicaffe.io as io
from minicaffe.errors import FormatError
from minicaffe.io.array_checks import ArrayError
from minicaffe.proto import caffe_pb2

SHAPE = (2, 3, 4, 5)


@given(st.lists(st.integers(0, 4), max_size=5), st.sampled_from(["float32", "float64", "int32", "uint8"]))
def test_there_and_back(shape, dtype):
    array = np.random.default_rng(3).integers(0, 99, shape).astype(dtype)
    blob = io.array_to_blobproto(array, diff=array * 2)
    assert list(blob.shape.dim) == shape and not blob.HasField("num")
    assert list(blob.data) == array.ravel().tolist() and list(blob.diff) == (array * 2).ravel().tolist()
    back = io.blobproto_to_array(blob), io.blobproto_to_array(blob, return_diff=True)
    assert back[0].shape == tuple(shape) and back[0].dtype == np.float64 and back[0].flags.writeable
    assert_array_equal(back[0], array)
    assert_array_equal(back[1], array * 2)


def test_any_memory_order_and_range(rng):
    array = rng.normal(size=SHAPE)
    assert_array_equal(io.blobproto_to_array(io.array_to_blobproto(array.T)), array.T.astype(np.float32))
    assert io.blobproto_to_array(io.array_to_blobproto(np.array([1e300])))[0] == np.inf
    diff = rng.normal(size=120).astype(np.float32)
    assert list(io.array_to_blobproto(array, diff).diff) == diff.tolist()
    assert not io.array_to_blobproto(array).diff


def test_shapes_that_messages_say():
    values = list(range(6))
    for fields, shape in [
        ({"num": 1, "channels": 1, "height": 2, "width": 3}, (1, 1, 2, 3)),
        ({"shape": {"dim": [3, 2]}}, (3, 2)),
        # As pycaffe: one legacy field is enough, and what is not set counts 0.
        ({"num": 1, "channels": 2, "height": 3, "width": 1, "shape": {"dim": [6]}}, (1, 2, 3, 1)),
    ]:
        assert io.blobproto_to_array(caffe_pb2.BlobProto(data=values, **fields)).shape == shape
    scalar = io.blobproto_to_array(caffe_pb2.BlobProto(data=[123]))
    assert scalar.shape == () and scalar == 123
    # double_data is not looked at.
    assert io.blobproto_to_array(caffe_pb2.BlobProto(data=[1], double_data=[2])) == 1


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"data": [1, 2]}, ["data has 2 values, its shape () needs 1", "set blob.shape.dim"]),
        ({"data": [1, 2], "shape": {"dim": [3]}}, ["its shape (3,) needs 3"]),
        ({"data": [1, 2], "num": 2}, ["its shape (2, 0, 0, 0) needs 0"]),
        ({"data": [1, 2], "shape": {"dim": [-1, -2]}}, ["its shape (-1, -2)"]),
        ({"double_data": [1]}, ["data has 0 values"]),
    ],
)
def test_messages_whose_values_do_not_fit(fields, words):
    with pytest.raises(ArrayError) as caught:
        io.blobproto_to_array(caffe_pb2.BlobProto(**fields))
    assert isinstance(caught.value, ValueError) and all(word in str(caught.value) for word in words), caught.value
    with pytest.raises(ValueError, match="diff has 0 values"):
        io.blobproto_to_array(caffe_pb2.BlobProto(data=[1]), return_diff=True)


def test_arrays_that_messages_do_not_hold():
    with pytest.raises(ArrayError, match=r"diff has shape \(3,\), arr \(4,\): they must have as many values"):
        io.array_to_blobproto(np.zeros(4), np.zeros(3))
    with pytest.raises(ArrayError, match=r"arr is an array of <U1, must hold real numbers"):
        io.array_to_blobproto(np.array(["a"]))


def test_vectors(rng):
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in (SHAPE, (7,), ())]
    data = io.arraylist_to_blobprotovector_str(arrays)
    assert data == io.arraylist_to_blobprotovecor_str(arrays) and isinstance(data, bytes)
    for found, array in zip(io.blobprotovector_str_to_arraylist(data), arrays, strict=True):
        assert_array_equal(found, array)
    with pytest.raises(FormatError, match="the bytes are no BlobProtoVector"):
        io.blobprotovector_str_to_arraylist(b"\xff\xff")


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int16"])
def test_datums(rng, dtype):
    array = rng.integers(0, 200, (3, 4, 5)).astype(dtype).transpose(0, 2, 1)
    datum = io.array_to_datum(array, label=7)
    assert (datum.channels, datum.height, datum.width, datum.label) == (3, 5, 4, 7)
    assert (len(datum.data), len(datum.float_data)) == ((60, 0) if dtype == "uint8" else (0, 60))
    back = io.datum_to_array(datum)
    assert back.dtype == (np.uint8 if dtype == "uint8" else np.float64) and back.flags.writeable
    assert_array_equal(back, array)


def test_labels():
    array = np.ones((10, 10, 3))
    assert not io.array_to_datum(array).HasField("label")
    assert io.array_to_datum(array, 0).HasField("label")
    assert len(io.array_to_datum(array, label=1).SerializeToString()) > len(
        io.array_to_datum(array).SerializeToString()
    )
    with pytest.raises(TypeError):
        io.array_to_datum(array, label=1.5)


@pytest.mark.parametrize("shape, hint", [((4, 5), "arr[numpy.newaxis]"), ((1, 3, 4, 5), ""), ((), "")])
def test_datums_have_three_axes(shape, hint):
    with pytest.raises(ValueError, match=r"^Incorrect array shape\.") as caught:
        io.array_to_datum(np.zeros(shape))
    assert f"the array has shape {shape}" in str(caught.value) and hint in str(caught.value)


def test_datums_that_do_not_fit():
    with pytest.raises(ValueError, match=r"the Datum has 5 bytes of data, its 1 x 2 x 3 .* need 6"):
        io.datum_to_array(caffe_pb2.Datum(channels=1, height=2, width=3, data=b"12345"))
    with pytest.raises(ValueError, match=r"has 2 bytes of data, its -1 x -2 x 1"):
        io.datum_to_array(caffe_pb2.Datum(channels=-1, height=-2, width=1, data=b"12"))
    with pytest.raises(ValueError, match=r"has 1 values of float_data, its 1 x 2 x 3"):
        io.datum_to_array(caffe_pb2.Datum(channels=1, height=2, width=3, float_data=[1]))
    with pytest.raises(ValueError, match=r"holds an image file \(encoded\), which is not decoded"):
        io.datum_to_array(caffe_pb2.Datum(data=b"\x89PNG", encoded=True))


def test_what_is_no_message():
    datum = caffe_pb2.Datum(channels=1, height=1, width=1, data=b"1")
    for value, name in [(datum.SerializeToString(), "bytes"), (datum, "Datum"), (None, "NoneType")]:
        with pytest.raises(TypeError, match=rf"a {name} is no BlobProto; .*caffe_pb2\.BlobProto\.FromString"):
            io.blobproto_to_array(value)
    with pytest.raises(TypeError, match="a BlobProto is no Datum"):
        io.datum_to_array(caffe_pb2.BlobProto())


def test_messages_that_scripts_reach_through_the_module():
    assert io.caffe_pb2.Datum is caffe_pb2.Datum
