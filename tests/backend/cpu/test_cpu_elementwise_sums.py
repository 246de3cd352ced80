"""Sums of formulas on the CPU: how exact they are, that threads change nothing, arrays in different orders."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.backend import CPU, layout
from minicaffe.backend.cpu import elementwise_sums
from minicaffe.backend.cpu.elementwise import PIECE
from minicaffe.backend.cpu.elementwise_sums import LANES, total
from minicaffe.backend.cpu.team import TEAM
from minicaffe.backend.formula import formula
from minicaffe.backend.workspace import Workspace


@formula
def product(xp, x, y):
    return x * y, x * y


@pytest.mark.parametrize("size", [0, 1, LANES - 1, LANES, 3 * LANES + 7, PIECE])
def test_a_total_is_exact_where_float32_could_not_be(rng, size):
    values = (1 + rng.random(size) / 100).astype("float32")
    assert total(values) == pytest.approx(values.sum(dtype=float), rel=3e-8)
    assert total(np.ones(size, bool)) == size


@pytest.mark.parametrize("orders", [("C", "batch innermost"), ("batch innermost", "C"), ("batch innermost",) * 2])
def test_threads_and_orders_change_nothing(monkeypatch, rng, orders):
    x, y = (np.round(8 * rng.normal(size=(17, 3, 101, 67))) for _ in orders)  # exact, whatever the order of adding
    out, found = np.empty_like(x), []
    placed = [layout.view(np.empty(x.size), x.shape, order) for order in orders]
    for there, values in zip(placed, (x, y), strict=True):
        there[...] = values
    for threads in (1, 2, 3):
        monkeypatch.setattr(TEAM, "size", threads)
        found.append(elementwise_sums(product, placed, (out,), {}, Workspace(CPU)))
        assert_array_equal(out, x * y)
    assert found == [((x * y).sum(),)] * 3
