"""Kernels that work in boxes: the same numbers however small the boxes, and on any number of threads."""

import functools

import kernel_definitions
import numpy as np
import pytest
from kernel_cases import cases
from kernel_machines import assert_same, run
from numpy.testing import assert_allclose, assert_array_equal
from watch import peak_of

from minicaffe.backend import CPU, cpu, layout
from minicaffe.backend.cpu import lrn, plan, softmax
from minicaffe.backend.cpu.boxes import cuts
from minicaffe.backend.cpu.team import TEAM
from minicaffe.backend.formula import formula
from minicaffe.backend.workspace import Workspace

NAMES = ["elementwise", "sum_to", "softmax_forward", "softmax_backward", "lrn_forward", "lrn_backward"]
ORDERS = [layout.C_ORDER, layout.BATCH_INNERMOST]
# Not those that are large for the sake of the usual boxes.
CASES = [(case, name, args) for case, name, args in cases() if name in NAMES and "large" not in case]


@formula
def itself(xp, x):
    return x


@formula
def product_and_square(xp, x, y, mean):
    return x * y, xp.square(x - mean)


@pytest.fixture(params=[(1, 1), (7, 2), (40, 3)], ids=lambda param: f"boxes of {param[0]}, {param[1]} threads")
def small_boxes(request, monkeypatch):
    size, threads = request.param
    monkeypatch.setattr(TEAM, "size", threads)
    monkeypatch.setattr(softmax, "SMALLEST_SHARED_WORK", 0)
    for module, name in ((softmax, "BOX"), (lrn, "BOX"), (plan, "PIECE")):
        monkeypatch.setattr(module, name, size)
    plan.planned.cache_clear()
    yield
    plan.planned.cache_clear()


@functools.cache
def wanted(number):
    """What a case gives by the definition."""
    _, name, args = CASES[number]
    return run(CPU, kernel_definitions, name, args, "float64")


@pytest.mark.parametrize("memory", ORDERS)
@pytest.mark.parametrize("name", NAMES)
def test_small_boxes(small_boxes, name, memory):
    for number, (case, kernel, args) in enumerate(CASES):
        if kernel == name:
            try:
                assert_same(run(CPU, cpu, name, args, "float64", memory), wanted(number), "float64")
            except Exception as error:
                raise AssertionError(f"{case}: {error}") from error


@pytest.mark.parametrize("whole", [(), (0,), (1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 100, 1), (4, 0, 3)])
@pytest.mark.parametrize("most", [1, 6, 50, 1000])
def test_cuts_make_boxes_that_cover_each_value_once(shape, whole, most):
    seen, kept = np.zeros(shape, int), 1
    for axis in whole:
        kept *= max(1, shape[axis])
    found = cuts(shape, most, whole)
    for first in found[0]:
        for second in found[1]:
            for third in found[2]:
                seen[first, second, third] += 1
                assert seen[first, second, third].size <= max(most, kept)
    assert (seen == 1).all()
    assert all(len(found[axis]) <= 1 for axis in whole)


@pytest.mark.parametrize("memory", ORDERS)
@pytest.mark.parametrize("kept", [(1, 6, 1, 1), (33, 6, 1, 1), (33, 1, 1, 1), (1, 1, 1, 1), (1, 6, 57, 1)])
def test_sums_of_large_arrays(rng, memory, kept):
    """Large enough for several boxes; values around 100, so that small errors of the sums show."""
    x, y = (placed(100 + rng.normal(size=(33, 6, 57, 55)).astype(np.float32), memory) for _ in range(2))
    mean = np.full(kept, 100, np.float32)
    sums, squares = np.full(kept, np.nan, np.float32), np.full(kept, np.nan, np.float32)
    cpu.sum_to(product_and_square, (x, y, mean), (sums, squares), {}, Workspace(CPU))
    axes = tuple(axis for axis, size in enumerate(kept) if size == 1)
    exact = x.astype(float), y.astype(float)
    assert_allclose(sums, (exact[0] * exact[1]).sum(axis=axes, keepdims=True), rtol=3e-6)
    assert_allclose(squares, ((exact[0] - 100) ** 2).sum(axis=axes, keepdims=True), rtol=3e-6)


@formula
def kept_and_counted(xp, x, y, limit):
    return x + y, x * y, x > limit


@pytest.mark.parametrize("orders", [("C", "batch innermost"), ("batch innermost", "C"), ("batch innermost",) * 2])
def test_a_result_kept_whole_beside_sums(rng, monkeypatch, orders):
    """Over an operand, in several boxes, whole numbers so that sums are exact whatever the order of adding."""
    shape = (17, 3, 101, 67)
    x, y = (np.round(8 * rng.normal(size=shape)) for _ in range(2))
    limit = np.round(rng.normal(size=(3, 1, 1)))
    for threads in (1, 2, 3):
        monkeypatch.setattr(TEAM, "size", threads)
        arrays = *(placed(array, order) for array, order in zip((x, y), orders, strict=True)), limit
        totals = np.full((2, 1, 1, 1, 1), np.nan)
        cpu.sum_to(kept_and_counted, arrays, (arrays[0], *totals), {}, Workspace(CPU))
        assert_array_equal(arrays[0], x + y)
        assert_array_equal(totals.ravel(), [(x * y).sum(), (x > limit).sum()])


def test_sums_do_not_depend_on_the_threads_that_share_the_work(rng, monkeypatch):
    x = placed(rng.normal(size=(64, 5, 56, 57)).astype(np.float32), layout.BATCH_INNERMOST)
    found = []
    for monkeypatch_size in (1, 2, 5):
        monkeypatch.setattr(TEAM, "size", monkeypatch_size)
        out = np.empty((1, 5, 1, 1), np.float32)
        cpu.sum_to(itself, (x,), (out,), {}, Workspace(CPU))
        found.append(out)
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


def test_more_classes_than_a_box_has_values(rng):
    x = rng.normal(size=(2, 300_000)).astype(np.float32)
    y = np.empty_like(x)
    cpu.softmax_forward(x, 1, y, Workspace(CPU))
    powers = np.exp(x.astype(float))
    assert_allclose(y, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("memory", ORDERS)
def test_a_step_takes_no_memory(rng, memory):
    """Views, small lists and the terms of a box aside."""
    workspace = Workspace(CPU)
    x, y, dx, scale = (placed(rng.uniform(1, 2, size=(64, 16, 24, 24)).astype(np.float32), memory) for _ in range(4))
    sums = np.empty((1, 16, 1, 1), np.float32)
    calls = [
        (cpu.sum_to, itself, (x,), (sums,), {}, workspace),
        (cpu.lrn_forward, x, (1,), 5, 0.1, 0.75, 1.0, y, scale, workspace),
        (cpu.lrn_backward, x, scale, y, (1,), 5, 0.1, 0.75, dx, workspace),
        (cpu.lrn_forward, x, (2, 3), 3, 0.1, 0.75, 1.0, y, scale, workspace),
        (cpu.softmax_forward, x, 1, y, workspace),
        (cpu.softmax_backward, y, x, 1, dx, workspace),
    ]
    for kernel, *args in calls:
        kernel(*args)
        peak = peak_of(lambda kernel=kernel, args=args: kernel(*args))
        assert peak < 300_000 < x.nbytes / 7, f"{kernel.__name__} took {peak} bytes"


def placed(array, memory):
    there = layout.view(np.empty(array.size, array.dtype), array.shape, memory)
    there[...] = array
    return there
