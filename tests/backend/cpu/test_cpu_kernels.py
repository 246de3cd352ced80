"""What is the CPU's own: tiles, shared work, mixed memory orders, and no memory taken in a step.

Small odd shapes of every kernel are compared with their definitions beside the GPU's (tests/backend/gpu).
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from watch import peak_of

from minicaffe.backend import CPU, cpu, layout
from minicaffe.backend.cpu import conv, conv_rows
from minicaffe.backend.cpu.team import TEAM
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

ORDERS = [layout.C_ORDER, layout.BATCH_INNERMOST]
# Large enough that the work is shared, and odd, so that nothing divides evenly.
SHAPE = (5, 6, 23, 19)


def place(array, order):
    there = layout.view(np.empty(array.size, array.dtype), array.shape, order)
    there[...] = array
    return there


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(TEAM, "size", request.param)
    return request.param


@pytest.fixture
def workspace():
    return Workspace(CPU)


def unfolded(x, window):
    """(N, C, *output, *kernel), by slicing a padded copy."""
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in window.pad)])
    spans = np.lib.stride_tricks.sliding_window_view(padded, window.extent, tuple(range(2, x.ndim)))
    return spans[
        (..., *(slice(None, None, s) for s in window.stride), *(slice(None, None, d) for d in window.dilation))
    ]


WINDOWS = {
    "3x3": Window.of((3, 3)),
    "5x4, stride 2 and 3, padded, dilated": Window((5, 4), (2, 3), (2, 1), (1, 2)),
    "1x1": Window.of((1, 1)),
    "7x2, dilated along w only, stride 3 and 1": Window((7, 2), (3, 1), (0, 1), (1, 3)),
    "1x1, stride 2": Window.of((1, 1), (2, 2)),
    "2x3, stride beyond it": Window.of((2, 3), (4, 4), (1, 2)),
    "padding wider than the kernel": Window.of((3, 3), (2, 2), (7, 5)),
    "whole image": Window.of(SHAPE[2:]),
}


@pytest.mark.parametrize("x_order", ORDERS)
@pytest.mark.parametrize("y_order", ORDERS)
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("by_rows", [True, False])
def test_convolution(threads, workspace, monkeypatch, rng, by_rows, name, group, x_order, y_order):
    # One row of outputs a piece, a few, all; by rows, or by whole windows.
    for module, tile in ((conv, "UNFOLD_BYTES"), (conv, "FOLD_BYTES"), (conv_rows, "PIECE_BYTES")):
        monkeypatch.setattr(module, tile, {1: 1, 2: 1 << 14, 3: 1 << 20}[threads])
    monkeypatch.setattr(conv_rows, "SHORTEST_ROW", 1 if by_rows else 1 << 30)
    window = WINDOWS[name]
    x = place(rng.normal(size=SHAPE), x_order)
    weight, bias = rng.normal(size=(4, 6 // group, *window.kernel)), rng.normal(size=4)
    taps = unfolded(x, window)
    y = place(np.full((5, 4, *taps.shape[2:4]), np.nan), y_order)
    cpu.conv_forward(x, weight, bias, y, window, group, workspace)
    by_group = taps.reshape(5, group, 6 // group, *taps.shape[2:])
    weights = weight.reshape(group, 4 // group, *weight.shape[1:])
    expected = np.einsum("ngchwij,gocij->ngohw", by_group, weights, optimize=True).reshape(y.shape)
    assert_allclose(y, expected + bias[:, None, None], rtol=1e-9, atol=1e-9)

    dy = place(rng.normal(size=y.shape), y_order)
    by_output = dy.reshape(5, group, 4 // group, *y.shape[2:])
    dweight, dbias = np.ones(weight.shape), np.ones(4)
    cpu.conv_backward_weight(x, dy, dweight, dbias, window, group, workspace)
    assert_allclose(dbias, 1 + dy.sum(axis=(0, 2, 3)), rtol=1e-9, atol=1e-9)
    expected = np.einsum("ngchwij,ngohw->gocij", by_group, by_output, optimize=True)
    assert_allclose(dweight, 1 + expected.reshape(weight.shape), rtol=1e-9, atol=1e-9)

    dx = place(np.full(SHAPE, np.nan), x_order)
    cpu.conv_backward_data(dy, weight, dx, window, group, workspace)
    # The adjoint: for any v, <dy, conv(v)> = <dx, v>.
    v = rng.normal(size=SHAPE)
    image = np.empty(y.shape)
    cpu.conv_forward(v, weight, None, image, window, group, workspace)
    assert np.vdot(dx, v) == pytest.approx(np.vdot(dy, image), rel=1e-9)


# Kernel and stride; the last ones with rows of one tap, with one row, and with rows that no window meets.
POOLS = [((3, 2), (2, 2)), ((2, 2), (2, 3)), ((17, 16), (2, 1)), ((4, 1), (1, 2)), ((1, 5), (1, 1)), ((1, 2), (3, 2))]


@pytest.mark.parametrize("x_order", ORDERS)
@pytest.mark.parametrize("y_order", ORDERS)
@pytest.mark.parametrize("window", [Window.of(*w) for w in POOLS])
def test_pooling(threads, workspace, rng, window, x_order, y_order):
    x = place(rng.integers(0, 50, SHAPE).astype(float), x_order)
    output = window.pool_output(SHAPE[2:], round_down=True)
    taps = unfolded(x, window).reshape(5, 6, *output, -1)
    y = place(np.full((5, 6, *output), np.nan), y_order)
    winner = place(np.full(y.shape, 99, np.uint8 if window.taps < 255 else np.int32), y_order)
    cpu.max_pool_forward(x, window, y, winner, workspace)
    assert_array_equal(y, taps.max(axis=-1))
    assert_array_equal(winner, 1 + taps.argmax(axis=-1))
    y.fill(np.nan)
    cpu.max_pool_values(x, window, y, workspace)
    assert_array_equal(y, taps.max(axis=-1))

    dy = place(rng.integers(1, 9, y.shape).astype(float), y_order)
    dx = place(np.full(SHAPE, np.nan), x_order)
    cpu.max_pool_backward(dy, winner, window, dx, workspace)
    index = place(np.empty(y.shape), y_order)
    cpu.max_pool_index(winner, window, SHAPE[2:], index)
    expected = np.zeros((5, 6, 23 * 19))
    for n, c in np.ndindex(5, 6):
        np.add.at(expected[n, c], index[n, c].astype(int).ravel(), dy[n, c].ravel())
    assert_array_equal(dx.reshape(expected.shape), expected)
    cpu.max_pool_backward_index(dy, index, dx)
    assert_array_equal(dx.reshape(expected.shape), expected)

    cpu.average_pool_forward(x, window, y, workspace)
    assert_allclose(y, taps.mean(axis=-1))
    cpu.average_pool_backward(dy, window, dx, workspace)
    assert dx.sum() == pytest.approx(dy.sum())
    assert np.vdot(dx, x) == pytest.approx(np.vdot(dy, y))


@pytest.mark.parametrize(
    "m, k, n", [(300, 17, 11), (11, 17, 300), (64, 80, 50), (1, 300, 200), (200, 300, 1), (0, 3, 4)]
)
@pytest.mark.parametrize("transposed", range(8))
def test_matmul(threads, rng, m, k, n, transposed):
    """Whichever of a, b and out lies transposed in memory."""

    def make(rows, columns, bit):
        return rng.normal(size=(columns, rows)).T if transposed >> bit & 1 else rng.normal(size=(rows, columns))

    a, b, out = make(m, k, 0), make(k, n, 1), make(m, n, 2)
    cpu.matmul(a, b, out)
    assert_allclose(out, np.einsum("mk,kn->mn", a, b), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("memory", ORDERS)
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_softmax_may_overwrite_what_it_reads(workspace, rng, memory, axis):
    x, dy = (place(rng.normal(size=(2, 3, 4, 5)), memory) for _ in range(2))
    y, dx = (place(np.empty(x.shape), memory) for _ in range(2))
    cpu.softmax_forward(x, axis, y, workspace)
    cpu.softmax_backward(y, dy, axis, dx, workspace)
    cpu.softmax_forward(x, axis, x, workspace)
    assert_array_equal(x, y)
    cpu.softmax_backward(y, dy, axis, dy, workspace)
    assert_array_equal(dy, dx)


@pytest.mark.parametrize("memory", ORDERS)
def test_a_step_takes_no_memory(workspace, rng, memory):
    """After the first call, all that a kernel needs lies in the workspace. Views and small lists aside."""
    window, pool = Window.of((3, 3), (1, 1), (1, 1)), Window.of((2, 2), (2, 2))
    x = place(rng.normal(size=(64, 16, 24, 24)).astype(np.float32), memory)
    y, dx = place(x, memory), place(x, memory)
    weight, bias = rng.normal(size=(16, 16, 3, 3)).astype(np.float32), np.ones(16, np.float32)
    small = place(np.ones((64, 16, 12, 12), np.float32), memory)
    winner = place(np.zeros(small.shape, np.uint8), memory)

    calls = [
        (cpu.conv_forward, x, weight, bias, y, window, 1, workspace),
        (cpu.conv_backward_data, y, weight, dx, window, 1, workspace),
        (cpu.conv_backward_weight, x, y, weight, bias, window, 1, workspace),
        (cpu.sum_to_channels, y, bias, workspace),
        (cpu.max_pool_forward, x, pool, small, winner, workspace),
        (cpu.max_pool_values, x, pool, small, workspace),
        (cpu.max_pool_backward, small, winner, pool, dx, workspace),
        (cpu.average_pool_forward, x, pool, small, workspace),
        (cpu.average_pool_backward, small, pool, dx, workspace),
        (cpu.softmax_forward, x, 1, y, workspace),
        (cpu.softmax_backward, y, x, 1, dx, workspace),
    ]
    for call in calls:
        peak = memory_taken(*call)
        # NumPy's own buffers, where types are mixed, hold 8192 values each; every thread has some.
        assert peak < 300_000 < x.nbytes / 7, f"{call[0].__name__} took {peak} bytes"


def memory_taken(kernel, *args):
    """Bytes that a second call of a kernel takes at its height."""
    kernel(*args)
    return peak_of(lambda: kernel(*args))
