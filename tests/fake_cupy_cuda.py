"""The part of the stand-in for CuPy that knows no arrays: devices, streams, the runtime."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

# What tests may change; reset() puts it back.
settings = SimpleNamespace()
_thread = threading.local()


def reset() -> None:
    """Two devices, the first one current; kernels launched over the grid that was asked for.

    launch_shape: (grid, block, last thread first), to be used instead of what was asked for.
    """
    settings.device_count, settings.launch_shape = 2, None
    _thread.device = 0


reset()


def current_device() -> int:
    return getattr(_thread, "device", 0)


class Device:
    """A GPU; as a context manager, the current one for a while."""

    def __init__(self, device: int | None = None) -> None:
        self.id = current_device() if device is None else device

    def use(self) -> None:
        if not 0 <= self.id < settings.device_count:
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
        _thread.device = self.id

    def synchronize(self) -> None:
        pass

    def __enter__(self):
        self._before = current_device()
        self.use()
        return self

    def __exit__(self, *error):
        _thread.device = self._before

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Stream:
    """All work is done when the call returns."""

    def synchronize(self) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Event:
    """A point in time."""

    def __init__(self, block=False, disable_timing=False) -> None:
        self.time = 0.0

    def record(self, stream=None) -> None:
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        pass


def _properties(device_id: int) -> dict:
    return {"name": b"Fake GPU %d" % device_id, "major": 9, "minor": 0, "totalGlobalMem": 2**33}


cuda = SimpleNamespace(
    Device=Device,
    Event=Event,
    Stream=Stream,
    get_current_stream=Stream,
    get_elapsed_time=lambda start, end: 1000 * (end.time - start.time),
    is_available=lambda: settings.device_count > 0,
    runtime=SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        driverGetVersion=lambda: 12090,
        runtimeGetVersion=lambda: 12090,
        getDeviceCount=lambda: settings.device_count,
        getDevice=current_device,
        getDeviceProperties=_properties,
    ),
)
