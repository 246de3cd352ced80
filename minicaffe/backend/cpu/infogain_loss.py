"""InfogainLoss: every position weighs the logarithms of all its probabilities by its label's row of a matrix."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.labels import in_memory, label_index
from minicaffe.backend.cpu.small_products import row_sums
from minicaffe.backend.workspace import Workspace


def infogain_loss_forward(
    prob: np.ndarray,
    label: np.ndarray,
    matrix: np.ndarray,
    axis: int,
    ignore: int | None,
    smallest: float,
    workspace: Workspace,
) -> tuple[float, int]:
    index, valid = label_index(label, prob.shape, axis, ignore)
    terms = np.maximum(prob, prob.dtype.type(smallest), out=workspace.like(prob, "kernel:terms"))
    np.log(terms, out=terms)
    terms *= label_rows(matrix, index, axis, prob, workspace)
    if valid is None:
        return 0.0 - float(terms.sum(dtype=np.float64)), label.size
    np.copyto(terms, 0, where=~valid)
    return 0.0 - float(terms.sum(dtype=np.float64)), int(np.count_nonzero(valid))


def infogain_loss_backward(
    prob: np.ndarray,
    label: np.ndarray,
    matrix: np.ndarray,
    axis: int,
    ignore: int | None,
    scale: np.ndarray,
    dx: np.ndarray,
    workspace: Workspace,
) -> None:
    index, valid = label_index(label, prob.shape, axis, ignore)
    np.multiply(prob, row_totals(matrix, index).astype(dx.dtype), out=dx)
    dx -= label_rows(matrix, index, axis, prob, workspace)
    dx *= scale
    if valid is not None:
        np.copyto(dx, 0, where=~valid)


def row_totals(matrix: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The sum of each position's row of the matrix."""
    if index.size < len(matrix):
        return row_sums(matrix[index.reshape(-1)]).reshape(index.shape)
    return row_sums(matrix)[index]


def label_rows(matrix: np.ndarray, index: np.ndarray, axis: int, prob: np.ndarray, workspace: Workspace) -> np.ndarray:
    """matrix[label, k] for each position and class k, as scratch memory in the order of prob."""
    classes = len(matrix)
    k = np.arange(classes).reshape((classes, *[1] * (prob.ndim - 1 - axis)))
    place = np.add(index * classes, k, out=workspace.like(prob, "kernel:place", np.intp))
    rows = workspace.like(prob, "kernel:rows")
    # The labels are checked already; any mode but "raise" writes into `out` itself.
    np.take(matrix, in_memory(place), out=in_memory(rows), mode="clip")
    return rows
