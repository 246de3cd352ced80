"""Memory: what can never fit is refused before any is taken; gradients cost nothing until there are some."""

import ctypes
import sys
import time

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, refused, set_blobs

from minicaffe.blob import DATA, DIFF
from minicaffe.errors import ShapeError
from minicaffe.net import memory

TEST = 1
BILLION = 10**9


HUGE_PAGE = 1 << 21


def resident(array):
    """How many bytes of the array's pages are in memory."""
    if sys.platform != "linux":
        pytest.skip("asks Linux which pages are resident")
    page = 4096
    start = array.ctypes.data // page * page
    length = array.ctypes.data + array.nbytes - start
    pages = (ctypes.c_ubyte * -(-length // page))()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(length), pages) == 0
    return page * sum(flag & 1 for flag in pages)


def process_bytes():
    """The resident set of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def one_dim_each(batch, channels, height, width):
    return f"batch_size: {batch} channels: {channels} height: {height} width: {width}"


# --- sizes that cannot be -----------------------------------------------------------------------------


def test_more_values_than_a_blob_can_count():
    text = inputs("x", shape=(64, 3)) + "\n" + inner_product("ip", "x", "y", 2 * BILLION)
    before, start = process_bytes(), time.perf_counter()
    words = ('net.prototxt:3: layer "ip" (InnerProduct)', "exceeds INT_MAX", f"{4 * 3 * 2 * BILLION} bytes")
    refused(ShapeError, text, *words)
    assert process_bytes() - before < 50e6 and time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "line, bytes_",
    [
        (
            layer("c", "Convolution", "x", "y", "convolution_param { num_output: 2000000000 kernel_size: 3 }"),
            4 * 18 * 2 * BILLION,
        ),
        (inner_product("c", "x", "y", 2**32 - 1), 4 * 2 * 8 * 8 * (2**32 - 1)),
        (inputs("c", shape=(2**31, 1)), 4 * 2**31),
        (inputs("c", shape=(2**62, 2**62)), 4 * 2**124),
        (
            layer("c", "DummyData", "", "y", "dummy_data_param { shape { dim: 65536 dim: 65536 dim: 65536 } }"),
            4 * 2**48,
        ),
        (layer("c", "Tile", "x", "y", "tile_param { tiles: 2000000000 }"), 4 * 2 * 8 * 8 * 2 * BILLION),
        (
            layer(
                "c", "Deconvolution", "x", "y", "convolution_param { num_output: 1 kernel_size: 1 stride: 10000000 }"
            ),
            4 * 70_000_001**2,
        ),
        (
            layer("c", "Embed", "x", "y", "embed_param { input_dim: 2000000000 num_output: 2000000000 }"),
            4 * (2 * BILLION) ** 2,
        ),
        (
            layer(
                "c", "Convolution", "x", "y", "convolution_param { num_output: 1 kernel_size: 1000000 pad: 1000000 }"
            ),
            4 * 2 * 10**12,
        ),
        (layer("c", "Parameter", "", "y", "parameter_param { shape { dim: 2000000000 dim: 4 } }"), 4 * 8 * BILLION),
        (
            layer("c", "MemoryData", "", "y l", f"memory_data_param {{ {one_dim_each(2 * BILLION, 2, 2, 2)} }}"),
            4 * 16 * BILLION,
        ),
        (layer("c", "LSTM", "s t", "y", "recurrent_param { num_output: 2000000000 }"), 4 * 8 * BILLION * 3),
    ],
)
def test_absurd_layers_are_refused_by_name_with_their_bytes(line, bytes_):
    before = process_bytes()
    below = inputs("x", shape=(1, 2, 8, 8)) + inputs("s", shape=(2, 1, 3)) + inputs("t", shape=(2, 1))
    error = refused(ShapeError, below + line, 'layer "c"', f"{bytes_} bytes")
    assert error.line == 4
    assert process_bytes() - before < 50e6


@pytest.fixture
def small_machine(monkeypatch):
    """A machine of a megabyte."""
    monkeypatch.setattr(memory, "machine_memory", lambda: 2**20)


def test_what_the_machine_cannot_hold_is_refused_before_it_is_taken(small_machine, monkeypatch):
    taken = []
    monkeypatch.setattr(memory.ParameterMemory, "_take", lambda self, which: taken.append(which))
    text = inputs("x", shape=(10, 100)) + inner_product("ip", "x", "y", 2000) + layer("r", "ReLU", "y", "z")
    # ip: weights 100 * 2000, bias 2000, top 10 * 2000; x: 1000; r: 20000.
    words = ('layer "ip" (InnerProduct): needs 888000 bytes', "whole net needs 972000, this machine has 500000")
    monkeypatch.setattr(memory, "machine_memory", lambda: 500000)
    refused(ShapeError, text, *words)
    assert taken == []


@pytest.mark.parametrize("filler", ["constant", "gaussian"])
def test_data_without_a_file_is_counted_before_it_is_filled(small_machine, filler):
    settings = f"dummy_data_param {{ shape {{ dim: 300000 }} data_filler {{ type: '{filler}' }} }}"
    refused(ShapeError, layer("d", "DummyData", "", "y", settings), 'layer "d" (DummyData): needs 1200000 bytes')


def test_weights_of_a_loss_are_not_spread_before_the_count(small_machine):
    refused(ShapeError, inputs("x", shape=(300000,)) + layer("r", "ReLU", "x", "y", "loss_weight: 2"), "needs 1200000")


def test_memory_that_is_shared_counts_once(monkeypatch):
    """In place, Splits, shared parameters."""
    text = (
        inputs("x", shape=(10, 100))
        + layer("r", "ReLU", "x", "x")
        + inner_product("a", "x", "ya", 50, "param { name: 'w' } param { name: 'b' }")
        + inner_product("b", "x", "yb", 50, "param { name: 'w' } param { name: 'b' }")
    )
    sizes = dict(zip((net := make_net(text)).layer_names, memory.layer_sizes(net.graph), strict=True))
    weights = 100 * 50 + 50
    assert sizes == {
        "x": 4 * 1000,
        "r": 0,
        "x_r_0_split": 0,
        "a": 4 * (500 + weights),
        "b": 4 * 500,
    }
    monkeypatch.setattr(memory, "machine_memory", lambda: sum(sizes.values()))
    make_net(text)
    monkeypatch.setattr(memory, "machine_memory", lambda: sum(sizes.values()) - 1)
    refused(ShapeError, text, 'layer "a"')


def test_a_container_may_have_less_than_its_machine(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 10**12)
    monkeypatch.setattr(memory, "container_limit", lambda: 100)
    refused(ShapeError, inputs("x", shape=(26,)), "this machine has 100")
    make_net(inputs("x", shape=(25,)))


def test_a_system_that_gives_no_memory_is_told_with_the_largest_layer(monkeypatch):
    def fail(*_):
        raise MemoryError("Unable to allocate 7 GiB")

    monkeypatch.setattr(memory.ParameterMemory, "_take", fail)
    text = inputs("x") + inner_product("small", "x", "y", 2) + inner_product("large", "y", "z", 100)
    refused(ShapeError, text, 'net.prototxt:3: layer "large" (InnerProduct): needs more memory than there is (Unable')


def test_where_nobody_tells_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    monkeypatch.setattr(memory, "container_limit", lambda: None)
    make_net(inputs("x", shape=(10**6,)))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_machine_tells():
    assert memory.machine_memory() > 2**27


def test_a_gpu_counts_its_own_memory(fake_gpu, monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 1)
    make_net(inputs("x"))
    text = inputs("x", shape=(2**30,)) + layer("r", "ReLU", "x", "y") + layer("s", "ReLU", "y", "z")
    refused(ShapeError, text, f"whole net needs {3 * 2**32}, this GPU has {2**33}")


def test_memory_that_runs_out_in_a_pass_is_told_with_the_layer(monkeypatch):
    net = make_net(inputs("x") + "\n" + layer("p", "TestPower", "x", "y"))

    def fail(*_):
        raise MemoryError("Unable to allocate 7 GiB")

    monkeypatch.setattr(net.graph.layers[1], "forward", fail)
    with pytest.raises(ShapeError) as caught:
        net.forward()
    text = str(caught.value)
    assert text.startswith('net.prototxt:3: layer "p" (TestPower): needs more memory than there is (Unable to')


# --- parameters and their gradients -------------------------------------------------------------------

LARGE = inputs("x", shape=(1, 1000)) + inner_product("ip", "x", "y", 5000)
WEIGHT_BYTES = 4 * 1000 * 5000


def test_a_testing_nets_gradients_are_not_resident(rng):
    net = make_net(LARGE, TEST)
    set_blobs(net, rng)
    net.forward()
    weight = net.graph.layers[1].blobs[0]
    assert resident(weight.data) >= WEIGHT_BYTES
    # Its ends may share a huge page with a neighbour.
    assert resident(net._memory._diffs) <= 2 * HUGE_PAGE


def test_nor_are_those_of_its_blobs(rng):
    net = make_net(inputs("x", shape=(100, 1000)) + layer("p", "TestPower", "x", "y"), TEST)
    net.forward()
    for blob in net.graph.blobs:
        assert blob.storage(DATA).allocated and not blob.storage(DIFF).allocated


def test_a_training_net_takes_them_when_it_runs_backward(rng):
    net = make_net(LARGE + layer("l", "TestSumOfSquares", "y", "l", "loss_weight: 1"))
    set_blobs(net, rng)
    net.forward()
    net.backward()
    assert resident(net.graph.layers[1].blobs[0].diff) >= WEIGHT_BYTES


def test_gradients_lie_in_one_array_and_so_do_parameters(rng):
    text = inputs("x") + inner_product("a", "x", "y", 5) + inner_product("b", "y", "z", 7)
    net = make_net("force_backward: true " + text)
    assert net.param_diffs.shape == net.param_data.shape and net.param_diffs.size % memory.ALIGNMENT == 0
    set_blobs(net, rng)
    net.forward()
    net.backward(z=rng.normal(size=(2, 7)))
    for flat, which in ((net.param_data, "data"), (net.param_diffs, "diff")):
        parts = [getattr(blob, which) for blob in net.learnable_params]
        assert all(np.shares_memory(flat, part) for part in parts)
        assert np.isclose(np.abs(flat).sum(), sum(np.abs(part).sum() for part in parts)), "the gaps are 0"
        assert all((part.ctypes.data - flat.ctypes.data) % (4 * memory.ALIGNMENT) == 0 for part in parts)


def test_a_net_on_a_gpu_takes_gradients_at_its_first_pass_backward(fake_gpu, rng):
    net = make_net(LARGE + layer("l", "TestSumOfSquares", "y", "l", "loss_weight: 1"))
    set_blobs(net, rng)
    net.forward()
    assert net._memory._diffs is None
    assert not net.graph.layers[1].blobs[0].storage(DIFF).allocated
    net.backward()
    assert net._memory._diffs is not None
    expected = net.params["ip"][0].diff
    assert expected.any()
    flat = net.param_diffs.get()
    np.testing.assert_array_equal(flat[: expected.size].reshape(expected.shape), expected)


def test_what_a_script_wrote_into_a_gradient_comes_along_to_the_gpu(fake_gpu, rng):
    net = make_net(inputs("x") + inner_product("ip", "x", "y", 4))
    net.params["ip"][1].diff[...] = [1, 2, 3, 4]
    assert net.param_diffs.get().sum() == 10
    net.params["ip"][1].diff[...] = 5
    assert net.param_diffs.get().sum() == 20
    net.params["ip"][1].data[...] = 7
    assert (net.param_data.get() == 7).sum() == 4
    net.clear_param_diffs()
    assert not net.params["ip"][1].diff.any() and not net.param_diffs.get().any()


def test_parameters_that_are_another_nets_take_no_memory(rng):
    ours, theirs = make_net(LARGE, TEST), make_net(LARGE)
    before = ours.graph.layers[1].blobs[0].storage(DATA)
    assert ours.param_data.nbytes >= WEIGHT_BYTES
    ours.share_trained_layers_with(theirs)
    assert ours.param_data.nbytes == 0 and ours.param_data.dtype == np.float32
    assert ours.graph.layers[1].blobs[0].storage(DATA) is theirs.graph.layers[1].blobs[0].storage(DATA) is not before
    ours.share_trained_layers_with(theirs)
    assert theirs.param_data.nbytes >= WEIGHT_BYTES


def test_parameters_that_are_partly_ones_own_stay():
    ours = make_net(inputs("x") + inner_product("a", "x", "y", 3) + inner_product("b", "y", "z", 3))
    theirs = make_net(inputs("x") + inner_product("a", "x", "y", 3))
    ours.share_trained_layers_with(theirs)
    assert ours.param_data.size and np.shares_memory(ours.param_data, ours.params["b"][0].data)
