"""Every CUDA function compiles for the chips of today, without a warning; NVRTC needs no GPU for that."""

import cuda_host
import nvrtc
import pytest

from minicaffe import layers
from minicaffe.backend import gpu
from minicaffe.backend.formula import FORMULAS
from minicaffe.backend.gpu import reduce
from minicaffe.backend.gpu.elementwise import compiled
from minicaffe.backend.gpu.launch import KERNELS
from minicaffe.backend.gpu.trace import code_of

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason=nvrtc.NO_NVRTC)
assert gpu.__all__ and layers.__all__  # importing them fills KERNELS and FORMULAS
WRITTEN_BY_HAND = tuple(KERNELS)  # those of formulas come when they are first used


@pytest.mark.parametrize("architecture, dtype", [("sm_80", "float64"), ("sm_90", "float32")])
def test_kernels_compile(architecture, dtype):
    """All in one program, each in a namespace of its own."""
    sources = [cuda_host.variants(kernel, T=(dtype,), W=("uint8",), AXES=(2,)) for kernel in WRITTEN_BY_HAND]
    parts = [f"namespace kernel_{number} {{\n{source}\n}}\n" for number, (source,) in enumerate(sources)]
    code = nvrtc.compile_cuda("".join(parts), architecture)
    assert len(sources) > 30 and all(kernel.name.encode() in code for kernel in WRITTEN_BY_HAND)


def batches():
    """The package's formulas, in lists without two of one name."""
    found = []
    for formula in FORMULAS:
        if formula.function.__module__.startswith("minicaffe."):
            free = next((batch for batch in found if formula.name not in batch), None)
            if free is None:
                found.append(free := {})
            free[formula.name] = formula
    return [list(batch.values()) for batch in found]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("broadcast", [False, True])
def test_formulas_compile(dtype, broadcast):
    for batch in batches():
        kernels = []
        for formula in batch:
            results = len(code_of(formula, formula.arrays)[1])
            kernels.append(compiled(formula, (("T", broadcast),) * len(formula.arrays), ("T",) * results))
        check_all_compile(kernels, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_formulas_compile(dtype):
    for batch in batches():
        kernels = []
        for formula in batch:
            results = len(code_of(formula, formula.arrays)[1])
            kernels.append(reduce.compiled(formula, (("T", True),) * len(formula.arrays), ("T",) * (results - 1), 1))
        check_all_compile(kernels, dtype)


def check_all_compile(kernels, dtype):
    code = nvrtc.compile_cuda("".join(kernel.source(T=dtype) for kernel in kernels), "sm_90", optimized=False)
    assert all(kernel.name.encode() in code for kernel in kernels)


@pytest.mark.parametrize("optimized", [True, False])
@pytest.mark.parametrize(
    "text, said",
    [
        ('extern "C" __global__ void f(float* x) { *x = y; }', 'identifier "y" is undefined'),
        ('extern "C" __global__ void f(float* x) { int unused; }', '"unused" was declared but never referenced'),
    ],
)
def test_errors_and_warnings_are_found(text, said, optimized):
    with pytest.raises(nvrtc.CompileError, match=said):
        nvrtc.compile_cuda(text, "sm_80", optimized)
