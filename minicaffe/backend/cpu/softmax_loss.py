"""Log losses of given probabilities, and the gradient where these come from a softmax."""

from __future__ import annotations

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.labels import in_memory, label_places
from minicaffe.backend.workspace import Workspace


def log_loss_forward(
    prob: np.ndarray, label: np.ndarray, axis: int, ignore: int | None, smallest: float, workspace: Workspace
) -> tuple[float, int]:
    values, place, valid = label_places(label, prob, axis, ignore)
    chosen = values.reshape(-1)[place]
    if valid is not None:
        chosen = chosen[valid]
    logs = np.log(np.maximum(chosen, prob.dtype.type(smallest)))
    # Not -sum: where nothing is lost, logs say 0, not -0.
    return 0.0 - float(logs.sum(dtype=np.float64)), chosen.size


def softmax_loss_backward(
    prob: np.ndarray, label: np.ndarray, axis: int, ignore: int | None, scale: np.ndarray, dx: np.ndarray
) -> None:
    if layout.order_of(prob) != layout.order_of(dx):
        # Rare: under a layer whose blobs lie in C order whatever the net's.
        np.copyto(dx, prob)
        prob = dx.copy("K")
    np.multiply(prob, scale, out=dx)
    values, place, valid = label_places(label, prob, axis, ignore)
    slopes = in_memory(dx).reshape(values.shape)
    # From the probability itself: where it is almost 1, scale * p - scale would lose the difference.
    slopes.reshape(-1)[place] = (values.reshape(-1)[place] - 1) * scale
    if valid is not None:
        np.copyto(slopes, 0, where=~valid[:, np.newaxis])
