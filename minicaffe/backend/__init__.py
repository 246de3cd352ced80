"""The switch: which device this thread's next net is built for, and what runs there.

    active().xp        numpy or cupy, for plain array work
    active().kernels   the hot loops, one interface (kernels.py), two twins (cpu/, gpu/)

A net takes the active backend when it is built and keeps it.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from minicaffe.backend import cpu
from minicaffe.backend.cpu.team import TEAM, one_blas_thread
from minicaffe.backend.layout import LAYOUTS, Layout, c_order
from minicaffe.backend.pages import PAGES


class Backend:
    """A device, its array module and its kernels.

    name: "cpu", "gpu:0".  xp: numpy or cupy.  kernels: the twin of kernels.py for this device.
    """

    def __init__(self, name: str, xp: Any, kernels: ModuleType, device_id: int | None = None) -> None:
        self.name, self.xp, self.kernels, self.device_id = name, xp, kernels, device_id

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """What copy.deepcopy and pickle find first in a net, a blob, a layer and a solver."""
        text = "nets, blobs, layers and solvers cannot be pickled or copied"
        advice = "take arrays, blob.data.copy(), or build the net anew, there or here, and load what save wrote"
        raise TypeError(f"{text}: {advice}")

    @property
    def is_gpu(self) -> bool:
        return self.device_id is not None

    @property
    def threads(self) -> int:
        """How many of the process's threads share a kernel's work. Sums are cut up by it."""
        return 1 if self.is_gpu else TEAM.size

    def layout(self, memory_order: str = "auto") -> Layout:
        """The rule for the memory order of a net's blobs; on a GPU always C order unless forced."""
        if memory_order not in LAYOUTS:
            raise ValueError(f"memory_order is {memory_order!r}, must be one of {', '.join(LAYOUTS)}")
        return c_order if self.is_gpu and memory_order == "auto" else LAYOUTS[memory_order]

    def zeros(self, count: int, dtype: Any) -> Any:
        """Zeroed flat memory for a net; on the CPU it takes none until it is written."""
        return self.xp.zeros(count, dtype) if self.is_gpu else PAGES.zeros(count, dtype)

    def to_host(self, array: Any) -> np.ndarray:
        """A NumPy array of the same values: `array` itself on the CPU, a copy from a GPU."""
        return array.get() if self.is_gpu else np.asarray(array)

    def at_work(self) -> AbstractContextManager[None]:
        """Wraps whatever calls kernels: on the CPU, BLAS leaves the threads to the kernels meanwhile."""
        return one_blas_thread()

    def share(self, function: Callable[[Any], Any], parts: Sequence[Any]) -> None:
        """function(part) for every part, on the CPU by several threads at once; parts must not depend on each other."""
        if self.is_gpu:
            for part in parts:
                function(part)
        else:
            TEAM.run(function, parts)

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"


CPU = Backend("cpu", np, cpu)
_thread = threading.local()


def active() -> Backend:
    """The backend that this thread's next net will use; the CPU unless set_mode_gpu was called."""
    return getattr(_thread, "backend", CPU)


def set_mode_cpu() -> None:
    """Build the next nets for the CPU."""
    _thread.backend = CPU


def set_mode_gpu() -> None:
    """Build the next nets for the GPU chosen with set_device (0 by default).

    Raises DeviceError, saying what is missing, when CuPy, the driver or the device is not there.
    """
    from minicaffe.backend.gpu.device import open_gpu

    _thread.backend = open_gpu(getattr(_thread, "device_id", 0))


def set_device(id: int) -> None:
    """Choose this thread's GPU for set_mode_gpu, 0 for the first; takes effect at once if the GPU mode is on.

    Raises TypeError for what is no integer, DeviceError where the GPU mode is on and there is no such GPU.
    """
    try:
        _thread.device_id = operator.index(id)
    except TypeError:
        raise TypeError(f"set_device takes the number of a GPU, 0 for the first, not {id!r}") from None
    if active().is_gpu:
        set_mode_gpu()
