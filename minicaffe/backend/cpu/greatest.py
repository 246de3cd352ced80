"""Max pooling where nobody will ask which pixel it was: the columns' maxima first, then the maxima of these.

A third of the work of max_pooling.py, which compares where this takes the greater of two.
"""

from __future__ import annotations

import functools

import numpy as np

from minicaffe.backend import layout
from minicaffe.backend.cpu.pooling import by_channels, taps
from minicaffe.backend.geometry import Window
from minicaffe.backend.kernels import LOWEST
from minicaffe.backend.workspace import Workspace

Index = tuple[slice, ...]


def max_pool_values(x: np.ndarray, window: Window, y: np.ndarray, workspace: Workspace) -> None:
    """y of max_pool_forward (backend/kernels.py)."""
    between = (*x.shape[:2], y.shape[2], *x.shape[3:])
    columns = workspace.array("kernel:columns", between, x.dtype, layout.order_of(y))

    def pool(x: np.ndarray, y: np.ndarray, columns: np.ndarray) -> None:
        greatest(x, 2, window, columns)
        greatest(columns, 3, window, y)
        # np.maximum hands NaN on, which is above nothing; the slower np.fmax passes it over.
        if not y.min(initial=np.inf) > LOWEST:
            pool_taps(x, window, y)

    by_channels(pool, x, y, columns)


def greatest(x: np.ndarray, axis: int, window: Window, out: np.ndarray) -> None:
    """out = the maximum along one axis, 2 or 3, of each window's pixels; LOWEST where it has none."""
    whole, others = along(window, axis, x.shape[axis], out.shape[axis])
    if len(whole) > 1:
        # Two at once: nothing is copied only to be compared.
        np.maximum(x[whole[0]], x[whole[1]], out=out)
        whole = whole[2:]
    else:
        out.fill(LOWEST)
    for pixels in whole:
        np.maximum(out, x[pixels], out=out)
    for pixels, places in others:
        np.maximum(out[places], x[pixels], out=out[places])


@functools.lru_cache(maxsize=1024)
def along(window: Window, axis: int, size: int, output: int) -> tuple[list[Index], list[tuple[Index, Index]]]:
    """What the window's taps along one axis meet: the pixels of those that every window has, then (pixels, outputs)."""
    line = Window.of(*(sizes[axis - 2 : axis - 1] for sizes in (window.kernel, window.stride, window.pad)))
    before = (slice(None),) * axis
    taps = [(before + pixels, before + places) for _, pixels, places in line.each_tap((size,), (output,))]
    whole = [pixels for pixels, places in taps if places[-1] == slice(0, output)]
    return whole, [(pixels, places) for pixels, places in taps if places[-1] != slice(0, output)]


def pool_taps(x: np.ndarray, window: Window, y: np.ndarray) -> None:
    """Tap by tap, from LOWEST."""
    y.fill(LOWEST)
    for _, pixels, best in taps(x, window, y):
        np.fmax(best, pixels, out=best)
