"""Accuracy's count: a thread per position compares its classes with the label's."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.gpu.arrays import around, c_order, written
from minicaffe.backend.gpu.labels import as_double
from minicaffe.backend.gpu.launch import Kernel

Array = Any

ACCURACY_FORWARD = Kernel(r"""
extern "C" __global__ void accuracy_forward(Index total, const T* x, const T* label, Index channels, Index inner,
                                            Index top_k, double ignore, unsigned char* correct, unsigned char* valid)
{
    GRID_STRIDE_LOOP(i, total) {
        bool counts = trunc((double)label[i]) != ignore;
        Index better = 0;
        if (counts) {
            const T* score = x + i / inner * channels * inner + i % inner;
            Index right = (Index)label[i];
            for (Index c = 0; c < channels; c++)
                better += c != right && score[c * inner] >= score[right * inner];
        }
        correct[i] = counts && better < top_k;
        valid[i] = counts;
    }
}
""")


def accuracy_forward(
    x: Array, label: Array, axis: int, top_k: int, ignore: int | None, correct: Array, valid: Array
) -> None:
    """As kernels.py."""
    _, channels, inner = around(x, axis)
    with written(correct) as right, written(valid) as counted:
        ACCURACY_FORWARD.launch(
            *(label.size, c_order(x), c_order(label), channels, inner),
            *(top_k, as_double(ignore), right, counted),
            T=x.dtype,
        )
