"""Every CUDA function compiles for the chips of today, without a warning; NVRTC needs no GPU for that."""

import cuda_host
import nvrtc
import pytest

from minicaffe.backend import gpu
from minicaffe.backend.gpu.launch import KERNELS

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason=nvrtc.NO_NVRTC)
assert gpu.__all__  # importing it fills KERNELS


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_compiles(kernel, architecture):
    for source in cuda_host.variants(kernel, W=("uint8",), AXES=(2,)):
        assert kernel.name.encode() in nvrtc.compile_cuda(source, architecture)


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
