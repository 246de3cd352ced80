"""Fixtures that put a test into GPU mode, for a conftest.py to import: `fake_gpu`; `real_gpu` where there is one."""

from __future__ import annotations

import sys

import cuda_host
import fake_cupy
import pytest

from minicaffe import backend
from minicaffe.backend.gpu import device
from minicaffe.backend.gpu.launch import KERNELS
from minicaffe.errors import DeviceError


@pytest.fixture
def fake_gpu(monkeypatch):
    """This thread in GPU mode, on device 0 of a machine whose two GPUs fake_cupy.py plays; gives the Backend."""
    if cuda_host.compiler() is None:
        pytest.skip(cuda_host.NO_COMPILER)
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy)
    fake_cupy.reset()
    _forget()
    backend.set_device(0)
    backend.set_mode_gpu()
    yield backend.active()
    backend.set_mode_cpu()
    backend.set_device(0)
    fake_cupy.reset()
    _forget()


@pytest.fixture
def real_gpu():
    """This thread in GPU mode, on the machine's first GPU; gives the Backend."""
    try:
        backend.set_device(0)
        backend.set_mode_gpu()
    except DeviceError as error:
        pytest.skip(str(error))
    yield backend.active()
    backend.set_mode_cpu()


def _forget() -> None:
    """What was opened and compiled by one CuPy must not be used by the other."""
    device._open.cache_clear()
    for kernel in KERNELS:
        kernel.compiled.clear()
