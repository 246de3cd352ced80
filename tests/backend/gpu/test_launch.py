"""Kernel: its open types, compiling once for each choice of them, the grid, and the arguments' widths."""

import importlib
import pkgutil

import numpy as np
import pytest

from minicaffe.backend import gpu
from minicaffe.backend.formula import FORMULAS
from minicaffe.backend.gpu import launch
from minicaffe.backend.gpu.launch import KERNELS, MOST_BLOCKS, THREADS, Kernel

TEXT = r"""
extern "C" __global__ void fill_with(Index total, double value, Index step, T* y)
{
    GRID_STRIDE_LOOP(i, total)
        y[i] = (T)value + i * step;
}
"""


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(launch, "KERNELS", [])
    return Kernel(TEXT)


def test_every_kernel_bears_the_name_of_its_constant_and_its_launcher():
    """Those that are a step of another's work have no launcher of their own name."""
    found = []
    for info in pkgutil.iter_modules(gpu.__path__):
        module = importlib.import_module(f"minicaffe.backend.gpu.{info.name}")
        for name, value in vars(module).items():
            if isinstance(value, Kernel):
                found.append(value)
                assert value.name == name.lower()
                assert getattr(gpu, value.name, None) is getattr(module, value.name, None)
    # Formulas, too, become CUDA functions once they are used.
    made = {f"{kind}_{formula.name}" for formula in FORMULAS for kind in ("elementwise", "sum")}
    assert found and sorted(map(id, found)) == sorted(id(kernel) for kernel in KERNELS if kernel.name not in made)


def test_open_types_are_settled_above_the_text():
    text = "int x[AXES]; W w;" + TEXT
    kernel = Kernel(text)
    KERNELS.remove(kernel)
    assert kernel.name == "fill_with" and kernel.open_types == ("T", "W", "AXES")
    source = kernel.source(T=np.dtype("float64"), W="uint8", AXES=3)
    assert "typedef double T;\ntypedef unsigned char W;\nenum { AXES = 3 };\n" + text in source
    closed = Kernel("enum { AXES = 2 };\nint x[AXES];" + TEXT)
    KERNELS.remove(closed)
    assert closed.open_types == ("T",)


def test_compiled_once_for_each_dtype(fake_gpu, kernel):
    for _ in range(3):
        for dtype in ("float32", "float64"):
            y = fake_gpu.xp.zeros(5, dtype)
            kernel.launch(5, 2.0, 3, y, T=y.dtype)
            assert y.get().tolist() == [2, 5, 8, 11, 14]
    assert len(kernel.compiled) == 2


def test_no_work_is_no_launch(fake_gpu, kernel):
    kernel.launch(0, 2.0, 3, fake_gpu.xp.zeros(0, "float32"), T="float32")
    assert not kernel.compiled


@pytest.mark.parametrize(
    "total, blocks",
    [(1, 1), (THREADS, 1), (THREADS + 1, 2), (THREADS * MOST_BLOCKS, MOST_BLOCKS), (2**40, MOST_BLOCKS)],
)
def test_the_grid_fits_the_work(kernel, total, blocks):
    seen = []
    kernel.compiled["float32",] = lambda *launched: seen.append(launched)
    kernel.launch(total, np.float32(2), np.int32(3), "y", T="float32")
    ((grid, block, arguments),) = seen
    assert (grid, block) == ((blocks,), (THREADS,))
    assert [type(value) for value in arguments] == [np.int64, np.float64, np.int64, str]
    assert arguments[0] == total


def test_more_work_than_threads(fake_gpu, kernel, monkeypatch):
    monkeypatch.setattr(launch, "THREADS", 4)
    monkeypatch.setattr(launch, "MOST_BLOCKS", 3)
    y = fake_gpu.xp.empty(100, "float64")
    kernel.launch(100, 0.0, 1, y, T=y.dtype)
    assert y.get().tolist() == list(range(100))
