"""Arrays in another shape: a view where their memory order allows it, else a copy in scratch memory."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from minicaffe.backend import layout
from minicaffe.backend.layout import Shape
from minicaffe.backend.workspace import Workspace


def regrouped_view(array: Any, shape: Shape) -> Any:
    """The whole array `array` as a view of `shape` (same count), or None where only a copy could have it.

    With the batch innermost the axes behind the batch may be regrouped, the batch itself may not.
    """
    if array.shape == shape:
        return array
    if layout.order_of(array) == layout.C_ORDER:
        return array.reshape(shape)
    if len(shape) > 1 and shape[0] == array.shape[0]:
        flat = layout.batch_last(array).reshape(-1)
        return layout.view(flat, shape, layout.BATCH_INNERMOST)
    return None


def regrouped(array: Any, shape: Shape, workspace: Workspace, name: str) -> Any:
    """`array` as `shape`, to be read: a view, or a C-order copy in the scratch array `name`."""
    view = regrouped_view(array, shape)
    if view is None:
        view = workspace.array(name, shape, array.dtype)
        view.reshape(array.shape)[...] = array
    return view


def regrouped_out(array: Any, shape: Shape, workspace: Workspace, name: str) -> AbstractContextManager[Any]:
    """`array` as `shape`, to be overwritten inside the with block: a view, or scratch that is copied at its end."""
    view = regrouped_view(array, shape)
    return CopiedBack(array, workspace.array(name, shape, array.dtype)) if view is None else nullcontext(view)


class CopiedBack(AbstractContextManager[Any]):
    """Scratch memory to write into; what is there at the end of the with block is copied to `array`."""

    def __init__(self, array: Any, scratch: Any) -> None:
        self.array, self.scratch = array, scratch

    def __enter__(self) -> Any:
        return self.scratch

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self.array[...] = self.scratch.reshape(self.array.shape)
