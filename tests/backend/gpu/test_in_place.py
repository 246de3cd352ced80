"""Kernels whose output may be one of their inputs, and what a mask from a user may hold."""

import kernel_definitions
import numpy as np
import pytest
from kernel_machines import place

from minicaffe.backend import layout
from minicaffe.backend.workspace import Workspace

SHAPE = (2, 3, 4, 5)
MEMORY = pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])


@MEMORY
@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_softmax_in_place(fake_gpu, rng, axis, memory):
    values = rng.normal(size=SHAPE)
    wanted = np.empty(SHAPE)
    kernel_definitions.softmax_forward(values, axis % 4, wanted, None)
    x = place(fake_gpu, values, memory)
    fake_gpu.kernels.softmax_forward(x, axis, x, Workspace(fake_gpu))
    np.testing.assert_allclose(x.get(), wanted, rtol=1e-12)


@MEMORY
def test_softmax_backward_in_place(fake_gpu, rng, memory):
    y, dy = rng.random(SHAPE), rng.normal(size=SHAPE)
    wanted = np.empty(SHAPE)
    kernel_definitions.softmax_backward(y, dy, 1, wanted, None)
    there = place(fake_gpu, dy, memory)
    fake_gpu.kernels.softmax_backward(place(fake_gpu, y, memory), there, 1, there, Workspace(fake_gpu))
    np.testing.assert_allclose(there.get(), wanted, rtol=1e-12)


def test_a_mask_with_impossible_indices_writes_nowhere(fake_gpu):
    index = np.array([3, -1, 4, -7, np.nan, np.inf, -np.inf, 1e30, 0, 3.0]).reshape(1, 1, 2, 5)
    dx = fake_gpu.xp.empty((1, 1, 2, 2))
    dy = fake_gpu.xp.asarray(np.arange(1.0, 11).reshape(index.shape))
    fake_gpu.kernels.max_pool_backward_index(dy, fake_gpu.xp.asarray(index), dx)
    assert dx.get().tolist() == [[[[9, 0], [0, 11]]]]


def test_a_window_too_large_for_the_gpu_is_refused(fake_gpu):
    from minicaffe.backend.geometry import Window
    from minicaffe.errors import ShapeError

    xp, window = fake_gpu.xp, Window.of((1, 1), (2**31, 1))
    with pytest.raises(ShapeError, match=r"a window with stride \(2147483648, 1\) is too large for the GPU"):
        fake_gpu.kernels.im2col(xp.zeros((1, 1, 2, 2)), window, xp.zeros((1, 1, 1, 2)), Workspace(fake_gpu))
