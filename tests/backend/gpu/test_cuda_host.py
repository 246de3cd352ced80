"""The harness that runs CUDA on the host: it runs every thread, and finds what a GPU would pass over in silence."""

import cuda_host
import fake_cupy
import numpy as np
import pytest
from fake_cupy_cuda import settings

pytestmark = pytest.mark.skipif(cuda_host.compiler() is None, reason=cuda_host.NO_COMPILER)

NUMBER_THREADS = r"""
typedef long long Index;
typedef float T;
struct Pair { int a, b; };
extern "C" __global__ void number_threads(Index total, Pair pair, T* order, Index* next)
{
    Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x;
    if (i < total)
        order[i] = pair.a * (*next)++ + pair.b;
}
"""


def arguments(count, order=None):
    pair = np.array([(10, 3)], [("a", np.int32), ("b", np.int32)])
    order = np.zeros(count, np.float32) if order is None else order
    return [np.int64(count), pair, order, np.zeros(1, np.int64)]


@pytest.mark.parametrize("grid, block", [(1, 6), (6, 1), (2, 3), (5, 4)])
def test_every_thread_runs_once_in_either_order(grid, block):
    values = arguments(6)
    cuda_host.run(NUMBER_THREADS, grid, block, values)
    assert values[2].tolist() == [3, 13, 23, 33, 43, 53]
    values = arguments(6)
    cuda_host.run(NUMBER_THREADS, grid, block, values, reverse=True)
    assert values[2].tolist() == [53, 43, 33, 23, 13, 3]


@pytest.mark.parametrize(
    "place, value, said",
    [
        (0, np.float64(6), "argument 0 .Index.: float64 instead of int64"),
        (2, np.zeros(6), r"argument 2 .T\*.: float64 instead of float32"),
        (2, np.float32(6), "argument 2 .*an array where a value is wanted, or the reverse"),
        (2, np.zeros((6, 2), np.float32)[:, 0], "argument 2 .*an array not in C order"),
    ],
)
def test_wrong_arguments_are_found(place, value, said):
    values = arguments(6)
    values[place] = value
    with pytest.raises(TypeError, match=said):
        cuda_host.run(NUMBER_THREADS, 1, 6, values)


def test_the_number_of_arguments_is_checked():
    with pytest.raises(TypeError, match="number_threads takes 4 arguments, got 3"):
        cuda_host.run(NUMBER_THREADS, 1, 6, arguments(6)[:3])


def test_what_does_not_compile_shows_the_compilers_words():
    with pytest.raises(RuntimeError, match="undeclared"):
        cuda_host.run(NUMBER_THREADS.replace("(*next)++", "undeclared"), 1, 6, arguments(6))


@pytest.mark.parametrize("start, end", [(0, 7), (-1, 6)])
def test_writing_outside_an_array_is_found(fake_gpu, start, end):
    text = f"""
extern "C" __global__ void too_far(long long total, float* y) {{ for (int i = {start}; i < {end}; i++) y[i] = i; }}
"""
    y = fake_gpu.xp.zeros(6, "float32")
    with pytest.raises(AssertionError, match="too_far writes outside an array"):
        fake_cupy.RawKernel(text, "too_far")((1,), (1,), (np.int64(1), y))


def test_a_forced_launch_shape_runs_all_the_same(fake_gpu):
    order, counter = fake_gpu.xp.zeros(6, "float32"), fake_gpu.xp.zeros(1, "int64")
    pair = arguments(6)[1]
    settings.launch_shape = (2, 3, True)
    fake_cupy.RawKernel(NUMBER_THREADS, "number_threads")((1,), (1,), (np.int64(6), pair, order, counter))
    assert order.get().tolist() == [53, 43, 33, 23, 13, 3]
