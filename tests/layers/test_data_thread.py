"""Data: how its thread begins and ends, and that nothing grows or stays open."""

import gc
import os
import subprocess
import sys
import textwrap
import time
import tracemalloc
import weakref

import fake_cupy_array
import pytest
from data_kit import batches, error_of, threads, wait_until_ahead
from harness import make_layer
from numpy.testing import assert_array_equal
from watch import wait_for

from minicaffe.errors import MinicaffeError, ShapeError
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TRAIN

RANDOM = "transform_param { crop_size: 3 mirror: true }"


def test_the_thread_starts_with_the_first_forward_and_ends_with_close(layer, db):
    run = layer(db)
    assert not threads()
    run.forward()
    (thread,) = threads()
    assert thread.daemon
    run.layer.close()
    assert not threads()
    run.layer.close()
    for _ in range(2):
        with pytest.raises(MinicaffeError, match=r"its net was closed; build the net again$"):
            run.forward()


def test_a_layer_that_is_dropped_takes_its_thread_along(prototxt, db):
    run = make_layer(prototxt(db), tops=2).forward()
    gone = weakref.ref(run.layer)
    del run
    # While it makes a batch, the thread holds the layer.
    wait_for(lambda: gc.collect() >= 0 and gone() is None)
    wait_for(lambda: not threads())


def test_a_net_that_is_dropped_or_closed_takes_its_thread_along(net_file, db):
    net = Net(net_file(db), TRAIN)
    net.forward()
    assert len(threads()) == 1
    del net
    gc.collect()
    wait_for(lambda: not threads())
    with Net(net_file(db), TRAIN) as net:
        net.forward()
    assert not threads()


ENDS = ["", "raise SystemExit(3)", "1 / 0", "net.close()"]


@pytest.mark.parametrize("kind, end", [*(("lmdb", end) for end in ENDS), ("leveldb", "")], indirect=["kind"])
def test_a_script_exits_at_once(net_file, db, end):
    code = f"""
    import time
    from minicaffe import Net, TRAIN, log
    log.set_level(log.FATAL)
    net = Net({net_file(db)!r}, TRAIN)
    net.forward()
    print(time.time())
    {end}
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.returncode == {"raise SystemExit(3)": 3, "1 / 0": 1}.get(end, 0)
    assert "ZeroDivisionError" in done.stderr if end == "1 / 0" else done.stderr == ""
    assert time.time() - float(done.stdout) < 5


def test_on_a_gpu_nothing_comes_back_from_the_device(fake_gpu, layer, mixed, monkeypatch):
    run = layer(mixed, 2)

    def refuse(*_, **__):
        raise AssertionError("an array was copied from the device")

    for i in [0, 2, 4, 0]:
        with monkeypatch.context() as patch:
            patch.setattr(fake_cupy_array.ndarray, "get", refuse)
            run.forward()
            on_device = run.inner_top[0].data
            assert isinstance(on_device, fake_cupy_array.ndarray)
        assert_array_equal(on_device.get()[:, 0, 0, 0], [i, i + 1])


def test_nothing_grows(layer, db):
    run = layer(db, more=RANDOM)
    batches(run, 50)
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(8):
            for _ in range(50):
                run.forward()
            wait_until_ahead(run)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # 4 KB: 20 bytes a pass, less than the smallest object takes.
    assert max(sizes[4:]) - max(sizes[:4]) < 4096
    assert len(threads()) == 1


def test_memory_is_taken_for_the_largest_batch_and_no_more(layer, mixed):
    run = layer(mixed, 2, prefetch=1)
    (slot,) = run.layer._prefetcher._slots
    batches(run, 3)
    memory = slot._memory
    batches(run, 9)
    assert slot._memory is memory and memory.size == 2 * 6 * 6


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to see what is open")
def test_nothing_stays_open_after_close_or_after_a_set_up_that_fails(net_file, tmp_path, db):
    with Net(net_file(db), TRAIN) as net:
        net.forward()
        assert files_open_in(tmp_path)
    assert not files_open_in(tmp_path)
    error = error_of(net_file(f"{db} }} transform_param {{ crop_size: 9"))
    assert (type(error), error.field, error.line) == (ShapeError, "transform_param.crop_size", 9)
    assert not files_open_in(tmp_path)


def files_open_in(folder):
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [path for path in map(os.path.realpath, links) if path.startswith(str(folder))]
