"""Weights: copied by name, shared, saved; all of them or none, with old shapes; and what does not fit."""

import hashlib

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, set_blobs

from minicaffe import backend
from minicaffe.errors import DeviceError, FileError, FormatError, ShapeError
from minicaffe.io.caffemodel import read_caffemodel
from minicaffe.io.hashing import Written
from minicaffe.net import weights
from minicaffe.proto import caffe_pb2

TWO = inputs("x") + inner_product("a", "x", "y", 4) + inner_product("b", "y", "z", 2)


def values(net):
    return {name: [np.array(blob.data) for blob in blobs] for name, blobs in net.params.items()}


def same(first, second):
    return all(
        np.array_equal(one, other) for name in first for one, other in zip(first[name], second[name], strict=True)
    )


@pytest.fixture
def saved(tmp_path):
    """A file with the weights of a net of two layers, and the weights."""
    net = make_net(TWO, seed=5)
    net.params["a"][1].data[...] = [1, 2, 3, 4]
    net.save(tmp_path / "two.caffemodel")
    return tmp_path / "two.caffemodel", values(net)


def write(path, *layers):
    """A caffemodel of (name, [BlobProto fields...]) made by protobuf itself."""
    net = caffe_pb2.NetParameter()
    for name, blobs in layers:
        net.layer.add(name=name, blobs=[caffe_pb2.BlobProto(**blob) for blob in blobs])
    path.write_bytes(net.SerializeToString())
    return path


def proto(array, **more):
    array = np.asarray(array)
    return {"shape": {"dim": array.shape}, "data": array.ravel(), **more}


def legacy(array, shape):
    return {**dict(zip(("num", "channels", "height", "width"), shape, strict=True)), "data": np.ravel(array)}


# --- copying --------------------------------------------------------------------------------------------------


def test_what_was_saved_comes_back(saved):
    path, expected = saved
    net = make_net(TWO, seed=6)
    assert not same(values(net), expected)
    net.copy_from(path)
    assert same(values(net), expected)


def test_layers_are_found_by_name_whatever_their_order(saved, logged):
    path, expected = saved
    other = inputs("x") + inner_product("b", "x", "q", 2) + inner_product("new", "x", "y", 4)
    net = make_net(other.replace("dim: 3", "dim: 4"), seed=6)
    before = values(net)
    logged()
    net.copy_from(path)
    assert same({"b": expected["b"]}, values(net)) and same({"new": before["new"]}, values(net))
    assert logged() == [
        "Ignoring source layer a",
        f"{path}: copied 1 layer (10 values), skipped 1, unused 1",
        "  skipped  new  4x4 + 4  20  not in the file, keeps its values",
        "  unused   a    4x3 + 4  16  not in the net",
    ]


def test_weights_of_quite_another_net_are_told_of(saved, logged):
    path, _ = saved
    net = make_net(inputs("x") + inner_product("other", "x", "y", 4))
    before = values(net)
    logged()
    net.copy_from(path)
    assert same(values(net), before)
    text = f"{path}: none of its layers has the name of a layer of this net; nothing was copied"
    found = logged()
    assert found[:2] == ["Ignoring source layer a", "Ignoring source layer b"] and found[-1] == text
    assert found[2] == f"{path}: copied 0 layers (0 values), skipped 1, unused 2"


def test_the_first_of_several_layers_of_one_name_is_filled(saved):
    path, expected = saved
    net = make_net(inputs("x") + inner_product("a", "x", "y", 4) + inner_product("a", "x", "z", 4), seed=6)
    net.copy_from(path)
    np.testing.assert_array_equal(net.layers[2].blobs[0].data, expected["a"][0])
    assert not np.array_equal(net.layers[3].blobs[0].data, expected["a"][0])


def test_the_type_is_not_compared(tmp_path):
    path = write(tmp_path / "w", ("s", [proto([7.0])]))
    net = make_net(inputs("x") + layer("s", "TestScaled", "x", "y"))
    net.copy_from(path)
    assert net.params["s"][0].data.tolist() == [7]


def test_later_files_win(saved, tmp_path):
    path, expected = saved
    second = write(tmp_path / "second", ("a", [proto(np.ones((4, 3))), proto(np.zeros(4))]))
    net = make_net(TWO, seed=6)
    net.copy_from(path)
    net.copy_from(second)
    assert (net.params["a"][0].data == 1).all() and same({"b": expected["b"]}, values(net))


def test_shapes_of_old_files(tmp_path, rng):
    weight, bias = rng.normal(size=(4, 3)).astype("f"), rng.normal(size=4).astype("f")
    path = write(tmp_path / "old", ("a", [legacy(weight, (1, 1, 4, 3)), legacy(bias, (1, 1, 1, 4))]))
    net = make_net(TWO)
    net.copy_from(path)
    np.testing.assert_array_equal(net.params["a"][0].data, weight)
    np.testing.assert_array_equal(net.params["a"][1].data, bias)


@pytest.mark.parametrize("weight_shape", [(4, 3, 1, 1), (1, 4, 3, 1), (1, 1, 3, 4), (1, 1, 1, 12)])
def test_old_shapes_are_compared_right_aligned(tmp_path, weight_shape):
    path = write(tmp_path / "old", ("a", [legacy(np.zeros(12), weight_shape), legacy(np.zeros(4), (1, 1, 1, 4))]))
    with pytest.raises(ShapeError, match="shape mismatch"):
        make_net(TWO).copy_from(path)


def test_new_shapes_are_not(tmp_path):
    path = write(tmp_path / "w", ("a", [proto(np.zeros((1, 1, 4, 3))), proto(np.zeros(4))]))
    with pytest.raises(ShapeError, match="shape mismatch"):
        make_net(TWO).copy_from(path)


def test_double_precision_is_taken(tmp_path):
    exact = 1 + 2.0**-40
    blob = {"shape": {"dim": [4, 3]}, "double_data": [exact] * 12}
    path = write(tmp_path / "w", ("a", [blob, proto(np.zeros(4))]))
    single, double = make_net(TWO), make_net(TWO, dtype="float64")
    single.copy_from(path)
    double.copy_from(path)
    assert (single.params["a"][0].data == 1).all() and (double.params["a"][0].data == exact).all()


def test_gradients_come_along_where_they_are_stored(tmp_path):
    net = make_net(TWO)
    net.params["a"][1].diff[...] = [1, 2, 3, 4]
    net.save(tmp_path / "with", write_diff=True)
    net.save(tmp_path / "without")
    other = make_net(TWO)
    other.copy_from(tmp_path / "without")
    assert not other.params["a"][1].diff.any()
    other.copy_from(tmp_path / "with")
    assert other.params["a"][1].diff.tolist() == [1, 2, 3, 4] and other.param_diffs.sum() == 10


def test_on_a_gpu(fake_gpu, saved):
    path, _ = saved
    net = make_net(TWO, seed=6)
    net.copy_from(path)
    assert net.graph.layers[1].blobs[1].data.get().tolist() == [1, 2, 3, 4]
    net.graph.layers[1].blobs[1].data[...] = 9
    net.save(path)
    assert read_caffemodel(path)[1].blobs[1].data.tolist() == [9] * 4


# --- what does not fit ----------------------------------------------------------------------------------------

SHAPES = "Source param shape is 4 3 (12) (in {path}); target param shape is 5 3 (15)"


def test_another_shape_is_refused_and_nothing_is_copied(saved):
    path, _ = saved
    net = make_net("\n\n" + inputs("x") + inner_product("a", "x", "y", 5))
    with pytest.raises(ShapeError) as caught:
        net.copy_from(path)
    text = str(caught.value)
    assert text.startswith("net.prototxt:4: layer \"a\" (InnerProduct): Cannot copy param 0 weights from layer 'a'")
    assert SHAPES.format(path=path) in text
    assert text.endswith('rename the layer, or leave out what does not fit: mismatched="skip"')


def test_nothing_is_copied_unless_all_fits(saved):
    path, _ = saved
    net = make_net(inputs("x") + inner_product("a", "x", "y", 4) + inner_product("b", "y", "z", 3), seed=6)
    before = values(net)
    with pytest.raises(ShapeError, match="param 0 weights from layer 'b'"):
        net.copy_from(path)
    assert same(values(net), before)


def test_another_number_of_blobs(tmp_path):
    path = write(tmp_path / "w", ("a", [proto(np.zeros((4, 3)))]))
    with pytest.raises(ShapeError) as caught:
        make_net(TWO).copy_from(path)
    words = f"Incompatible number of blobs for layer a: {path} has 1, the net 2"
    assert words in str(caught.value) and caught.value.layer == "a"


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: data[: len(data) // 2]])
def test_a_file_cut_short_changes_nothing(saved, damage):
    path, _ = saved
    path.write_bytes(damage(path.read_bytes()))
    net = make_net(TWO, seed=6)
    before = values(net)
    with pytest.raises(FormatError, match=str(path)):
        net.copy_from(path)
    assert same(values(net), before)


def test_hdf5_is_told_from_binary_by_its_content(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "w.caffemodel"
    with h5py.File(path, "w") as file:
        file["data/a/0"], file["data/a/1"] = np.ones((4, 3)), np.full(4, 2)
    net = make_net(TWO)
    net.copy_from(path)
    assert (net.params["a"][0].data == 1).all() and (net.params["a"][1].data == 2).all()


def test_other_files_are_refused(tmp_path):
    (tmp_path / "net.prototxt").write_text(TWO)
    with pytest.raises(FormatError, match="is text, must hold weights"):
        make_net(TWO).copy_from(tmp_path / "net.prototxt")
    with pytest.raises(FileError, match="Couldn't open"):
        make_net(TWO).copy_from(tmp_path / "none")


# --- sharing --------------------------------------------------------------------------------------------------


def test_sharing_is_of_data_not_of_gradients(rng):
    ours, theirs = make_net(TWO, seed=1), make_net(TWO, seed=2)
    ours.share_with(theirs)
    for name in ("a", "b"):
        for mine, its in zip(ours.params[name], theirs.params[name], strict=True):
            assert np.shares_memory(mine.data, its.data) and not np.shares_memory(mine.diff, its.diff)
    theirs.params["b"][0].data[...] = 3
    x = set_blobs(ours, rng)["x"]
    y = x @ theirs.params["a"][0].data.T
    np.testing.assert_allclose(ours.forward()["z"], 3 * y.sum(1, keepdims=True) * [1, 1], rtol=1e-3, atol=1e-4)


def test_sharing_goes_by_name(logged):
    ours, theirs = make_net(inputs("x") + inner_product("a", "x", "y", 4)), make_net(TWO)
    logged()
    ours.share_with(theirs)
    assert logged() == ["Ignoring source layer b"]
    assert np.shares_memory(ours.params["a"][0].data, theirs.params["a"][0].data)


def test_sharers_inside_a_net_follow():
    text = inputs("x") + "".join(inner_product(n, "x", f"y{n}", 4, "param { name: 'w' }") for n in "ab")
    ours, theirs = make_net(text, seed=1), make_net(text, seed=2)
    ours.share_with(theirs)
    arrays = [net.params[name][0].data for net in (ours, theirs) for name in "ab"]
    assert all(np.shares_memory(arrays[0], array) for array in arrays[1:])


def test_nothing_is_shared_unless_all_fits():
    ours = make_net(inputs("x") + inner_product("a", "x", "y", 4) + inner_product("b", "y", "z", 3))
    theirs = make_net(TWO)
    with pytest.raises(ShapeError) as caught:
        ours.share_with(theirs)
    text = str(caught.value)
    assert "Cannot share param 0 weights from layer 'b'; shape mismatch" in text and "3 4 (12)" in text
    assert not np.shares_memory(ours.params["a"][0].data, theirs.params["a"][0].data)


def test_nets_of_another_precision_or_device_share_nothing(fake_gpu):
    on_gpu = make_net(TWO)
    backend.set_mode_cpu()
    single, double = make_net(TWO), make_net(TWO, dtype="float64")
    for other, words in ((on_gpu, "float32 on cpu, the other float32 on gpu:0"), (double, "the other float64 on cpu")):
        with pytest.raises(DeviceError) as caught:
            single.share_with(other)
        assert words in str(caught.value)


def test_the_other_net_may_go(rng):
    ours, theirs = make_net(TWO, seed=1), make_net(TWO, seed=2)
    ours.share_with(theirs)
    expected = values(theirs)
    del theirs
    assert same(values(ours), expected)


# --- saving ---------------------------------------------------------------------------------------------------


def test_what_a_file_holds(tmp_path):
    """The layers as they stand after set-up: Splits, phases, rules and the weights that losses gave themselves."""
    text = (
        'name: "whole" force_backward: true debug_info: true '
        + inputs("x", "t")
        + inner_product("a", "x", "y", 3, "param { name: 'w' } include { phase: TRAIN }")
        + inner_product("b", "x", "z", 3, "param { name: 'w' }")
        + layer("s", "TestScaled", "z", "q")
        + layer("l", "TestEuclidean", "y t", "l")
    )
    net = make_net(text)
    net.save(tmp_path / "w")
    data = (tmp_path / "w").read_bytes()
    assert weights.save(net.graph, tmp_path / "again") == Written(len(data), hashlib.sha256(data).hexdigest())
    assert weights.save(net.graph, tmp_path / "again", hashed=False) == Written(len(data))
    assert (tmp_path / "again").read_bytes() == data
    param = caffe_pb2.NetParameter.FromString(data)
    assert [field.name for field, _ in param.ListFields()] == ["name", "layer"] and param.name == "whole"
    assert [one.name for one in param.layer] == net.layer_names and "x_x_0_split" in net.layer_names
    by_name = {one.name: one for one in param.layer}
    assert all(one.phase == 0 and one.HasField("phase") for one in param.layer)
    assert by_name["a"].include[0].phase == 0
    assert list(by_name["l"].loss_weight) == [1]
    assert by_name["s"].param[0].lr_mult == 0
    for name in "ab":
        (weight, bias) = by_name[name].blobs
        assert list(weight.shape.dim) == [3, 3] and list(bias.shape.dim) == [3] and not weight.HasField("num")
        np.testing.assert_array_equal(weight.data, net.params["a"][0].data.ravel())
    assert not by_name["x"].blobs and not any(blob.diff for one in param.layer for blob in one.blobs)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    path, _ = saved
    before = path.read_bytes()
    net = make_net(TWO)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(net.graph.layers[1].blobs[0]), "host_array", fail)
    with pytest.raises(KeyboardInterrupt):
        net.save(path)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


def test_saving_where_nothing_can_be_written(tmp_path):
    with pytest.raises(FileError, match="no/such/folder"):
        make_net(TWO).save(tmp_path / "no/such/folder/w.caffemodel")


def test_a_saved_file_is_a_net_that_builds_again(tmp_path):
    """Its layers, Splits and all, need no further Split."""
    net = make_net(inputs("x") + inner_product("a", "x", "y", 3) + layer("s", "TestSum", "y y", "z"))
    net.save(tmp_path / "w")
    param = caffe_pb2.NetParameter.FromString((tmp_path / "w").read_bytes())
    again = make_net(str(param), seed=9)
    assert again.layer_names == net.layer_names
    assert same(values(again), values(net)), "the blobs inside the message are the first values"
