"""InfogainLoss: a thread for each position sums over the classes, or one for each element of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend.gpu.arrays import around, c_order, written
from minicaffe.backend.gpu.labels import as_double
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.workspace import Workspace

Array = Any

INFOGAIN_LOSS_FORWARD = Kernel(r"""
extern "C" __global__ void infogain_loss_forward(Index total, const T* prob, const T* label, const T* matrix,
                                                 Index channels, Index inner, double ignore, double smallest,
                                                 double* loss, double* valid)
{
    GRID_STRIDE_LOOP(i, total) {
        bool counts = trunc((double)label[i]) != ignore;
        const T* row = matrix + (counts ? (Index)label[i] : 0) * channels;
        const T* first = prob + i / inner * channels * inner + i % inner;
        double sum = 0;
        for (Index c = 0; c < channels; c++) {
            T p = first[c * inner];
            sum -= row[c] * log(p < (T)smallest ? (T)smallest : p);
        }
        valid[i] = counts;
        loss[i] = counts ? sum : 0;
    }
}
""")

INFOGAIN_LOSS_BACKWARD = Kernel(r"""
// i: an element of dx.  sums: of the matrix's rows.
extern "C" __global__ void infogain_loss_backward(Index total, const T* prob, const T* label, const T* matrix,
                                                  const T* sums, Index channels, Index inner, double ignore,
                                                  const T* scale, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        T at = label[i / inner / channels * inner + i % inner];
        bool counts = trunc((double)at) != ignore;
        Index row = counts ? (Index)at : 0;
        T slope = *scale * (prob[i] * sums[row] - matrix[row * channels + i / inner % channels]);
        dx[i] = counts ? slope : T(0);
    }
}
""")


def infogain_loss_forward(
    prob: Array, label: Array, matrix: Array, axis: int, ignore: int | None, smallest: float, workspace: Workspace
) -> tuple:
    """As kernels.py.  One value a position, then one sum over them all, in float64."""
    _, channels, inner = around(prob, axis)
    terms = workspace.array("kernel:loss", (2, label.size), np.float64)
    INFOGAIN_LOSS_FORWARD.launch(
        *(label.size, c_order(prob), c_order(label), c_order(matrix), channels, inner),
        *(as_double(ignore), smallest, terms[0], terms[1]),
        T=prob.dtype,
    )
    loss, valid = terms.sum(axis=1)
    return loss, (label.size if ignore is None else valid)


def infogain_loss_backward(
    prob: Array,
    label: Array,
    matrix: Array,
    axis: int,
    ignore: int | None,
    scale: Array,
    dx: Array,
    workspace: Workspace,
) -> None:
    """As kernels.py."""
    _, channels, inner = around(prob, axis)
    sums = matrix.sum(axis=1, out=workspace.array("kernel:sums", (channels,), matrix.dtype))
    with written(dx) as out:
        INFOGAIN_LOSS_BACKWARD.launch(
            *(prob.size, c_order(prob), c_order(label), c_order(matrix), sums, channels, inner),
            *(as_double(ignore), scale, out),
            T=prob.dtype,
        )
