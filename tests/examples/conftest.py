"""The tutorial in a folder of its own, with databases that are made once."""

import pytest
from tutorial_kit import Tutorial

from minicaffe import log


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    return tmp_path_factory.mktemp("databases")


@pytest.fixture
def tutorial(tmp_path, monkeypatch, mnist_dir, databases, capsys):
    """A Tutorial, its folder the current one; everything is logged."""
    before = log.set_level(log.INFO)
    monkeypatch.chdir(tmp_path)
    yield Tutorial(mnist_dir, databases, capsys)
    log.set_level(before)
