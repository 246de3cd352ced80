"""What the update rule remembers, into a solverstate and out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.blob import shape_text
from minicaffe.errors import SolverError
from minicaffe.net.net import Net


def saved_history(net: Net, history: Sequence[Any]) -> list[Any]:
    """The history's arrays on the host."""
    return [net.backend.to_host(array) for array in history]


def check_history(net: Net, history: Sequence[Any], stored: Sequence[Any], path: str) -> None:
    """Raises SolverError unless a solverstate's history (StoredBlobs) is one of this rule for these parameters.

    As sgd_solver.cpp, RestoreSolverStateFromBinaryProto: shapes may differ, old files have them padded to four axes.
    """
    if len(stored) != len(history):
        text = (
            f"holds {len(stored)} blobs of history, this solver keeps {len(history)}: Incorrect length of history "
            "blobs. It was saved by another type of solver, or for another net"
        )
        raise SolverError(text, file=path)
    for index, (array, blob) in enumerate(zip(history, stored, strict=True)):
        if blob.data.size != array.size:
            text = (
                f"blob {index} of the history has shape {shape_text(blob.shape)}, the parameter that it belongs to "
                f"{shape_text(array.shape)}: the solver state was saved for another net"
            )
            raise SolverError(text, file=path, layer=_owner(net, index))


def load_history(net: Net, history: Sequence[Any], stored: Sequence[Any]) -> None:
    """Copy a checked history in."""
    xp = net.backend.xp
    for array, blob in zip(history, stored, strict=True):
        array[...] = xp.asarray(np.asarray(blob.data, array.dtype).reshape(array.shape))


def _owner(net: Net, index: int) -> str:
    """Name of the layer that a blob of the history belongs to."""
    blob = net.learnable_params[index % len(net.learnable_params)]
    return next((layer.name for layer in net.graph.layers if any(blob is own for own in layer.blobs)), "")
