"""HostLayer: what net.layers and net.layer_dict hand out, pycaffe's Layer."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net

import minicaffe as caffe
from minicaffe.blob import HostBlob
from minicaffe.blob_vec import BlobVec
from minicaffe.errors import GraphError, ShapeError

TEXT = inputs("x", shape=(2, 5)) + inner_product("ip", "x", "y", 4) + layer("r", "ReLU", "y", "z")


@pytest.fixture
def net(backend):
    return make_net(TEXT)


def test_every_layer_is_pycaffes_layer(net):
    assert [one.type for one in net.layers] == ["Input", "InnerProduct", "ReLU"]
    assert all(isinstance(one, caffe.Layer) for one in net.layers)
    assert [net.layer_dict[name] for name in net._layer_names] == net.layers
    assert [len(one.blobs) for one in net.layers] == [0, 2, 0]
    assert repr(net.layers[1]) == '<Layer "ip" (InnerProduct)>' and net.layers[1].phase == caffe.TRAIN


def test_its_blobs_are_the_nets_parameters(net):
    blobs = net.layer_dict["ip"].blobs
    assert isinstance(blobs, BlobVec) and blobs is net.params["ip"]
    assert all(isinstance(blob, HostBlob) for blob in blobs)
    blobs[1].data[...] = 7
    assert isinstance(blobs[1].data, np.ndarray) and (net.params["ip"][1].data == 7).all()
    net.blobs["x"].data[...] = 0
    assert (net.forward()["z"] == 7).all()


@pytest.mark.parametrize("name", ["blobs", "type", "name"])
def test_nothing_of_it_can_be_assigned(name):
    with pytest.raises(AttributeError):
        setattr(make_net(TEXT).layers[1], name, None)


def test_reshape_shapes_the_tops_and_computes_nothing(net):
    x, y = net.blobs["x"], net.blobs["y"]
    x.reshape(7, 5)
    assert net.layers[1].reshape([x], [y]) is None
    assert y.shape == (7, 4) and not y.data.any() and net.blobs["z"].shape == (2, 4)
    assert net.forward()["z"].shape == (7, 4)


def test_a_second_setup_leaves_the_parameters(net):
    before = [np.array(blob.data) for blob in net.layers[1].blobs]
    net.layers[1].setup([net.blobs["x"]], [net.blobs["y"]])
    for blob, values in zip(net.layers[1].blobs, before, strict=True):
        np.testing.assert_array_equal(blob.data, values)


def test_blobs_that_do_not_fit_are_refused():
    net = make_net(TEXT)
    ip, x, y = net.layers[1], net.blobs["x"], net.blobs["y"]
    for method in (ip.setup, ip.reshape):
        with pytest.raises(GraphError, match=r'layer "ip" \(InnerProduct\): .* takes 1 bottom blob\(s\) as input'):
            method([x, x], [y])
    with pytest.raises(TypeError, match=r"lists of blobs, \[net.blobs\[\"data\"\]\], not of array"):
        ip.reshape([x.data], [y])
    x.reshape(2, 6)
    with pytest.raises(ShapeError, match='layer "ip"'):
        ip.reshape([x], [y])


def test_a_layer_outlives_its_net(net):
    ip = net.layers[1]
    expected = np.array(net.params["ip"][0].data)
    del net
    np.testing.assert_array_equal(ip.blobs[0].data, expected)
