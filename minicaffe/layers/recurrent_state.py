"""RecurrentState: what a recurrent layer remembers from one forward pass to the next."""

from __future__ import annotations

import base64
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.blob import DATA, Blob, shape_text
from minicaffe.errors import FormatError, ShapeError
from minicaffe.layers.base import Layer


class RecurrentState:
    """One blob (1, N, D) for each state that a layer carries over; zeros at first.

    names: of the states, as a snapshot lists them.
    Where N changes the blobs keep their contents as all blobs do: fewer streams go on with the first states, more
    than ever before begin with zeros. As Caffe's.
    """

    def __init__(self, layer: Layer, names: Sequence[str]) -> None:
        # The layer owns this, and a cycle would outlive the net.
        self._layer: Layer = weakref.proxy(layer)
        self._blobs = {name: layer.new_blob((0,)) for name in names}

    def reshape(self, streams: int, size: int) -> None:
        for blob in self._blobs.values():
            blob.reshape(1, streams, size)

    def reset(self) -> None:
        """Forget: all states are zeros."""
        for blob in self._blobs.values():
            blob.data.fill(0)

    @property
    def arrays(self) -> list[Any]:
        """The states on the device, each (N, D)."""
        return [blob.data[0] for blob in self._blobs.values()]

    def state(self) -> dict:
        """Plain numbers and strings: of each state its shape, its dtype, and its bytes in base 64."""
        return {name: as_text(blob) for name, blob in self._blobs.items()}

    def restore(self, state: dict) -> None:
        """Take up what `state` gave; where that fails, all is as before.

        Raises FormatError for what it cannot have given, ShapeError where its states have another length.
        """
        arrays = {name: self.read(state, name) for name in self._blobs}
        for name, blob in self._blobs.items():
            now = blob.shape
            blob.reshape(*arrays[name].shape)
            blob.load(DATA, arrays[name])
            blob.reshape(*now)

    def read(self, state: dict, name: str) -> np.ndarray:
        """The values of one state, (1, streams, D)."""
        try:
            array = from_text(state[name])
            if array.ndim != 3 or len(array) != 1:
                raise ValueError(f"has the shape {shape_text(array.shape)}")
        except (KeyError, TypeError, ValueError) as error:
            found = f"is damaged ({error})" if name in state else "is not in it"
            text = f"cannot go on from the snapshot: the state {name} {found}; begin a new run with its weights"
            raise self._layer.error(FormatError, text) from error
        size = self._blobs[name].shape[2]
        if array.shape[2] != size:
            text = f"is {size}, but the state {name} to go on from has the shape {shape_text(array.shape)}"
            advice = f"set it to {array.shape[2]}, or give the weights alone, without the solver state"
            raise self._layer.error(ShapeError, f"{text}: {advice}", "recurrent_param.num_output")
        return array


def as_text(blob: Blob) -> dict:
    array = blob.host_array(DATA)
    little = array.astype(array.dtype.newbyteorder("<"))
    return {"shape": list(blob.shape), "dtype": blob.dtype.name, "data": base64.b64encode(little.tobytes()).decode()}


def from_text(text: dict) -> np.ndarray:
    dtype = np.dtype(text["dtype"]).newbyteorder("<")
    return np.frombuffer(base64.b64decode(text["data"]), dtype).reshape(text["shape"])
