"""HDF5 weights of a net: Caffe's layout in both directions, all of them or none, and what does not fit."""

import hashlib

import h5py
import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net

from minicaffe.errors import FileError, FormatError, ParamError, ShapeError
from minicaffe.io.hashing import Written
from minicaffe.net import weights_hdf5

TWO = inputs("x") + inner_product("a", "x", "y", 4) + inner_product("b", "y", "z", 2)
SHARED = inputs("x") + "".join(
    inner_product(name, "x", f"y{name}", 4, "param { name: 'w' } param { name: 'v' }") for name in "ab"
)


def values(net):
    return {name: [np.array(blob.data) for blob in blobs] for name, blobs in net.params.items()}


def same(first, second):
    return all(
        np.array_equal(one, other) for name in first for one, other in zip(first[name], second[name], strict=True)
    )


def write(path, **datasets):
    """A weight file made by h5py alone; names of datasets with _ for /: data_a_0."""
    with h5py.File(path, "w") as file:
        file.create_group("data")
        for name, array in datasets.items():
            file[name.replace("_", "/")] = array
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.caffemodel.h5"


# --- saving and loading -------------------------------------------------------------------------------


@pytest.mark.parametrize("load", ["load_hdf5", "copy_from"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_was_saved_comes_back(path, load, dtype):
    net, other = make_net(TWO, seed=5, dtype=dtype), make_net(TWO, seed=6, dtype=dtype)
    net.save_hdf5(path)
    data = path.read_bytes()
    assert weights_hdf5.save_hdf5(net.graph, path) == Written(len(data), hashlib.sha256(data).hexdigest())
    assert weights_hdf5.save_hdf5(net.graph, path, hashed=False) == Written(len(data))
    assert path.read_bytes() == data
    assert not same(values(net), values(other))
    getattr(other, load)(path)
    assert same(values(net), values(other))
    assert other.params["a"][0].data.dtype == dtype


def test_what_a_file_holds(path):
    """A group for every layer, of Splits and inputs too; the owner's arrays, and of gradients the sharers' too."""
    net = make_net(SHARED, seed=1)
    net.params["a"][1].diff[...] = [1, 2, 3, 4]
    net.save_hdf5(path)
    with h5py.File(path) as file:
        assert list(file) == ["data"]
        assert sorted(file["data"]) == sorted(net.layer_names) and "x_x_0_split" in file["data"]
        assert [sorted(file["data"][name]) for name in ("a", "b", "x")] == [["0", "1"], [], []]
        for i, blob in enumerate(net.params["a"]):
            assert file[f"data/a/{i}"].dtype == "<f4" and file[f"data/a/{i}"].chunks is None
            np.testing.assert_array_equal(file[f"data/a/{i}"][()], blob.data)
    net.save_hdf5(path, True)
    with h5py.File(path) as file:
        assert sorted(file) == ["data", "diff"] and sorted(file["diff"]) == sorted(net.layer_names)
        assert list(file["data/b"]) == []
        for name in "ab":
            assert file[f"diff/{name}/1"][()].tolist() == [1, 2, 3, 4] and file[f"diff/{name}/0"].shape == (4, 3)


def test_gradients_are_not_loaded(path):
    net, other = make_net(TWO), make_net(TWO)
    net.params["a"][1].diff[...] = 1
    net.save_hdf5(path, write_diff=True)
    other.load_hdf5(path)
    assert not other.params["a"][1].diff.any()


def test_a_scalar_and_layers_without_blobs(path):
    net = make_net(inputs("x") + layer("p", "Parameter", "", "p", "parameter_param { shape { } }"))
    net.params["p"][0].data[...] = 7
    net.save_hdf5(path)
    with h5py.File(path) as file:
        assert file["data/p/0"].shape == () and file["data/p/0"][()] == 7
    net.params["p"][0].data[...] = 0
    net.load_hdf5(path)
    assert net.params["p"][0].data == 7


def test_what_is_shared_may_be_missing_or_there(path):
    net = make_net(SHARED, seed=1)
    net.save_hdf5(path)
    other = make_net(SHARED, seed=2)
    other.load_hdf5(path)
    assert same(values(net), values(other))
    write(path, data_a_0=np.ones((4, 3)), data_a_1=np.ones(4), data_b_0=np.full((4, 3), 2), data_b_1=np.ones(4))
    other.load_hdf5(path)
    assert (other.params["a"][0].data == 2).all(), "layers are read in the order of their names"


def test_layers_are_found_by_name(path, logged):
    make_net(TWO, seed=5).save_hdf5(path)
    net = make_net(inputs("x").replace("dim: 3", "dim: 4") + inner_product("b", "x", "q", 2), seed=6)
    logged()
    net.load_hdf5(path)
    assert same(values(net), {"b": values(make_net(TWO, seed=5))["b"]})
    assert logged()[0] == "Ignoring source layer a"


def test_weights_of_quite_another_net_are_told_of(path, logged):
    make_net(TWO).save_hdf5(path)
    net = make_net(inputs("data") + inner_product("other", "data", "y", 4))
    before = values(net)
    logged()
    net.load_hdf5(path)
    assert same(values(net), before)
    text = f"{path}: none of its layers has the name of a layer of this net; nothing was copied"
    found = logged()
    assert found[:3] == [f"Ignoring source layer {name}" for name in "abx"] and found[-1] == text
    assert found[3] == f"{path}: copied 0 layers (0 values), skipped 1, unused 2"


def test_the_last_of_several_layers_of_one_name_is_filled(path):
    """As Caffe does with HDF5, other than with binary files."""
    net = make_net(inputs("x") + inner_product("a", "x", "y", 4) + inner_product("a", "x", "z", 4), seed=6)
    first, last = (np.array(net.layers[i].blobs[0].data) for i in (2, 3))
    net.load_hdf5(write(path, data_a_0=np.ones((4, 3)), data_a_1=np.ones(4)))
    assert (net.layers[3].blobs[0].data == 1).all() and not (last == 1).all()
    np.testing.assert_array_equal(net.layers[2].blobs[0].data, first)


def test_numbers_of_other_types_are_converted(path):
    path = write(path, data_a_0=np.arange(12).reshape(4, 3), data_a_1=np.array([1, 2, 3, 1 + 2.0**-40]))
    for dtype in ("float32", "float64"):
        net = make_net(inputs("x") + inner_product("a", "x", "y", 4), dtype=dtype)
        net.load_hdf5(path)
        assert net.params["a"][0].data.ravel().tolist() == list(range(12))
        assert net.params["a"][1].data[3] == np.array(1 + 2.0**-40, dtype)


def test_as_the_weights_of_a_new_net(path, tmp_path):
    from minicaffe import TEST, Net

    net = make_net(TWO, seed=5)
    net.save_hdf5(path)
    (tmp_path / "net.prototxt").write_text(TWO)
    assert same(values(Net(str(tmp_path / "net.prototxt"), TEST, weights=str(path))), values(net))


def test_on_a_gpu(fake_gpu, path):
    net = make_net(TWO, seed=6)
    net.graph.layers[1].blobs[1].data[...] = 9
    net.save_hdf5(path)
    with h5py.File(path) as file:
        assert file["data/a/1"][()].tolist() == [9] * 4
    other = make_net(TWO)
    other.load_hdf5(path)
    assert other.graph.layers[1].blobs[1].data.get().tolist() == [9] * 4


# --- what does not fit --------------------------------------------------------------------------------

GOOD = {"data_a_0": np.ones((4, 3)), "data_a_1": np.ones(4), "data_b_0": np.ones((2, 4)), "data_b_1": np.ones(2)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data_b_1": np.ones(3)}, "Cannot load blob from hdf5; shape mismatch. Source shape of blob 1 is 3 (3) (in "),
        ({"data_b_0": np.ones((1, 1, 2, 4))}, "Source shape of blob 0 is 1 1 2 4 (8) (in "),
        ({"data_b_1": None}, "has no blob 1, the net has 2 blobs"),
        ({"data_b_2": np.ones(1)}, "has 3, the net 2"),
        ({"data_b_1": None, "data_b_more": np.ones(2)}, "has no blob 1, the net has 2 blobs"),
    ],
)
def test_nothing_is_copied_unless_all_fits(path, changes, words):
    datasets = {name: array for name, array in {**GOOD, **changes}.items() if array is not None}
    net = make_net(TWO, seed=6)
    before = values(net)
    with pytest.raises(ShapeError) as caught:
        net.load_hdf5(write(path, **datasets))
    text = str(caught.value)
    assert 'layer "b" (InnerProduct): ' in text and words in text and str(path) in text
    assert "shape mismatch" in text or "Incompatible number of blobs for layer b" in text
    assert same(values(net), before)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text(TWO), "is text, must hold weights in HDF5; give a .caffemodel.h5"),
        (lambda path: make_net(TWO).save(path), "looks like weights (a NetParameter), must hold weights in HDF5"),
        (lambda path: path.write_bytes(b""), "is empty, must hold weights in HDF5"),
        (lambda path: path.write_bytes(b"\xff" * 99), "is no HDF5 file, or damaged at its beginning"),
        (lambda path: write(path, **GOOD, data_b=h5py.SoftLink("/data/a")), '"data/b" is a link to elsewhere'),
    ],
)
def test_other_files_are_refused(path, make, words):
    if words.startswith('"data/b"'):
        write(path, data_a_0=np.ones((4, 3)), data_a_1=np.ones(4), data_b=h5py.SoftLink("/data/a"))
    else:
        make(path)
    with pytest.raises(FormatError) as caught:
        make_net(TWO).load_hdf5(path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)


def test_a_missing_file(path):
    for load in ("load_hdf5", "copy_from"):
        with pytest.raises(FileError, match="Couldn't open"):
            getattr(make_net(TWO), load)(path)


@pytest.mark.parametrize("name", ["inception_3a/1x1", ".", "", "a\\000b"])
def test_names_that_no_group_can_have(path, name):
    net = make_net(inputs("x") + inner_product(name, "x", "y", 4))
    path.write_bytes(b"old")
    with pytest.raises(ParamError) as caught:
        net.save_hdf5(path)
    assert f"Error saving weights to {path}: its name cannot be that of an HDF5 group" in str(caught.value)
    assert "save as binary proto" in str(caught.value) and path.read_bytes() == b"old"


def test_a_name_that_two_layers_have(path):
    net = make_net(inputs("x") + inner_product("a", "x", "y", 4) + inner_product("a", "x", "z", 4))
    with pytest.raises(ParamError, match="another layer has the same name"):
        net.save_hdf5(path)
    assert not path.exists()


def test_names_in_any_letters(path):
    net, other = (make_net(inputs("x") + inner_product("größe 1.0", "x", "y", 4), seed=seed) for seed in (1, 2))
    net.save_hdf5(path)
    other.load_hdf5(path)
    assert same(values(net), values(other))
