"""Storage: the memory behind a blob, with a host and a device copy and which of the two is newer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.backend.layout import C_ORDER
from minicaffe.backend.pages import PAGES

# Caffe's states (syncedmem.hpp). On the CPU both copies are one array, and the state never moves.
# ZEROS is ours: memory that counts as zeros, which nobody has written yet.
UNINITIALIZED, HEAD_AT_HOST, HEAD_AT_DEVICE, SYNCED, ZEROS = range(5)


class Storage:
    """Flat memory for `capacity` values, zero-filled, allocated when first touched.

    Blobs that share memory share their Storage. It may hold more than a blob uses: it only ever grows.
    order: how the bytes lie (see layout.py); the same for all who share it.
    """

    def __init__(self, backend: Any, dtype: Any) -> None:
        self.backend = backend
        self.dtype = np.dtype(dtype)
        self.order = C_ORDER
        self.capacity = 0
        self.state = UNINITIALIZED
        self._host: np.ndarray | None = None
        self._device: Any = None

    def grow(self, count: int) -> bool:
        """Make room for `count` values. True if that dropped the old memory, contents and all."""
        if count <= self.capacity:
            return False
        self.capacity = count
        self._forget()
        return True

    @property
    def host_is_newer(self) -> bool:
        """Whether the host copy holds the values, so that looking at it costs no transfer."""
        return self.state in (HEAD_AT_HOST, SYNCED)

    @property
    def allocated(self) -> bool:
        return self.state != UNINITIALIZED

    def device(self) -> Any:
        """The flat array that layers compute with; from now on it is the newer copy."""
        if self.state == SYNCED:
            return self._host
        if not self.backend.is_gpu:
            return self.host()
        if self.state != HEAD_AT_DEVICE:
            # Not on whichever GPU this thread happens to have selected.
            with self.backend.at_work():
                self._to_device()
        return self._device

    def _to_device(self) -> None:
        if self.state == ZEROS:
            self._device.fill(0)
        elif self.state == UNINITIALIZED:
            self._device = self.backend.zeros(self.capacity, self.dtype)
        else:
            if self._device is None:
                self._device = self.backend.xp.empty(self.capacity, self.dtype)
            self._device.set(self._host)
        self.state = HEAD_AT_DEVICE

    def host(self, fetch: bool = True) -> np.ndarray:
        """The flat NumPy array that scripts see; from now on it is the newer copy.

        fetch: False for a caller who overwrites all of it, and needs nothing from the device.
        """
        if self._host is None:
            self._host = PAGES.zeros(self.capacity, self.dtype)
        elif self.state == ZEROS:
            self._host.fill(0)
        if self.state == HEAD_AT_DEVICE and fetch:
            self._device.get(out=self._host)
        self.state = HEAD_AT_HOST if self.backend.is_gpu else SYNCED
        return self._host

    def zero_later(self) -> None:
        """Let the contents count as zeros from now on. They are written when someone looks, or never."""
        if self.backend.is_gpu and self._device is None:
            # At most a script has looked: the device has no memory yet that could be claimed.
            if self._host is not None:
                self._host.fill(0)
        elif self.allocated:
            self.state = ZEROS

    def claim_zeros(self) -> Any:
        """The flat array that layers compute with if its zeros are not written yet, else None.

        Who claims it must overwrite all of it: that spares writing zeros, and reading them back to add to.
        """
        if self.state != ZEROS:
            return None
        self.state = HEAD_AT_DEVICE if self.backend.is_gpu else SYNCED
        return self._device if self.backend.is_gpu else self._host

    def rebind(self, flat: Any) -> None:
        """Move into `flat`, a zeroed slice of a larger buffer of the same backend; contents come along.

        Memory that was never touched is not touched here either: its pages cost nothing yet.
        """
        if self.allocated:
            flat[...] = self.device()[: flat.size]
        self._forget()
        self.capacity = flat.size
        if self.backend.is_gpu:
            self._device, self.state = flat, HEAD_AT_DEVICE
        else:
            self._host, self.state = flat, SYNCED

    def adopt(self, array: np.ndarray) -> None:
        """Use a caller's flat host array from now on, without a copy."""
        self._forget()
        self.capacity = array.size
        self._host = array
        self.state = HEAD_AT_HOST if self.backend.is_gpu else SYNCED

    def _forget(self) -> None:
        self._host = self._device = None
        self.state = UNINITIALIZED
