"""Every kernel on every odd shape: CUDA source, NumPy twin and definition agree."""

import inspect

import kernel_definitions
import numpy as np
import pytest
from fake_cupy_cuda import settings
from kernel_cases import cases
from kernel_machines import assert_same, run

from minicaffe.backend import CPU, cpu, gpu, kernels, layout

CASES = list(cases())
NAMES = sorted({kernel for _, kernel, _ in CASES})
FUNCTIONS = {name: value for name, value in vars(kernels).items() if inspect.isfunction(value)}

# (blocks, threads each, last thread first): all the work in one thread, a grid that divides nothing, the usual.
LAUNCHES = {"one thread": (1, 1, False), "seven by three": (3, 7, True), "usual": None}


def test_the_cases_cover_every_kernel():
    assert sorted(FUNCTIONS) == NAMES


@pytest.mark.parametrize("twins", [cpu, gpu, kernel_definitions], ids=lambda module: module.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_twins_take_the_same_arguments(twins, name):
    parameters = list(inspect.signature(getattr(twins, name)).parameters)
    assert parameters == list(inspect.signature(FUNCTIONS[name]).parameters)


@pytest.mark.parametrize("twins", [cpu, gpu], ids=lambda module: module.__name__)
def test_twins_offer_nothing_else(twins):
    assert sorted(twins.__all__) == sorted(FUNCTIONS)


@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_cuda_source_on_the_host(fake_gpu, name, dtype, memory):
    """In the usual launch; test_results_do_not_depend_on_the_order_of_threads has the others."""
    compare(fake_gpu, gpu, name, dtype, memory)


@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_numpy_twin(name, dtype, memory):
    compare(CPU, cpu, name, dtype, memory)


@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu(real_gpu, name, dtype, memory):
    compare(real_gpu, gpu, name, dtype, memory)


WANTED: dict = {}


def compare(backend, twins, name, dtype, memory):
    """All cases of one kernel against the definition, whose results are kept."""
    for case, kernel, args in CASES:
        if kernel != name:
            continue
        key = case, id(args), dtype
        if key not in WANTED:
            WANTED[key] = run(CPU, kernel_definitions, name, args, dtype)
        try:
            assert_same(run(backend, twins, name, args, dtype, memory), WANTED[key], dtype)
        except Exception as error:
            raise AssertionError(f"{case}: {error}") from error


def test_a_wrong_number_is_found(monkeypatch):
    def wrong(x, axis, y, workspace):
        kernel_definitions.softmax_forward(x, axis, y, workspace)
        y *= 1.001

    monkeypatch.setattr(cpu, "softmax_forward", wrong)
    with pytest.raises(AssertionError, match=r"softmax_forward: \(4, 7\)"):
        compare(CPU, cpu, "softmax_forward", "float32", layout.C_ORDER)


def test_a_large_batch_is_unfolded_in_parts(fake_gpu, monkeypatch):
    from minicaffe.backend.gpu import conv

    parts = []
    monkeypatch.setattr(conv, "MOST_COLUMN_BYTES", 5000)
    monkeypatch.setattr(conv, "_parts", lambda *args, split=conv._parts: parts.append(list(split(*args))) or parts[-1])
    for name in ("conv_forward", "conv_backward_data", "conv_backward_weight"):
        compare(fake_gpu, gpu, name, "float64", layout.C_ORDER)
    assert max(map(len, parts)) == 2


def test_results_do_not_depend_on_the_order_of_threads(fake_gpu):
    """Bit for bit: sums gather in one order, whatever the launch."""
    for case, name, args in CASES:
        results = []
        for settings.launch_shape in LAUNCHES.values():
            results.append(run(fake_gpu, gpu, name, args, "float32"))
        for other in results[1:]:
            assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(results[0], other, strict=True)), case
