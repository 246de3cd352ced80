"""The end of a net: whatever way it comes, its data layers let go of their threads and files."""

import gc
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net
from watch import wait_for

from minicaffe.errors import FormatError, GraphError
from minicaffe.io.database import create_database
from minicaffe.layers import registry
from minicaffe.layers.base import Layer
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2


class WatchedLayer(Layer):
    """Notes the names of those that were closed; one called "stuck" fails to."""

    type, exact_bottom, min_top = "TestWatched", 0, 1
    closed: list = []

    def setup(self, bottom, top):
        top[0].reshape(2, 3)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        pass

    def close(self):
        self.closed.append(self.name)
        if self.name == "stuck":
            raise RuntimeError("this one is stuck")


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    monkeypatch.setitem(registry._registry, "TestWatched", WatchedLayer)
    monkeypatch.setattr(WatchedLayer, "closed", [])
    return WatchedLayer.closed


@pytest.fixture
def no_gc():
    """Only counts of references end things."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


TWO = layer("a", "TestWatched", "", "x") + layer("b", "TestWatched", "", "y")


def test_closing_closes_every_layer_once(closed):
    net = make_net(TWO + inner_product("ip", "x", "z"))
    net.close()
    assert sorted(closed) == ["a", "b"]
    net.close()
    del net
    gc.collect()
    assert sorted(closed) == ["a", "b"]


def test_a_net_that_is_dropped_closes_at_once(closed, no_gc):
    net = make_net(TWO + inner_product("ip", "x", "z"))
    net.forward()
    net.backward()
    gone = weakref.ref(net)
    del net
    assert gone() is None and sorted(closed) == ["a", "b"]


def test_so_does_one_that_knows_itself(closed):
    net = make_net(TWO)
    net.itself = net
    del net
    gc.collect()
    assert sorted(closed) == ["a", "b"]


def test_a_net_is_closed_at_the_end_of_a_with(closed):
    with pytest.raises(ZeroDivisionError), make_net(TWO) as net:
        assert isinstance(net, Net) and closed == []
        raise ZeroDivisionError
    assert sorted(closed) == ["a", "b"]


def test_all_are_closed_even_where_one_fails_to(closed):
    net = make_net(TWO + layer("stuck", "TestWatched", "", "z") + layer("c", "TestWatched", "", "w"))
    with pytest.raises(RuntimeError, match="this one is stuck"):
        net.close()
    assert sorted(closed) == ["a", "b", "c", "stuck"]


@pytest.mark.parametrize("more", ["", layer("stuck", "TestWatched", "", "z")])
def test_a_net_that_cannot_be_built_closes_what_it_has(closed, more):
    with pytest.raises(GraphError, match="cannot run in place"):
        make_net(TWO + more + layer("p", "TestSum", "x", "x"))
    assert {"a", "b"} <= set(closed)


def test_so_does_one_that_cannot_be_filled(closed):
    settings = "inner_product_param { num_output: 2 weight_filler { type: 'nosuch' } }"
    with pytest.raises(Exception, match="nosuch"):
        make_net(TWO + layer("ip", "InnerProduct", "x", "z", settings))
    assert sorted(closed) == ["a", "b"]


def test_so_does_one_whose_weights_cannot_be_loaded(closed, tmp_path):
    (tmp_path / "net.prototxt").write_text(TWO)
    (tmp_path / "damaged").write_bytes(b"\xff")
    with pytest.raises(FormatError):
        Net(tmp_path / "net.prototxt", 1, weights=tmp_path / "damaged")
    assert sorted(closed) == ["a", "b"]


# --- with a thread ----------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path):
    pytest.importorskip("lmdb")
    with create_database(tmp_path / "db", "lmdb") as writer:
        for i in range(5):
            datum = caffe_pb2.Datum(channels=1, height=2, width=2, data=bytes([i] * 4), label=i)
            writer.put(b"%d" % i, datum.SerializeToString())
    return tmp_path / "db"


def reading(database):
    return layer(
        "reader", "Data", "", "data label", f'data_param {{ source: "{database}" batch_size: 2 backend: LMDB }}'
    )


def readers():
    return [thread for thread in threading.enumerate() if "reader" in thread.name]


@pytest.mark.parametrize("end", ["dropped", "closed"])
def test_no_thread_outlives_its_net(database, no_gc, end):
    net = make_net(reading(database))
    label = net.forward()["label"]
    assert label.tolist() == [0, 1] and len(readers()) == 1
    if end == "closed":
        net.close()
        assert readers() == []
    del net
    wait_for(lambda: not readers())
    assert label.tolist() == [0, 1], "what a script holds stays readable"


def test_no_thread_outlives_a_failed_building(database):
    with pytest.raises(GraphError):
        make_net(reading(database) + layer("p", "TestSum", "data", "data"))
    wait_for(lambda: not readers())


def test_many_nets_leave_nothing_behind(database):
    for _ in range(5):
        make_net(reading(database)).forward()
    wait_for(lambda: not readers())


def test_a_script_that_forgets_to_close_ends_at_once(database, tmp_path):
    (tmp_path / "net.prototxt").write_text(reading(database))
    script = f"""
        import time, minicaffe
        net = minicaffe.Net({str(tmp_path / "net.prototxt")!r}, minicaffe.TRAIN)
        net.forward()
        net.keeps_itself = net
        print(time.time())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert time.time() - float(done.stdout) < 3
    assert "Traceback" not in done.stderr


def test_two_nets_on_one_database_read_for_themselves(database):
    first, second = make_net(reading(database)), make_net(reading(database))
    assert first.forward()["label"].tolist() == [0, 1]
    assert first.forward()["label"].tolist() == [2, 3]
    assert second.forward()["label"].tolist() == [0, 1]
    first.close()
    assert second.forward()["label"].tolist() == [2, 3]
    second.close()


def test_a_state_brings_a_reader_back(database):
    net = make_net(reading(database) + inputs("x"))
    net.forward()
    state = net.state()
    expected = np.array(net.forward()["label"])
    again = make_net(reading(database) + inputs("x"))
    again.restore(state)
    np.testing.assert_array_equal(again.forward()["label"], expected)
