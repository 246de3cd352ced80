"""Bottoms whose numbers are indices: looked at before they are used; rows of BatchReindex, Embed and Filter."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend import CPU
from minicaffe.blob import DATA, Blob
from minicaffe.errors import DataError
from minicaffe.layers.base import Layer


def read_rows(layer: Layer, index: int, blob: Blob, count: int, whole: bool = False) -> Any:
    """The numbers in bottom[index] as integers, (blob.count,), lent until the layer's forward or backward returns.

    Raises DataError for one outside 0 ... count - 1, and with `whole` for a fraction, which else is cut off.
    """
    place, value = first_bad(layer, blob, "find_bad_row", count, whole)
    if place >= 0:
        text = f"bottom[{index}] holds {value:g} at position {place}, must hold {'whole ' * whole}numbers between 0 and"
        raise layer.error(DataError, f"{text} {count - 1}: the rows there are to choose from")
    return rows_of(layer, blob)


def first_bad(layer: Layer, blob: Blob, kernel: str, *accepted: Any) -> tuple[int, float]:
    """(the place of the first value that `kernel`, find_bad_row or find_bad_label, does not accept, or -1; that value).

    Values fresh from the host are looked at there, which spares a GPU the wait. Call it before blob.data.
    """
    is_fresh = blob.storage(DATA).host_is_newer
    values, kernels = (blob.host_array(DATA), CPU.kernels) if is_fresh else (blob.data, layer.kernels)
    place = getattr(kernels, kernel)(values, *accepted)
    return place, float(values.reshape(-1)[place]) if place >= 0 else 0.0


def rows_of(layer: Layer, blob: Blob) -> Any:
    """read_rows for numbers that have been looked at."""
    rows = layer.workspace.array("rows", (blob.count,), np.int64)
    rows.reshape(blob.shape)[...] = blob.data
    return rows
