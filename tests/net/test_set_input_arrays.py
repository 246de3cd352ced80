"""Net.set_input_arrays: pycaffe's way to give arrays to a net that begins with MemoryData."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import DataError, MinicaffeError, ShapeError

SETTINGS = "memory_data_param { batch_size: %d channels: 3 height: 4 width: 5 }"


def memory(batch_size=2):
    return layer("m", "MemoryData", "", "data label", SETTINGS % batch_size)


def arrays(rng, count):
    return rng.normal(size=(count, 3, 4, 5)).astype(np.float32), rng.integers(0, 4, count).astype(np.float32)


def test_batches_and_labels(backend, rng):
    data, labels = arrays(rng, 4)
    net = make_net(memory())
    assert net.inputs == [] and net.outputs == ["data", "label"]
    assert net.set_input_arrays(data, labels) is None
    for first in (0, 2, 0):
        found = net.forward()
        assert_array_equal(found["data"], data[first : first + 2])
        assert_array_equal(found["label"], labels[first : first + 2].reshape(2, 1, 1, 1))


@pytest.mark.parametrize("memory_order", ["auto", "batch_innermost"])
def test_arrays_stay_in_place_in_any_memory_order(rng, memory_order):
    data, labels = arrays(rng, 32)
    labels = labels.reshape(-1, 1, 1, 1)
    net = make_net(memory(16) + layer("r", "ReLU", "data", "y"), memory_order=memory_order)
    net.set_input_arrays(data, labels)
    y = net.forward()["y"]
    assert np.shares_memory(net.blobs["data"].data, data) and np.shares_memory(net.blobs["label"].data, labels)
    assert_array_equal(y, np.maximum(data[:16], 0))


def test_blobs_that_are_read_twice(backend, rng):
    data, labels = arrays(rng, 4)
    net = make_net(memory() + layer("r", "ReLU", "data", "y") + layer("s", "ReLU", "data", "z"))
    net.set_input_arrays(data, labels)
    for first in (0, 2):
        found = net.forward()
        assert_array_equal(found["y"], np.maximum(data[first : first + 2], 0))
        assert_array_equal(found["y"], found["z"])


def test_a_layer_in_place_writes_into_the_arrays(rng):
    """As in Caffe on the CPU."""
    data, labels = arrays(rng, 4)
    before = data.copy()
    net = make_net(memory() + layer("r", "ReLU", "data", "data"))
    net.set_input_arrays(data, labels)
    net.forward()
    assert_array_equal(data[:2], np.maximum(before[:2], 0))
    assert_array_equal(data[2:], before[2:])


def test_a_gpu_works_on_copies(fake_gpu, rng):
    data, labels = arrays(rng, 4)
    before = data.copy()
    net = make_net(memory() + layer("r", "ReLU", "data", "data"))
    net.set_input_arrays(data, labels)
    assert_array_equal(net.forward()["data"], np.maximum(before[:2], 0))
    assert_array_equal(data, before)


def test_training(backend, rng):
    """The loss is that of the same net with Input layers."""
    data, labels = arrays(rng, 4)
    rest = inner_product("ip", "data", "y") + layer("loss", "SoftmaxWithLoss", "y label", "loss")
    net = make_net(memory() + rest)
    other = make_net(inputs("data", shape=(2, 3, 4, 5)) + inputs("label", shape=(2,)) + rest)
    net.set_input_arrays(data, labels)
    for first in (0, 2):
        other.blobs["data"].data[...] = data[first : first + 2]
        other.blobs["label"].data[...] = labels[first : first + 2]
        assert_allclose(net.forward()["loss"], other.forward()["loss"], rtol=1e-6)
        for each in (net, other):
            each.clear_param_diffs()
            each.backward()
        assert_allclose(net.params["ip"][0].diff, other.params["ip"][0].diff, rtol=1e-5, atol=1e-6)


def test_labels_of_one_axis_need_not_be_contiguous(rng):
    data, labels = arrays(rng, 4)
    net = make_net(memory())
    net.set_input_arrays(data, np.repeat(labels, 2)[::2])
    assert_array_equal(net.forward()["label"].ravel(), labels[:2])


def test_the_private_form_takes_four_axes_only(rng):
    data, labels = arrays(rng, 2)
    net = make_net(memory())
    with pytest.raises(ShapeError, match="labels array must be 4-d"):
        net._set_input_arrays(data, labels)
    net._set_input_arrays(data, labels.reshape(2, 1, 1, 1))


def test_where_the_arrays_do_not_fit(rng):
    net = make_net(memory())
    data, labels = arrays(rng, 3)
    with pytest.raises(ShapeError, match=r'net.prototxt:1: layer "m" \(MemoryData\): .* multiple of the batch size, 2'):
        net.set_input_arrays(data, labels)
    with pytest.raises(DataError, match="set_input_arrays"):
        net.forward()


@pytest.mark.parametrize("text, found", [("", "this net has none"), (inputs("x"), r'it is "x" \(Input\)')])
def test_nets_that_begin_with_something_else(rng, text, found):
    words = f"set_input_arrays may only be called if the first layer is a MemoryDataLayer, {found}"
    with pytest.raises(MinicaffeError, match=words):
        make_net(text).set_input_arrays(*arrays(rng, 2))
    with pytest.raises(MinicaffeError, match="the first layer"):
        make_net(inputs("x") + memory()).set_input_arrays(*arrays(rng, 2))


def test_a_restored_net_goes_on(rng):
    data, labels = arrays(rng, 6)
    nets = [make_net(memory()) for _ in range(2)]
    for net in nets:
        net.set_input_arrays(data, labels)
    nets[0].forward()
    nets[1].restore(nets[0].state())
    assert_array_equal(nets[1].forward()["data"], data[2:4])
