"""Convolution by rows, made to take shapes far smaller than those it is meant for, against the definition."""

import kernel_definitions
import numpy as np
import pytest
from kernel_cases import cases
from kernel_machines import assert_same, run

from minicaffe.backend import CPU, cpu, layout
from minicaffe.backend.cpu import conv_depthwise, conv_rows
from minicaffe.backend.geometry import Window

CASES = [(case, kernel, args) for case, kernel, args in cases() if kernel.startswith("conv_")]


@pytest.mark.parametrize("piece_bytes", [1, 1 << 21])
@pytest.mark.parametrize("case, kernel, args", CASES)
def test_odd_shapes(monkeypatch, piece_bytes, case, kernel, args):
    monkeypatch.setattr(conv_rows, "SHORTEST_ROW", 1)
    monkeypatch.setattr(conv_depthwise, "suits", lambda weight, group: False)
    monkeypatch.setattr(conv_rows, "PIECE_BYTES", piece_bytes)
    wanted = run(CPU, kernel_definitions, kernel, args, "float64")
    assert_same(run(CPU, cpu, kernel, args, "float64", layout.BATCH_INNERMOST), wanted, "float64")


@pytest.mark.parametrize(
    "window, shape, memory, suits",
    [
        (Window.of((3, 3)), (64, 2, 4, 4), layout.BATCH_INNERMOST, True),
        (Window.of((3, 3)), (63, 2, 4, 4), layout.BATCH_INNERMOST, False),
        (Window.of((3, 3)), (64, 2, 4, 4), layout.C_ORDER, False),
        (Window.of((1, 1)), (64, 2, 4, 4), layout.BATCH_INNERMOST, False),
        (Window.of((1, 1), (2, 2)), (64, 2, 4, 4), layout.BATCH_INNERMOST, True),
        (Window.of((3, 3), dilation=(1, 2)), (64, 2, 4, 4), layout.BATCH_INNERMOST, True),
        (Window.of((3, 3), dilation=(2, 1)), (64, 2, 4, 4), layout.BATCH_INNERMOST, False),
        (Window.of((3, 3)), (64, 2, 0, 4), layout.BATCH_INNERMOST, False),
    ],
)
def test_which_convolutions_go_by_rows(window, shape, memory, suits):
    y = layout.view(np.empty(int(np.prod(shape))), shape, memory)
    assert conv_rows.suits(y, window) is suits
