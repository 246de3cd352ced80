"""Solver tests may use the least-squares loss of solver_kit, and log everything."""

import pytest
import solver_kit

from minicaffe import backend, log


@pytest.fixture(autouse=True)
def kit(monkeypatch):
    solver_kit.register_squares(monkeypatch)
    before = log.set_level(log.INFO)
    yield
    log.set_level(before)
    backend.set_mode_cpu()
