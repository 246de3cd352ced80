"""Bottoms that choose rows, as BatchReindex, Embed and Filter read them; they have no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend import CPU
from minicaffe.blob import DATA, Blob
from minicaffe.errors import DataError
from minicaffe.layers.base import Layer


def read_rows(layer: Layer, index: int, blob: Blob, count: int, whole: bool = False) -> Any:
    """The numbers in bottom[index] as integers, (blob.count,), lent until the layer's forward or backward returns.

    Raises DataError for one outside 0 ... count - 1, and with `whole` for a fraction, which else is cut off. Numbers
    fresh from the host are looked at there, which spares a GPU the wait.
    """
    if blob.storage(DATA).host_is_newer:
        values: Any = blob.host_array(DATA)
        place = CPU.kernels.find_bad_row(values, count, whole)
    else:
        values = blob.data
        place = layer.kernels.find_bad_row(values, count, whole)
    if place >= 0:
        value = float(values.reshape(-1)[place])
        text = f"bottom[{index}] holds {value:g} at position {place}, must hold {'whole ' * whole}numbers between 0 and"
        raise layer.error(DataError, f"{text} {count - 1}: the rows there are to choose from")
    return rows_of(layer, blob)


def rows_of(layer: Layer, blob: Blob) -> Any:
    """read_rows for numbers that have been looked at."""
    rows = layer.workspace.array("rows", (blob.count,), np.int64)
    rows.reshape(blob.shape)[...] = blob.data
    return rows
