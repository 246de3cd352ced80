"""Log losses of given probabilities, and the gradient where these come from a softmax."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.labels import label_index
from minicaffe.backend.workspace import Workspace


def log_loss_forward(
    prob: np.ndarray, label: np.ndarray, axis: int, ignore: int | None, smallest: float, workspace: Workspace
) -> tuple[float, int]:
    index, valid = label_index(label, prob.shape, axis, ignore)
    chosen = np.take_along_axis(prob, index, axis)
    if valid is not None:
        chosen = chosen[valid]
    logs = np.log(np.maximum(chosen, prob.dtype.type(smallest)))
    return -float(logs.sum(dtype=np.float64)), chosen.size


def softmax_loss_backward(
    prob: np.ndarray, label: np.ndarray, axis: int, ignore: int | None, scale: np.ndarray, dx: np.ndarray
) -> None:
    index, valid = label_index(label, prob.shape, axis, ignore)
    np.multiply(prob, scale, out=dx)
    # From the probability itself: where it is almost 1, scale * p - scale would lose the difference.
    np.put_along_axis(dx, index, (np.take_along_axis(prob, index, axis) - 1) * scale, axis)
    if valid is not None:
        np.copyto(dx, 0, where=~valid)
