"""Log losses of given probabilities, and the gradient where these come from a softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend.gpu.arrays import around, c_order, written
from minicaffe.backend.gpu.labels import as_double
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.workspace import Workspace

Array = Any

LOG_LOSS_FORWARD = Kernel(r"""
extern "C" __global__ void log_loss_forward(Index total, const T* prob, const T* label, Index channels, Index inner,
                                            double ignore, double smallest, double* loss, double* valid)
{
    GRID_STRIDE_LOOP(i, total) {
        bool counts = trunc((double)label[i]) != ignore;
        valid[i] = counts;
        loss[i] = 0;
        if (counts) {
            T p = prob[(i / inner * channels + (Index)label[i]) * inner + i % inner];
            loss[i] = -log(p < (T)smallest ? (T)smallest : p);  // NaN stays NaN
        }
    }
}
""")

SOFTMAX_LOSS_BACKWARD = Kernel(r"""
// i: an element of dx.
extern "C" __global__ void softmax_loss_backward(Index total, const T* prob, const T* label, Index channels,
                                                 Index inner, double ignore, const T* scale, T* dx)
{
    GRID_STRIDE_LOOP(i, total) {
        Index c = i / inner % channels;
        T at = label[i / inner / channels * inner + i % inner];
        T slope = *scale * (prob[i] - (c == (Index)at ? 1 : 0));
        dx[i] = trunc((double)at) == ignore ? T(0) : slope;
    }
}
""")


def log_loss_forward(
    prob: Array, label: Array, axis: int, ignore: int | None, smallest: float, workspace: Workspace
) -> tuple:
    """As kernels.py.  One value a position, then one sum over them all, in float64."""
    _, channels, inner = around(prob, axis)
    terms = workspace.array("kernel:loss", (2, label.size), np.float64)
    LOG_LOSS_FORWARD.launch(
        *(label.size, c_order(prob), c_order(label), channels, inner),
        *(as_double(ignore), smallest, terms[0], terms[1]),
        T=prob.dtype,
    )
    loss, valid = terms.sum(axis=1)
    return loss, (label.size if ignore is None else valid)


def softmax_loss_backward(prob: Array, label: Array, axis: int, ignore: int | None, scale: Array, dx: Array) -> None:
    """As kernels.py."""
    _, channels, inner = around(prob, axis)
    with written(dx) as out:
        SOFTMAX_LOSS_BACKWARD.launch(
            *(prob.size, c_order(prob), c_order(label), channels, inner),
            *(as_double(ignore), scale, out),
            T=prob.dtype,
        )
