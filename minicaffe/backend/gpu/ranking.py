"""The greatest values of lines, by CuPy's reduction and sort."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.workspace import Workspace

Array = Any


def last_maximum(x: Array, axis: int, place: Array, workspace: Workspace) -> None:
    """As kernels.py.  The reduction finds the first one, so it runs from the end."""
    import cupy

    place[...] = x.shape[axis] - 1 - cupy.flip(x, axis).argmax(axis=axis)


def rank_lines(lines: Array, index: Array, workspace: Workspace) -> None:
    """As kernels.py."""
    if index.shape[1] == 1:
        index[:, 0] = lines.argmax(axis=1)
    elif index.size:
        # Sorted upwards and read backwards, equals would come in reverse: so the lines go in back to front.
        backwards = lines[:, ::-1].argsort(axis=1, kind="stable")
        index[...] = lines.shape[1] - 1 - backwards[:, ::-1][:, : index.shape[1]]
