"""Every CUDA function compiles for the chips of today, without a warning; NVRTC needs no GPU for that."""

import cuda_host
import nvrtc
import pytest

from minicaffe import layers
from minicaffe.backend import gpu
from minicaffe.backend.formula import FORMULAS
from minicaffe.backend.gpu.elementwise import compiled
from minicaffe.backend.gpu.launch import KERNELS
from minicaffe.backend.gpu.trace import code_of

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason=nvrtc.NO_NVRTC)
assert gpu.__all__ and layers.__all__  # importing them fills KERNELS and FORMULAS


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_compiles(kernel, architecture):
    for source in cuda_host.variants(kernel, W=("uint8",), AXES=(2,)):
        assert kernel.name.encode() in nvrtc.compile_cuda(source, architecture)


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
    """Many in one program, which takes a tenth of the time."""
    for batch in batches():
        kernels = []
        for formula in batch:
            results = len(code_of(formula, formula.arrays)[1])
            kernels.append(compiled(formula, (("T", broadcast),) * len(formula.arrays), ("T",) * results))
        code = nvrtc.compile_cuda("".join(kernel.source(T=dtype) for kernel in kernels), "sm_90")
        assert all(kernel.name.encode() in code for kernel in kernels)


@pytest.mark.parametrize(
    "text, said",
    [
        ('extern "C" __global__ void f(float* x) { *x = y; }', 'identifier "y" is undefined'),
        ('extern "C" __global__ void f(float* x) { int unused; }', '"unused" was declared but never referenced'),
    ],
)
def test_errors_and_warnings_are_found(text, said):
    with pytest.raises(nvrtc.CompileError, match=said):
        nvrtc.compile_cuda(text, "sm_80")
