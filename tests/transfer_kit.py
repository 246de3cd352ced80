"""What travels between host and device, as the stand-in for CuPy sees it."""

from __future__ import annotations

import fake_cupy
import fake_cupy_array
import numpy as np
import pytest


@pytest.fixture
def transfers(fake_gpu, monkeypatch):
    """Copies between host and device, as ("get" or "set", values), since the list was cleared."""
    seen = []

    def watched(name, real, size):
        def call(first, *rest, **settings):
            count = size(first, *rest)
            if count is not None:
                seen.append((name, count))
            return real(first, *rest, **settings)

        return call

    ndarray = fake_cupy_array.ndarray
    for name in ("get", "set"):
        monkeypatch.setattr(ndarray, name, watched(name, getattr(ndarray, name), lambda array, *_: array.size))
    for name in ("__int__", "__float__", "__bool__"):
        monkeypatch.setattr(ndarray, name, watched("get", getattr(ndarray, name), lambda array: array.size))
    # Arrays of the host that become arrays of the device.
    monkeypatch.setattr(
        fake_cupy, "array", watched("set", fake_cupy.array, lambda a, *_: a.size if isinstance(a, np.ndarray) else None)
    )
    return seen
