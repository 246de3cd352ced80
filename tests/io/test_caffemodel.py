"""Weight files of every age, read as protobuf reads them and written as protobuf writes them."""

import hashlib
import io
import os

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal
from watch import peak_of

from minicaffe.errors import FileError, FormatError, ParamError
from minicaffe.io import caffemodel_write
from minicaffe.io.caffemodel import decode_net, read_caffemodel, read_caffemodel_net
from minicaffe.io.caffemodel_write import write_caffemodel
from minicaffe.io.wire import Wire, len_field
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import upgrade_net

SHAPE = (2, 3, 4, 5)


def blob(shape, seed=0, legacy=False, diff=False, double=False):
    rng = np.random.default_rng(seed)
    proto, count = caffe_pb2.BlobProto(), int(np.prod(shape))
    if legacy:
        proto.num, proto.channels, proto.height, proto.width = (1,) * (4 - len(shape)) + tuple(shape)
    elif shape:
        proto.shape.dim.extend(shape)
    proto.MergeFrom(caffe_pb2.BlobProto(**{"double_data" if double else "data": rng.normal(size=count)}))
    if diff:
        proto.MergeFrom(caffe_pb2.BlobProto(**{"double_diff" if double else "diff": rng.normal(size=count)}))
    return proto


def net_v2():
    net = caffe_pb2.NetParameter(name="net", force_backward=True)
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 2])
    conv = net.layer.add(name="conv1", type="Convolution", bottom=["data"], top=["conv1"], phase=caffe_pb2.TEST)
    conv.param.add(lr_mult=2)
    conv.convolution_param.num_output = 3
    conv.include.add(phase=caffe_pb2.TEST)
    conv.blobs.extend([blob(SHAPE, 1), blob((3,), 2, diff=True)])
    net.layer.add(name="scale", type="Scale", blobs=[blob((), 3, double=True, diff=True)])
    return net


def net_v1():
    net = caffe_pb2.NetParameter(name="net")
    types = caffe_pb2.V1LayerParameter
    net.layers.add(name="pool1", type=types.POOLING)
    net.layers.add(name="ip1", type=types.INNER_PRODUCT, blobs=[blob((4, 5), 1, True), blob((4,), 2, True, diff=True)])
    return net


def net_v0():
    net = caffe_pb2.NetParameter(name="net", input=["data"], input_dim=[1, 2, 3, 4])
    net.layers.add(bottom=["data"], top=["pad1"]).layer.MergeFrom(
        caffe_pb2.V0LayerParameter(name="pad1", type="padding", pad=2)
    )
    conv = caffe_pb2.V0LayerParameter(name="conv1", type="conv", num_output=3, kernelsize=3)
    conv.blobs.extend([blob(SHAPE, 1, True), blob((2,), 2, True)])
    net.layers.add(bottom=["pad1"], top=["conv1"]).layer.MergeFrom(conv)
    return net


NETS = {"v2": net_v2, "v1": net_v1, "v0": net_v0}


def same_as_protobuf(data, weights):
    """Compare with protobuf's own reading of the whole file, brought up to date with the blobs inside."""
    net = upgrade_net(caffe_pb2.NetParameter.FromString(data)).param
    assert [(layer.name, layer.type) for layer in net.layer] == [(layer.name, layer.type) for layer in weights]
    for expected, layer in zip(net.layer, weights, strict=True):
        assert len(expected.blobs) == len(layer.blobs)
        for proto, stored in zip(expected.blobs, layer.blobs, strict=True):
            legacy = (proto.num, proto.channels, proto.height, proto.width)
            assert stored.shape == (legacy if stored.legacy else tuple(proto.shape.dim))
            assert stored.legacy == proto.HasField("num")
            assert_array_equal(stored.data.ravel(), proto.double_data or proto.data)
            diff = proto.double_diff or proto.diff
            assert (stored.diff is None) == (len(diff) == 0)
            if len(diff):
                assert_array_equal(stored.diff.ravel(), diff)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.caffemodel"


@pytest.mark.parametrize("age", NETS)
def test_each_age_is_read_as_protobuf_reads_it(path, age):
    data = NETS[age]().SerializeToString()
    path.write_bytes(data)
    weights = read_caffemodel(path)
    same_as_protobuf(data, weights)
    assert sum(len(layer.blobs) for layer in weights) >= 2


@pytest.mark.parametrize("age", NETS)
def test_the_rest_of_the_net_comes_without_blobs(path, age):
    net = NETS[age]()
    path.write_bytes(net.SerializeToString())
    source, weights = read_caffemodel_net(path)
    expected = upgrade_net(net).param
    for layer in expected.layer:
        layer.ClearField("blobs")
    assert source.param == expected and len(weights) == len(expected.layer)
    assert source.upgraded == (age != "v2") and source.origin.file == str(path)


BLOBS = st.builds(
    blob,
    st.lists(st.integers(0, 3), max_size=4).map(tuple),
    st.integers(0, 99),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
V2_LAYERS = st.builds(
    lambda name, kind, blobs: len_field(
        100, caffe_pb2.LayerParameter(name=name, type=kind, blobs=blobs).SerializeToString()
    ),
    st.text(max_size=3),
    st.sampled_from(["Convolution", "BatchNorm", "Scale"]),
    st.lists(BLOBS, max_size=3),
)
V1_LAYERS = st.builds(
    lambda name, kind, blobs: len_field(
        2, caffe_pb2.V1LayerParameter(name=name, type=kind, blobs=blobs).SerializeToString()
    ),
    st.text(max_size=3),
    st.integers(0, 39),
    st.lists(BLOBS, max_size=3),
)
V0_PARTS = st.builds(
    lambda name, blobs: caffe_pb2.V0LayerParameter(name=name, type="conv", blobs=blobs).SerializeToString(),
    st.text(max_size=3),
    st.lists(BLOBS, max_size=2),
)
# A message that comes in two parts is merged: protobuf appends the blobs of the second to those of the first.
V0_LAYERS = st.lists(V0_PARTS, min_size=1, max_size=2).map(
    lambda parts: len_field(2, b"".join(len_field(1, part) for part in parts))
)
FILES = st.one_of(*(st.lists(layers, min_size=1, max_size=3) for layers in (V2_LAYERS, V1_LAYERS, V0_LAYERS)))


@given(FILES)
def test_any_net_is_read_as_protobuf_reads_it(layers):
    data = b"".join([len_field(1, b"net"), *layers])
    same_as_protobuf(data, decode_net(Wire(data))[1])


def test_each_layer_of_one_name_is_there(path):
    net = caffe_pb2.NetParameter()
    for seed in (1, 2):
        net.layer.add(name="twin", blobs=[blob((2,), seed)])
    path.write_bytes(net.SerializeToString())
    same_as_protobuf(net.SerializeToString(), read_caffemodel(path))


def test_a_name_that_is_not_utf8_is_no_obstacle(path):
    layer = len_field(1, b"conv\xff") + len_field(7, blob((2,), 1).SerializeToString())
    path.write_bytes(len_field(100, layer))
    (weights,) = read_caffemodel(path)
    assert weights.name == "conv\\xff" and weights.blobs[0].shape == (2,)


def arrays_of(net):
    def values(proto):
        dtype = "f8" if len(proto.double_data) else "f4"
        pair = [proto.double_data or proto.data, proto.double_diff or proto.diff]
        arrays = tuple(np.array(list(part), dtype).reshape(proto.shape.dim) for part in pair if len(part))
        return arrays if len(arrays) == 2 else arrays[0]

    return [[values(proto) for proto in layer.blobs] for layer in net.layer]


def test_written_byte_for_byte_as_protobuf_writes(path):
    net = net_v2()
    written = write_caffemodel(path, net, arrays_of(net))
    data = path.read_bytes()
    assert data == net.SerializeToString()
    assert (written.size, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_blobs_inside_the_messages_are_not_written():
    net, file = net_v2(), io.BytesIO()
    write_caffemodel(file, net, [[], [np.zeros((), "f4")], []])
    back = caffe_pb2.NetParameter.FromString(file.getvalue())
    assert [len(layer.blobs) for layer in back.layer] == [0, 1, 0]
    assert not back.layer[1].blobs[0].HasField("shape") and list(back.layer[1].blobs[0].data) == [0]
    assert len(net.layer[1].blobs) == 2


@pytest.mark.parametrize("lying", ["C", "F"])
def test_large_blobs(path, lying):
    net = caffe_pb2.NetParameter(layer=[{"name": "ip"}])
    values = np.asarray(np.random.default_rng(0).normal(size=(700, 900)), "f4", lying)
    written = write_caffemodel(path, net, [[(values, -values)]])
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    stored = read_caffemodel(path)[0].blobs[0]
    assert_array_equal(stored.data, values)
    assert_array_equal(stored.diff, -values)


def test_memory_for_one_copy_when_reading_and_none_when_writing(path):
    net = caffe_pb2.NetParameter(layer=[{"name": "ip"}])
    values = np.zeros((1500, 2000), "f4")

    # Its buffer of 1 MiB is what the writer takes.
    assert peak_of(lambda: write_caffemodel(path, net, [[values]])) < 0.2 * values.nbytes
    assert peak_of(lambda: read_caffemodel(path)) < 1.1 * values.nbytes


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    path.write_bytes(b"old")
    net = caffe_pb2.NetParameter(layer=[{"name": "a"}, {"name": "b"}])
    good, bad = np.zeros(3, "f4"), np.zeros(3, "i4")
    with pytest.raises(ParamError, match="values of int32"):
        write_caffemodel(path, net, [[good], [bad]])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"net\.caffemodel: cannot be written: no space left on device; free"):
        write_caffemodel(path, net, [[good], [good]])
    assert path.read_bytes() == b"old" and len(list(path.parent.iterdir())) == 1


def test_weights_too_large_for_a_binary_file(path, monkeypatch):
    net, values = caffe_pb2.NetParameter(layer=[{"name": "a"}]), [[np.zeros(3, "f4")]]
    size = write_caffemodel(path, net, values).size
    monkeypatch.setattr(caffemodel_write, "MAX_BYTES", size)
    assert write_caffemodel(path, net, values).size == size
    monkeypatch.setattr(caffemodel_write, "MAX_BYTES", size - 1)
    with pytest.raises(ParamError, match=f"weights of {size} bytes do not fit a binary file"):
        write_caffemodel(path, net, values)


@pytest.mark.parametrize(("net", "blobs"), [(net_v1(), []), (net_v2(), [[]])])
def test_what_cannot_be_written(path, net, blobs):
    with pytest.raises(ParamError, match="upgrade the net, and give a list for each layer"):
        write_caffemodel(path, net, blobs)
    assert not path.exists()


def test_a_missing_file(path):
    with pytest.raises(FileError, match=r"Couldn't open .*net\.caffemodel: no such file"):
        read_caffemodel(path)


STATE = caffe_pb2.SolverState(iter=5, learned_net="a.caffemodel", history=[blob((2,))]).SerializeToString()
MIXED = caffe_pb2.NetParameter(layer=[{"name": "a"}], layers=[{"name": "b"}]).SerializeToString()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty, must hold weights"),
        (
            b'name: "LeNet"\nlayer { name: "data" }',
            "is text, must hold weights (a NetParameter), binary; give a",
        ),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "is HDF5, must hold weights (a NetParameter), binary"),
        (STATE, "looks like a solver state, must hold weights"),
        (caffe_pb2.NetParameter(name="net").SerializeToString(), "the net has no layers"),
        (b"\xff\xfe\xfd garbage", "Failed to parse NetParameter: at byte 0, "),
        (MIXED, "Failed to upgrade NetParameter: "),
        (len_field(2, len_field(1, len_field(2, b"no such type"))), "Failed to upgrade NetParameter: "),
        (len_field(2, len_field(4, b"conv\xff")), "Failed to parse NetParameter: at byte 0, its layers cannot be read"),
    ],
)
def test_what_is_no_weight_file(path, data, text):
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_caffemodel(path)
    assert str(caught.value).startswith(f"{path}: ") and text in str(caught.value)


def test_a_blob_at_fault_is_named_with_its_layer(path):
    net = net_v2()
    net.layer[1].blobs[1].data.append(0)
    path.write_bytes(net.SerializeToString())
    with pytest.raises(FormatError) as caught:
        read_caffemodel(path)
    assert str(caught.value).startswith(f'{path}: layer "conv1": Failed to parse NetParameter: at byte ')
    assert "a blob of shape 3 (3) has 4 values of data" in str(caught.value)
    assert caught.value.layer == "conv1"


def readable(data):
    try:
        return decode_net(Wire(data))[1]
    except FormatError:
        return None


def names_with_blobs(weights):
    return [layer.name for layer in weights if layer.blobs]


@pytest.mark.parametrize("age", NETS)
def test_every_cut_is_found_but_those_between_layers(age):
    data = NETS[age]().SerializeToString()
    whole = decode_net(Wire(data))[1]
    between = {field.end for field in Wire(data).fields()}
    for size in range(len(data)):
        weights = readable(data[:size])
        if size not in between:
            assert weights is None, size
        elif weights is not None:
            found = names_with_blobs(weights)
            assert found == names_with_blobs(whole)[: len(found)]


@settings(max_examples=300)
@given(st.sampled_from(sorted(NETS)), st.data())
def test_flipped_bits_give_an_error_or_what_protobuf_sees(age, data):
    flipped = bytearray(NETS[age]().SerializeToString())
    for bit in data.draw(st.lists(st.integers(0, 8 * len(flipped) - 1), min_size=1, max_size=4)):
        flipped[bit // 8] ^= 1 << bit % 8
    weights = readable(bytes(flipped))
    if weights is not None and all("\\x" not in layer.name + layer.type for layer in weights):
        same_as_protobuf(bytes(flipped), weights)


@given(st.binary(max_size=200))
def test_garbage_gives_an_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "garbage"
    path.write_bytes(data)
    try:
        assert read_caffemodel(path)
    except FormatError as error:
        assert str(error).startswith(f"{path}: ")


REAL = ["mtcnn/det1", "mtcnn/det2", "mtcnn/det3", "lenet-2014/lenet_iter_5000", "lenet-2014/lenet_iter_10000"]


@pytest.mark.parametrize("name", REAL)
def test_real_files(models_dir, name):
    path = models_dir / f"{name}.caffemodel"
    weights = read_caffemodel(path)
    same_as_protobuf(path.read_bytes(), weights)
    assert sum(len(layer.blobs) for layer in weights) >= 8
    assert all(np.isfinite(stored.data).all() for layer in weights for stored in layer.blobs)


@pytest.mark.parametrize("name", REAL[:3])
def test_real_files_of_today_are_written_back_byte_for_byte(models_dir, name):
    path, file = models_dir / f"{name}.caffemodel", io.BytesIO()
    source, weights = read_caffemodel_net(path)
    write_caffemodel(file, source.param, [[stored.data for stored in layer.blobs] for layer in weights])
    assert file.getvalue() == path.read_bytes()
