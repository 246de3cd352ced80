"""Stopwatch: every layer runs, forward and backward, and what each takes adds up."""

import numpy as np
import pytest
from harness import make_context
from layer_table import TABLE
from net_kit import inner_product, inputs, layer, make_net

from minicaffe.layers.python import PythonLayer
from minicaffe.net.timing import Clock, Stopwatch, has_backward
from minicaffe.proto import caffe_pb2

# A type's first case, and what it does in another phase. HDF5Output runs once, MemoryData not without a script.
CASES = [
    pytest.param(layer_type, case, id=f"{layer_type}-{number}")
    for layer_type, row in TABLE.items()
    for number, case in enumerate(row.cases)
    if not row.once and layer_type != "MemoryData" and (number == 0 or case.phase != row.cases[0].phase)
]


@pytest.mark.parametrize(("layer_type", "case"), CASES)
def test_every_type_can_be_timed_though_nothing_learns(layer_type, case, tmp_path, rng):
    """No loss: no layer needs backward. Each is run backward all the same."""
    settings = case.settings if isinstance(case.settings, str) else case.settings(tmp_path)
    bottoms = [np.asarray(values) for values in case.bottoms(rng, 2)]
    names = [f"b{i}" for i in range(len(bottoms))]
    text = "".join(inputs(name, shape=values.shape) for name, values in zip(names, bottoms, strict=True))
    tops = "" if "top:" in settings else " ".join(f"t{i}" for i in range(case.tops))
    with make_net(text + layer("l", layer_type, " ".join(names), tops, settings), phase=case.phase) as net:
        for name, values in zip(names, bottoms, strict=True):
            net.blobs[name].data[...] = values
        net.run_forward()
        net.run_backward()
        stopwatch = Stopwatch(net)
        assert stopwatch.run() > 0
        assert all(microseconds > 0 for microseconds in stopwatch.times.forward + stopwatch.times.backward)


@pytest.fixture
def net(backend):
    text = inputs("x", "t") + inner_product("ip", "x", "y", 3) + layer("loss", "TestEuclidean", "y t", "loss")
    return make_net(text)


def test_times_add_up(net):
    """Of a clock that ticks once a reading: a layer takes 1, a pass 2 a layer and 1 more."""
    stopwatch = Stopwatch(net)
    readings = iter(range(1000))
    stopwatch.clock = lambda: next(readings)
    layers = len(net.layer_names)
    passes = 2 * layers + 1
    assert [stopwatch.run() for _ in range(3)] == [2 * passes] * 3
    times = stopwatch.times
    assert times.forward == times.backward == [3] * layers
    assert times.forward_passes == times.backward_passes == 3 * passes


def test_the_numbers_are_those_of_a_net_that_runs(net):
    for name in ("x", "t"):
        net.blobs[name].data[...] = np.arange(6).reshape(2, 3)
    loss = float(net.run_forward())
    net.run_backward()
    first = net.params["ip"][0].diff.copy()
    net.blobs["loss"].data[...] = 0
    Stopwatch(net).run()
    assert float(net.blobs["loss"].data) == pytest.approx(loss)
    # Parameters' gradients add up, as in every backward.
    np.testing.assert_allclose(net.params["ip"][0].diff, 2 * first)
    assert np.abs(first).max() > 0


def test_a_layer_that_leads_to_no_loss_runs_backward(rng):
    net = make_net(inputs("x") + inner_product("ip", "x", "y", 3))
    assert net.graph.need.layer == [False, False]
    net.blobs["x"].data[...], net.blobs["y"].diff[...] = 1, 2
    Stopwatch(net).run()
    np.testing.assert_array_equal(net.params["ip"][1].diff, [4, 4, 4])


def test_on_a_gpu_the_clock_waits_for_it(fake_gpu, monkeypatch):
    import fake_cupy

    waited = []
    monkeypatch.setattr(fake_cupy.cuda.Device, "synchronize", lambda device: waited.append(device.id))
    Clock(fake_gpu)()
    assert waited == [0]


def test_a_users_class_may_lack_backward():
    class Plain:
        pass

    made = PythonLayer(caffe_pb2.LayerParameter(name="p", type="Python"), make_context())
    made.user = Plain()
    assert not has_backward(made)
    made.user.backward = lambda *_: None
    assert has_backward(made)
