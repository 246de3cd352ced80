"""SoftmaxWithLoss on given probabilities: the sum of log losses, and its gradient."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.labels import label_index
from minicaffe.backend.kernels import SMALLEST_PROBABILITY
from minicaffe.backend.workspace import Workspace


def softmax_loss_forward(
    prob: np.ndarray, label: np.ndarray, axis: int, ignore: int | None, workspace: Workspace
) -> tuple[float, int]:
    index, valid = label_index(label, prob.shape, axis, ignore)
    chosen = np.take_along_axis(prob, index, axis)
    if valid is not None:
        chosen = chosen[valid]
    logs = np.log(np.maximum(chosen, prob.dtype.type(SMALLEST_PROBABILITY)))
    return -float(logs.sum(dtype=np.float64)), chosen.size


def softmax_loss_backward(prob: np.ndarray, label: np.ndarray, axis: int, ignore: int | None, dx: np.ndarray) -> None:
    index, valid = label_index(label, prob.shape, axis, ignore)
    np.copyto(dx, prob)
    np.put_along_axis(dx, index, np.take_along_axis(prob, index, axis) - 1, axis)
    if valid is not None:
        np.copyto(dx, 0, where=~valid)
