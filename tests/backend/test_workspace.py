"""Workspace: one memory per name, that only grows."""

import threading

import numpy as np
import pytest

from minicaffe.backend import CPU, layout
from minicaffe.backend.workspace import Workspace


@pytest.fixture
def workspace():
    return Workspace(CPU)


def test_one_name_is_one_memory(workspace):
    a, b = workspace.array("a", (2, 3), np.float32), workspace.array("b", (2, 3), np.float32)
    assert a.shape == (2, 3) and a.dtype == np.float32
    assert workspace.array("a", (2, 3), np.float32) is a
    assert np.shares_memory(workspace.array("a", (3,), np.float64), a)
    assert not np.shares_memory(a, b)


def test_it_grows_to_the_largest_and_stays_there(workspace):
    for size, nbytes in [(10, 40), (100, 400), (7, 400), (100, 400), (101, 404)]:
        workspace.array("a", (size,), np.float32)
        assert workspace.nbytes == nbytes


def test_a_larger_array_takes_the_smaller_ones_along(workspace):
    small = workspace.array("a", (2,), np.float32)
    large = workspace.array("a", (1000,), np.float32)
    again = workspace.array("a", (2,), np.float32)
    assert not np.shares_memory(small, large) and np.shares_memory(again, large)


@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
def test_memory_order(workspace, memory):
    x = layout.view(np.zeros(120, np.float32), (2, 3, 4, 5), memory)
    like = workspace.like(x)
    assert (like.shape, like.dtype, like.strides) == (x.shape, x.dtype, x.strides)
    assert layout.order_of(workspace.array("b", (2, 3, 4, 5), bool, memory)) == memory


def test_empty_and_scalar(workspace):
    assert workspace.array("a", (0, 3), np.float32).shape == (0, 3)
    assert workspace.array("a", (), np.float64).shape == ()


def test_dtypes_by_name_and_by_class(workspace):
    assert workspace.array("a", (2,), "uint8").dtype == np.uint8
    assert workspace.array("a", (2,), bool).dtype == bool


def test_two_threads_may_ask_at_once(workspace):
    found = {}

    def ask(thread):
        for size in range(1, 300):
            found[thread] = workspace.array(f"name{thread}", (size,), np.float32)
            found[thread].fill(thread)
            assert (found[thread] == thread).all()

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[i] == i).all() and found[i].size == 299 for i in range(4))
    assert workspace.nbytes == 4 * 299 * 4
