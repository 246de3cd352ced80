"""Depthwise convolution in pieces of every size against the definition, and its two parts each by itself."""

import kernel_definitions
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from kernel_cases import cases
from kernel_machines import assert_same, run

from minicaffe.backend import CPU, cpu, layout
from minicaffe.backend.cpu import conv, conv_depthwise
from minicaffe.backend.cpu.conv_depthwise import axis_phases
from minicaffe.backend.cpu.taps_met import evenly, pieces, taps_met
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

CASES = [(case, kernel, args) for case, kernel, args in cases() if case.startswith("depthwise")]


@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
@pytest.mark.parametrize("piece_bytes", [1, 400])
@pytest.mark.parametrize("case, kernel, args", CASES)
def test_small_pieces(monkeypatch, piece_bytes, memory, case, kernel, args):
    monkeypatch.setattr(conv_depthwise, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(
        conv_depthwise, "channel_jobs", lambda channels, y, window: [(0, slice(0, 1)), (1, slice(1, channels))]
    )
    wanted = run(CPU, kernel_definitions, kernel, args, "float64")
    assert_same(run(CPU, cpu, kernel, args, "float64", memory), wanted, "float64")


@pytest.mark.parametrize(
    "weight, group, suits",
    [
        ((4, 1, 3, 3), 4, True),
        ((8, 1, 3, 3), 4, True),
        ((12, 1, 3, 3), 4, False),
        ((4, 2, 3, 3), 2, False),
        ((20, 1, 5, 5), 1, False),
    ],
)
def test_which_convolutions_are_depthwise(weight, group, suits):
    assert conv_depthwise.suits(np.empty(weight), group) is suits


def test_convolution_comes_here(monkeypatch):
    came = []
    monkeypatch.setattr(conv_depthwise, "forward", lambda *args: came.append(args))
    x, y = np.zeros((2, 3, 4, 5)), np.zeros((2, 3, 2, 3))
    conv.conv_forward(x, np.zeros((3, 1, 3, 3)), None, y, Window.of((3, 3)), 3, Workspace(CPU))
    assert came


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 4), st.integers(1, 9))
def test_phases_hold_each_pair_of_a_pixel_and_its_tap_once(kernel, stride, pad, dilation, image):
    """Pixel q meets tap j in output o where o * stride - pad + j * dilation = q."""
    found = []
    for pixels, taps, count, around, step in axis_phases(kernel, stride, pad, dilation, image):
        numbers = list(range(kernel))[taps]
        assert len(numbers) == count
        for m, q in enumerate(list(range(image))[pixels]):
            found += [(q, j, m - around + t * step) for t, j in enumerate(numbers)]
    wanted = [
        (q, j, (q + pad - j * dilation) // stride)
        for q in range(image)
        for j in range(kernel)
        if (q + pad - j * dilation) % stride == 0
    ]
    assert sorted(found) == sorted(wanted)


@given(st.integers(0, 5), st.integers(0, 20), st.integers(-2, 9))
def test_even_slices(start, size, most):
    slices = evenly(start, start + size, most)
    assert [i for part in slices for i in range(part.start, part.stop)] == list(range(start, start + size))
    lengths = {part.stop - part.start for part in slices}
    assert all(1 <= length <= max(1, most) for length in lengths) and (not lengths or max(lengths) - min(lengths) <= 1)


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 3), st.booleans(), st.integers(1, 20000))
def test_pieces_cover_every_output_once(channels, rows, stride, batched, limit):
    window = Window.of((3, 2), (stride, 1))
    output = (rows, 5) + (4,) * batched
    seen = np.zeros((channels, rows), int)
    for c, r in pieces(slice(0, channels), output, window, 4, limit):
        seen[c, r] += 1
        assert r == slice(0, rows) or c.stop - c.start == 1
    assert (seen == 1).all()


def test_what_taps_meet_is_not_copied_where_it_need_not_be(rng):
    """With the batch innermost and no padding: a view of the image itself."""
    image = rng.normal(size=(2, 6, 7, 3))
    met = taps_met(image, (4, 6, 3), Window.of((3, 2)), 0, Workspace(CPU), 0)
    assert np.shares_memory(met, image)
    for i, j in np.ndindex(3, 2):
        np.testing.assert_array_equal(met[:, i, j].reshape(2, 4, 6, 3), image[:, i : i + 4, j : j + 6])
