"""Fixtures that all tests share: devices, memory orders, random numbers, and real data read from outside."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import harness
import hypothesis
import numpy as np
import pytest
from gpu_fixtures import fake_gpu, real_gpu  # noqa: F401
from transfer_kit import transfers  # noqa: F401

from minicaffe import backend as backends, log
from minicaffe.errors import DeviceError

hypothesis.settings.register_profile(
    "minicaffe",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("minicaffe")


def missing_gpu():
    """Why there is no GPU to test on; "" where there is one."""
    try:
        backends.set_mode_gpu()
    except DeviceError as error:
        return str(error)
    finally:
        backends.set_mode_cpu()
    return ""


NO_GPU = missing_gpu()
DEVICES = ["cpu", "fake gpu"] + ([] if NO_GPU else ["real gpu"])
ORDERS = ["c", "batch_innermost"]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite runs on several cores, whole files at a time; some tests, or what -n 0 asks, in this process."""
    option, whole = config.option, config.args_source is config.ArgsSource.TESTPATHS
    if not whole or option.keyword or option.usepdb or option.collectonly or "PYTEST_XDIST_WORKER" in os.environ:
        return
    if getattr(option, "numprocesses", 0) is None and option.dist == "no":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # More would wait for the longest files, and for one another's threads.
        option.numprocesses, option.dist = min(cores, 4), "loadfile"


def pytest_report_header():
    return f"devices: {', '.join(DEVICES)}" + (f"; no real GPU: {NO_GPU}" if NO_GPU else "")


def pytest_generate_tests(metafunc):
    """Tests that ask for `backend` run on each device, for `gpu` on each GPU, for `order` in each memory order.

    A GPU has one order, so asking for backend and order gives the CPU twice and each GPU once.
    """
    wanted = [name for name in ("backend", "gpu", "order") if name in metafunc.fixturenames]
    both = [("cpu", order) for order in ORDERS] + [(device, "c") for device in DEVICES if device != "cpu"]
    cases = {("backend",): DEVICES, ("gpu",): DEVICES[1:], ("order",): ORDERS, ("backend", "order"): both}
    if wanted:
        metafunc.parametrize(wanted if len(wanted) > 1 else wanted[0], cases[tuple(wanted)], indirect=True)


@pytest.fixture
def all_logged():
    """Every line goes to stderr; afterwards so many as before."""
    before = log.set_level(log.INFO)
    yield
    log.set_level(before)
    log.to_stderr(True)


@pytest.fixture(scope="module", autouse=True)
def collector_passes_over_what_stays():
    """Thousands of test items and reports live to the end: let no gc.collect() of a test walk through them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def backend(request):
    """The device that the harness, and nets built in the test, run on."""
    if request.param != "cpu":
        return request.getfixturevalue(request.param.replace(" ", "_"))
    backends.set_mode_cpu()
    return backends.CPU


@pytest.fixture
def gpu(request):
    """A device beside the CPU, in use as `backend` has it."""
    return request.getfixturevalue(request.param.replace(" ", "_"))


@pytest.fixture
def order(request, monkeypatch):
    """The memory order that the harness gives its blobs."""
    monkeypatch.setattr(harness, "default_order", request.param)
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(1701)


@pytest.fixture(scope="session")
def mnist_dir():
    return data_dir("MINICAFFE_MNIST_DIR", "the four files of MNIST")


@pytest.fixture(scope="session")
def models_dir():
    return data_dir("MINICAFFE_MODELS_DIR", "networks that Caffe trained")


@pytest.fixture(scope="session")
def parity_dir():
    return data_dir("MINICAFFE_PARITY_DIR", "what Caffe 1.0 computed")


def data_dir(variable, contents):
    """The folder that an environment variable names; without it the test skips, or fails where data is required."""
    folder = os.environ.get(variable, "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    text = f"{variable} must name a folder with {contents}, it is {folder!r}"
    if os.environ.get("MINICAFFE_REQUIRE_DATA") == "1":
        pytest.fail(f"{text}, and MINICAFFE_REQUIRE_DATA is 1")
    pytest.skip(text)


@pytest.fixture(params=["lmdb", "leveldb"])
def kind(request):
    """Each kind of database that can be written here."""
    pytest.importorskip("plyvel" if request.param == "leveldb" else "lmdb")
    return request.param
