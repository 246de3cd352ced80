"""A net in GPU mode: the numbers of the CPU, nothing carried to and fro in a pass, all of it there for scripts."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net

from minicaffe import backend
from minicaffe.backend.memory import HEAD_AT_DEVICE, HEAD_AT_HOST
from minicaffe.blob import DATA, DIFF

LENET = (
    inputs("data", shape=(4, 1, 14, 13))
    + inputs("label", shape=(4,))
    + layer("conv1", "Convolution", "data", "conv1", "convolution_param { num_output: 3 kernel_size: 3 \
            weight_filler { type: 'xavier' } }")
    + layer("pool1", "Pooling", "conv1", "pool1", "pooling_param { kernel_size: 2 stride: 2 }")
    + layer("relu1", "ReLU", "pool1", "pool1")
    + inner_product("ip", "pool1", "ip", 5, "param { lr_mult: 1 } param { lr_mult: 2 }")
    + layer("accuracy", "Accuracy", "ip label", "accuracy")
    + layer("loss", "SoftmaxWithLoss", "ip label", "loss")
)  # fmt: skip


def fed(rng_seed=3):
    net = make_net(LENET)
    rng = np.random.default_rng(rng_seed)
    net.blobs["data"].data[...] = rng.normal(size=(4, 1, 14, 13))
    net.blobs["label"].data[...] = [0, 4, 2, 1]
    return net


def numbers(net):
    """Everything there is to see after a pass."""
    blobs = {f"{name} {what}": getattr(blob, what) for name, blob in net.blobs.items() for what in ("data", "diff")}
    params = {
        f"{name} {i} {what}": getattr(blob, what)
        for name, blobs in net.params.items()
        for i, blob in enumerate(blobs)
        for what in ("data", "diff")
    }
    return {name: np.array(array) for name, array in (blobs | params).items()}


def test_every_number_is_that_of_the_cpu(fake_gpu):
    on_gpu = fed()
    loss = float(on_gpu.run_forward())
    on_gpu.run_backward()
    backend.set_mode_cpu()
    on_cpu = fed()
    assert loss == pytest.approx(on_cpu.run_forward(), rel=1e-5)
    on_cpu.run_backward()
    expected, found = numbers(on_cpu), numbers(on_gpu)
    assert list(found) == list(expected) and expected["conv1 0 diff"].any()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_pass_carries_nothing_to_and_fro(transfers):
    net = fed()
    net.run_forward()
    net.run_backward()
    transfers.clear()
    for _ in range(2):
        net.clear_param_diffs()
        net.run_forward()
        net.run_backward()
    # A label that lies on the device has to be looked at there, and the answer is one number.
    assert [one for one in transfers if one[1] > 1] == []
    assert len(transfers) <= 2 * 2


def test_the_first_pass_carries_what_the_script_wrote_and_no_more(transfers):
    net = fed()
    net.run_forward()
    transfers.clear()
    net.blobs["data"].data[...] = 1
    # A script that writes has to be shown what is there first.
    assert transfers == [("get", 4 * 14 * 13)]
    net.run_forward()
    net.run_backward()
    assert [one for one in transfers if one[1] > 1] == [("get", 4 * 14 * 13), ("set", 4 * 14 * 13)]


def test_the_loss_stays_on_the_device(transfers):
    net = fed()
    net.run_forward()
    transfers.clear()
    loss = net.run_forward()
    assert isinstance(loss, fake_ndarray()) and loss.shape == ()
    assert [one for one in transfers if one[1] > 1] == []
    assert isinstance(net._forward(0, len(net.layers) - 1), float)


def fake_ndarray():
    import fake_cupy_array

    return fake_cupy_array.ndarray


def test_a_script_sees_numpy_arrays_and_its_writing_counts(fake_gpu):
    net = fed()
    net.run_forward()
    storage = net.graph.blobs[0].storage(DATA)
    assert storage.state == HEAD_AT_DEVICE
    data = net.blobs["data"].data
    assert isinstance(data, np.ndarray) and storage.state == HEAD_AT_HOST
    before = np.array(net.forward()["loss"])
    data = net.blobs["data"].data
    data *= 2
    assert not np.array_equal(net.forward()["loss"], before)


def test_gradients_that_a_script_hands_over_arrive(fake_gpu):
    net = make_net("force_backward: true " + inputs("x") + layer("r", "ReLU", "x", "y"))
    net.forward(x=np.ones((2, 3)))
    found = net.backward(y=np.full((2, 3), 5))
    assert (found["x"] == 5).all() and net.graph.blobs[1].storage(DIFF).state == HEAD_AT_DEVICE


def test_clearing_gradients_that_were_looked_at(fake_gpu):
    net = fed()
    net.run_forward()
    net.run_backward()
    assert net.params["ip"][0].diff.any()
    net.clear_param_diffs()
    assert not net.params["ip"][0].diff.any()
    net.run_backward()
    once = np.array(net.params["ip"][0].diff)
    net.run_backward()
    np.testing.assert_allclose(net.params["ip"][0].diff, 2 * once, rtol=1e-5)


def test_a_net_on_the_second_device_is_built_there(fake_gpu):
    backend.set_device(1)
    net = fed()
    backend.set_device(0)
    net.run_forward()
    net.run_backward()
    net.clear_param_diffs()
    net.blobs["data"].data[...] = 0
    net.reshape()
    assert net.backend.name == "gpu:1" and net.forward()["loss"].shape == ()
