"""Softmax along one axis, and its gradient."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.workspace import Workspace


def softmax_forward(x: np.ndarray, axis: int, y: np.ndarray, workspace: Workspace) -> None:
    """The maximum is taken off first, so that no exponential overflows."""
    line = line_of(x, axis, workspace)
    np.max(x, axis=axis, keepdims=True, out=line)
    np.subtract(x, line, out=y)
    np.exp(y, out=y)
    np.sum(y, axis=axis, keepdims=True, out=line)
    np.divide(y, line, out=y)


def softmax_backward(y: np.ndarray, dy: np.ndarray, axis: int, dx: np.ndarray, workspace: Workspace) -> None:
    line, product = line_of(y, axis, workspace), workspace.like(y, "kernel:product")
    np.multiply(y, dy, out=product)
    np.sum(product, axis=axis, keepdims=True, out=line)
    np.subtract(dy, line, out=dx)
    np.multiply(dx, y, out=dx)


def line_of(x: np.ndarray, axis: int, workspace: Workspace) -> np.ndarray:
    """Scratch memory of x's shape with `axis` shrunk to 1."""
    shape = x.shape[:axis] + (1,) + x.shape[axis + 1 :]
    return workspace.array("kernel:line", shape, x.dtype)
