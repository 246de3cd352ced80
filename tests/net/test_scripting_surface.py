"""What pycaffe's scripts do with a net: hooks, lists of names, silent nets; and traps that are none here."""

from collections import OrderedDict

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, set_blobs

import minicaffe as caffe


@pytest.fixture
def net():
    return make_net("force_backward: true " + inputs("x", shape=(2, 5)) + inner_product("ip", "x", "y", 4))


def test_a_net_of_a_solver_is_the_same_class():
    assert type(make_net(inputs("x"))) is caffe.Net


@pytest.mark.parametrize("event", ["before_forward", "after_forward", "before_backward", "after_backward"])
def test_a_hook_is_a_function(net, event):
    with pytest.raises(TypeError, match=f"^{event} takes a function of the layer's index, not 3$"):
        getattr(net, event)(3)


@pytest.mark.parametrize("event", ["before_backward", "after_backward"])
def test_what_a_hook_raises_in_backward_comes_through(net, event):
    def fail(i):
        raise LookupError(f"at {i}")

    getattr(net, event)(fail)
    net.forward()
    with pytest.raises(LookupError, match="at 1"):
        net.backward()


@pytest.mark.parametrize("method", ["forward", "backward", "forward_all", "forward_backward_all"])
def test_a_name_alone_is_no_list_of_names(net, method):
    """Whose letters would be names: blobs x and y."""
    with pytest.raises(TypeError, match=r"given as a list of names, \['yx'\], not as a name alone"):
        getattr(net, method)("yx")


@pytest.mark.parametrize("method", ["copy_from", "load_hdf5", "save", "save_hdf5", "share_with"])
def test_what_is_no_file_and_no_net(net, method):
    words = "with another net, not with 3" if method == "share_with" else "str, bytes or os.PathLike"
    with pytest.raises(TypeError, match=words):
        getattr(net, method)(3)


def test_layers_are_a_sequence(net):
    assert len(net.layers) == 2 and net.layers[-1].type == "InnerProduct"
    assert [one.type for one in net.layers] == ["Input", "InnerProduct"] and net.layers[1:] == [net.layers[1]]
    assert isinstance(net.blobs, OrderedDict) and isinstance(net.top_names, OrderedDict)


def test_losses_without_tops():
    """Two unnamed tops share one name, over which pycaffe stumbles."""
    text = inputs("x", "z") + inputs("t", shape=(2, 3)) + layer("a", "EuclideanLoss", "x t")
    net = make_net("force_backward: true " + text + layer("b", "EuclideanLoss", "z t", more="loss_weight: 2"))
    assert net.outputs == [] and net.top_names["a"] == net.top_names["b"] == ["(automatic)"]
    assert net._blob_names.count("(automatic)") == 2 and list(net.blobs).count("(automatic)") == 1
    first, second = (blob for name, blob in zip(net._blob_names, net._blobs, strict=True) if name == "(automatic)")
    assert net.forward(x=np.ones((2, 3)), z=np.full((2, 3), 3), t=np.zeros((2, 3))) == {}
    assert (first.data, second.data) == (1.5, 13.5) and net.blobs["(automatic)"] is second
    assert net._forward(0, len(net.layers) - 1) == 1.5 + 2 * 13.5
    np.testing.assert_array_equal(net.backward()["z"], np.full((2, 3), 2 * 3 / 2))


def test_writing_to_one_blob_of_a_split_writes_its_siblings(rng):
    net = make_net(inputs("x") + layer("a", "ReLU", "x", "y") + layer("b", "ReLU", "x", "z"))
    set_blobs(net, rng)
    net.forward()
    net.blobs["x_x_0_split_0"].data[...] = 7
    assert (net.blobs["x_x_0_split_1"].data == 7).all() and (net.blobs["x"].data == 7).all()
    assert {name: values.min() for name, values in net.forward(start="a").items()} == {"y": 7, "z": 7}


def test_clearing_shows_in_an_array_fetched_before(net, rng):
    net.forward(x=rng.normal(size=(2, 5)))
    net.backward(y=np.ones((2, 4)))
    diff = net.params["ip"][0].diff
    once = diff.copy()
    assert once.any()
    net.backward()
    np.testing.assert_allclose(diff, 2 * once, rtol=1e-6)
    net.clear_param_diffs()
    assert not diff.any()


def test_a_net_of_silence_gives_nothing():
    assert make_net(inputs("x") + layer("s", "Silence", "x")).forward() == {}


def test_one_file_for_training_validation_and_deployment(tmp_path):
    def only(*rules):
        return " ".join(f'include {{ phase: {phase} stage: "{stage}" }}' for phase, stage in rules)

    shapes = "dummy_data_param { shape { dim: 1 dim: 1 dim: 10 dim: 10 } shape { dim: 1 } }"
    (tmp_path / "net.prototxt").write_text(
        layer("train", "DummyData", "", "data label", f"{shapes} {only(('TRAIN', 'train'))}")
        + layer("val", "DummyData", "", "data label", f"{shapes} {only(('TEST', 'val'))}")
        + inputs("data", shape=(1, 1, 10, 10)).replace("input_param", f"{only(('TEST', 'deploy'))} input_param")
        + inner_product("ip", "data", "ip", 2)
        + layer("loss", "SoftmaxWithLoss", "ip label", "loss", only(("TRAIN", "train"), ("TEST", "val")))
        + layer("pred", "Softmax", "ip", "pred", only(("TEST", "deploy")))
    )
    for phase, stage, output in ((caffe.TRAIN, "train", "loss"), (caffe.TEST, "val", "loss"), (1, "deploy", "pred")):
        net = caffe.Net(str(tmp_path / "net.prototxt"), phase, stages=[stage])
        assert (tuple(net.blobs["data"].shape), net.outputs) == ((1, 1, 10, 10), [output])
        assert net.forward()[output].size == (2 if output == "pred" else 1)
