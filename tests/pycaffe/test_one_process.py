"""Where Caffe would end the process 61 times it goes on: it raises, keeps nothing, and trains LeNet after all."""

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from example_kit import write_digits
from malformed_nets import FAULTS, WELL_FORMED
from tutorial_kit import Tutorial

import minicaffe as caffe
from minicaffe import log
from minicaffe.blob import Blob
from minicaffe.errors import MinicaffeError

NET = "net.prototxt"
# Fitting nets, weights that do not fit: what is in the place of the weights, parts of the error's text.
WEIGHTS_FAULTS = {
    "weights of other shapes": ("other.caffemodel", ['"ip"', "5", "7"]),
    "weights that are a text": (NET, [NET]),
    "weights that are not there": ("absent.caffemodel", ["Could not open file absent.caffemodel"]),
}


@pytest.fixture(autouse=True)
def quiet():
    before = log.set_level(log.SILENT)
    yield
    log.set_level(before)


def built(text, weights=None):
    Path(NET).write_text(text)
    return caffe.Net(NET, caffe.TRAIN, weights=weights)


def run(text, weights=None):
    net = built(text, weights)
    net.forward()
    net.backward()


def all_faults():
    """(name, text of the net, weights, parts of the error's text)"""
    for name, (part, replacement, texts) in FAULTS.items():
        assert part in WELL_FORMED, name
        yield name, WELL_FORMED.replace(part, replacement, 1), None, texts
    for name, (weights, texts) in WEIGHTS_FAULTS.items():
        yield name, WELL_FORMED, weights, texts


def meet_all_faults():
    """Build and run the malformed nets one after another; {name: the error's text}."""
    built(WELL_FORMED.replace("num_output: 5", "num_output: 7")).save("other.caffemodel")
    met = {}
    for name, text, weights, _ in all_faults():
        try:
            run(text, weights)
        except MinicaffeError as error:
            met[name] = str(error)
    return met


def left_behind():
    """Threads, open files, and blobs of nets that nobody holds any more."""
    gc.collect()
    blobs = sum(isinstance(thing, Blob) for thing in gc.get_objects())
    files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    return {"threads": threading.active_count(), "files": files, "blobs": blobs}


def resident_mib():
    """The memory that this process really has, where Linux tells."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if statm.exists() else 0


def test_malformed_nets_then_lenet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(WELL_FORMED)
    meet_all_faults()
    before, memory = left_behind(), resident_mib()
    met = meet_all_faults()
    # Less is no fault: what tests before this one left may have gone meanwhile.
    assert [kind for kind, count in left_behind().items() if count > before[kind]] == []
    assert resident_mib() - memory < 8
    assert len(met) == 61
    for name, _, _, texts in all_faults():
        assert [text for text in texts if text not in met.get(name, "")] == [], f"{name}: {met.get(name)}"
    assert len({text.partition(": ")[2] for text in met.values()}) == 61
    run(WELL_FORMED)
    losses = trained_lenet(tmp_path, capsys)
    assert len(losses) == 100
    assert np.mean(losses[-10:]) < 0.5 < 2 < losses[0] < 3


def trained_lenet(folder, capsys):
    """The losses of 100 iterations of the tutorial's solver on drawn digits."""
    databases = folder / "databases"
    databases.mkdir()
    tutorial = Tutorial(write_digits(folder / "digits"), databases, capsys)
    tutorial.make_databases("lmdb")
    solver = caffe.get_solver(tutorial.shortened("lenet_solver.prototxt", test_initialization="false"))
    losses = []
    for _ in range(100):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert solver.iter == 100
    solver.close()
    return losses
