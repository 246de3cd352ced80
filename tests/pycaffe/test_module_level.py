"""What pycaffe's scripts call on the module itself: clock, log, random seed, device, names of parallel training."""

import subprocess
import sys
import time

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe import _caffe, backend, log
from minicaffe.errors import DeviceError

pytestmark = pytest.mark.usefixtures("all_logged")


# --- Timer -------------------------------------------------------------------------------------


def test_timer():
    timer = caffe.Timer()
    timer.start()
    time.sleep(0.02)
    timer.stop()
    first = timer.ms
    assert isinstance(first, float) and 20 <= first < 5000
    time.sleep(0.005)
    assert timer.ms == first
    timer.stop()
    assert timer.ms == first


def test_reading_stops_a_timer_that_runs():
    timer = caffe.Timer()
    timer.start()
    time.sleep(0.002)
    timer.start()  # no new beginning
    first = timer.ms
    time.sleep(0.005)
    assert 2 <= first == timer.ms
    timer.start()
    assert timer.ms < first


def test_a_timer_never_started(capsys):
    timer = caffe.Timer()
    timer.stop()
    assert timer.ms == 0.0
    said = capsys.readouterr().err
    assert said[0] == "W" and "Timer has never been run before reading time: call start() first" in said


def test_a_timer_waits_for_the_gpu(fake_gpu, monkeypatch):
    waits = []
    monkeypatch.setattr(type(fake_gpu.xp.cuda.Device(0)), "synchronize", lambda self: waits.append(self))
    timer = caffe.Timer()
    timer.start()
    timer.stop()
    assert len(waits) == 2


# --- log ---------------------------------------------------------------------------------------


def test_log(capsys):
    caffe.log("Using devices 0")
    line = capsys.readouterr().err
    assert line[0] == "I" and "test_module_level.py:" in line and line.endswith("] Using devices 0\n")
    with pytest.raises(TypeError, match=r"log takes a text, not 7"):
        caffe.log(7)


@pytest.mark.parametrize(
    ("arguments", "heard"),
    [
        ((), "IWE"),
        ((0,), "IWE"),
        ((1,), "WE"),
        ((2,), "E"),
        ((3,), ""),
        ((0, True), "IWE"),
        ((1, True), "WE"),
        ((0, False), "E"),
        ((3, False), ""),
    ],
)
def test_init_log(capsys, arguments, heard):
    caffe.init_log(*arguments)
    caffe.init_log(*arguments)  # Caffe would end the process here
    caffe.log("a")
    log.warning("b")
    log.error("c")
    assert "".join(line[0] for line in capsys.readouterr().err.splitlines()) == heard


def test_init_log_refuses():
    with pytest.raises(TypeError, match=r"init_log takes a level, 0 INFO, .* not 'INFO'"):
        caffe.init_log("INFO")


def test_the_environment_silences():
    code = "import minicaffe as caffe; caffe.log('a'); caffe.log.error('b'); caffe.init_log(); caffe.log('c')"
    environment = {"GLOG_minloglevel": "1", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True, check=True)
    assert [line[-1] for line in done.stderr.splitlines()] == ["b"]


# --- seed, device ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range(seed):
    with pytest.raises(OverflowError, match=f"between 0 and 2\\*\\*32 - 1, {seed} does not"):
        caffe.set_random_seed(seed)


@pytest.mark.parametrize("seed", ["1701", None, 1.5])
def test_a_seed_of_another_type(seed):
    with pytest.raises(TypeError, match=f"a random seed is an integer .* not {seed!r}"):
        caffe.set_random_seed(seed)


@pytest.mark.parametrize("number", ["0", None, 0.0])
def test_a_device_of_another_type(number):
    with pytest.raises(TypeError, match=f"set_device takes the number of a GPU, .* not {number!r}"):
        caffe.set_device(number)


def test_modes_and_devices_are_the_threads():
    assert caffe.set_mode_cpu() is None
    assert caffe.set_device(np.int64(0)) is None
    assert backend.active() is backend.CPU


def test_layer_types():
    types = caffe.layer_type_list()
    assert list(types) == sorted(types)
    assert {"Data", "Convolution", "InnerProduct", "Python", "SoftmaxWithLoss"} <= set(types)


# --- several solvers ---------------------------------------------------------------------------


def test_one_solver():
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (1, 0, False)
    for call, value in [(caffe.set_solver_count, 1), (caffe.set_solver_rank, 0), (caffe.set_multiprocess, False)]:
        assert call(value) is None


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: caffe.set_solver_count(2), r"set_solver_count\(2\)"),
        (lambda: caffe.set_solver_rank(1), r"set_solver_rank\(1\)"),
        (lambda: caffe.set_multiprocess(True), r"set_multiprocess\(True\)"),
        (lambda: caffe.NCCL(None, b""), r"NCCL\(solver, uid\)"),
        (lambda: caffe.NCCL.new_uid(), r"NCCL\.new_uid\(\)"),
    ],
)
def test_there_are_no_more(call, text):
    with pytest.raises(DeviceError, match=rf"^{text}: data-parallel training does not exist yet .*; train without it"):
        call()


@pytest.mark.parametrize("call", [caffe.set_solver_count, caffe.set_solver_rank, caffe.set_multiprocess])
def test_values_of_another_type(call):
    with pytest.raises(TypeError, match=r"the value must be of type (int|bool), not 'x'"):
        call("x")


# --- caffe._caffe and caffe.pycaffe ------------------------------------------------------------


def test_the_native_module_has_the_same_things():
    shared = set(_caffe.__all__) & set(caffe.__all__) - {"__version__"}
    assert len(shared) >= 25
    assert all(getattr(_caffe, name) is getattr(caffe, name) for name in shared)
    assert _caffe.__version__ == "1.0.0"
    assert set(caffe.pycaffe.__all__) <= shared


VECTORS = {
    _caffe.IntVec: ([1, np.int32(2)], 1.5, "IntVec holds integers, not 1.5"),
    _caffe.DtypeVec: ([1, 2.5], "x", "DtypeVec holds numbers, not 'x'"),
    _caffe.BoolVec: ([True, 0], None, ""),
    _caffe.StringVec: (["conv1", "ip"], 3, "StringVec holds strings, not 3"),
    _caffe.RawBlobVec: ([_caffe.Blob(None)], [1], r"RawBlobVec holds blobs, not \[1\]"),
    _caffe.LayerVec: ([], 0, "LayerVec holds layers, not 0"),
    _caffe.NetVec: ([], "net", "NetVec holds nets, not 'net'"),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors(vector):
    """Sequences of one kind: all ways to put something in are checked."""
    values, wrong, text = VECTORS[vector]
    made = vector()
    made.extend(values)
    made += values[:1]
    made[:1] = values[:1]
    assert made == vector(values + values[:1])
    if not text:
        return
    ways = [made.append, lambda x: made.insert(0, x), lambda x: made.extend([x]), lambda x: vector([x])]
    ways += [
        lambda x: made.__setitem__(slice(0, 0), [x]),
        lambda x: made.__setitem__(0, x),
        lambda x: made.__iadd__([x]),
    ]
    for way in ways:
        with pytest.raises(TypeError, match=text):
            way(wrong)
    assert made == values + values[:1]


def test_a_vector_of_layers_takes_a_nets(tmp_path):
    (tmp_path / "n.prototxt").write_text('layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }')
    net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST)
    assert len(_caffe.LayerVec(net.layers)) == len(_caffe.NetVec([net])) == 1


# --- modules -----------------------------------------------------------------------------------


def test_modules_that_a_script_forgets_to_import():
    code = "import minicaffe as m; print(m.draw.draw_net.__name__, m.coord_map.crop.__name__, hasattr(m, 'drew'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "draw_net crop False\n", done.stderr
