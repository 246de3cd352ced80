"""Sums and small products: the numbers of NumPy's own, with enough results that other threads can work meanwhile."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from minicaffe.backend.cpu.small_products import UNLOCKED, column_sums, parts_of, product, row_dots, row_sums

SHAPES = [(4, 65536), (3, 5, 1024), (7,), (1, 997), (2, 3, 0), (0, 5), (600, 130), (2, 3, 4, 5)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums(rng, shape, dtype):
    a, b = rng.normal(size=(2, *shape)).astype(dtype)
    exact, other = a.astype(float), b.astype(float)
    rough = {"rtol": 1e-5, "atol": 1e-3} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-9}
    assert_allclose(row_sums(a), exact.sum(axis=-1), **rough)
    assert_allclose(row_dots(a, b), (exact * other).sum(axis=-1), **rough)
    if len(shape) > 1:
        assert_allclose(column_sums(a), exact.sum(axis=-2), **rough)
    assert row_sums(a).dtype == np.float64


@given(length=st.integers(0, 100_000), sums=st.integers(1, 2000))
def test_parts_divide_the_length(length, sums):
    parts = parts_of(length, sums)
    assert length % parts == 0
    assert parts == 1 or (parts * sums >= UNLOCKED > sums and length // parts >= 64)


def test_a_box_of_long_rows_makes_enough_results():
    assert parts_of(65536, 4) * 4 >= UNLOCKED
    assert parts_of(1000, 64) * 64 >= UNLOCKED


@pytest.mark.parametrize("shape", [(1, 20, 25), (1, 25, 21), (3, 2, 5), (2, 40, 50)])
def test_product(rng, shape):
    groups, rows, columns = shape
    a, b = rng.normal(size=(groups, rows, 300)), rng.normal(size=(groups, columns, 300)).transpose(0, 2, 1)
    out = np.full(shape, np.nan)
    product(a, b, out)
    assert_allclose(out, a @ b, rtol=1e-12, atol=1e-12)
