"""Opening a GPU: what must be there, one check a step, and what to do about what is not."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from minicaffe.backend import Backend
from minicaffe.errors import DeviceError

INSTALL = 'pip install "minicaffe[cuda12x]" (for a driver of CUDA 12) or "minicaffe[cuda13x]" (CUDA 13)'
USE_CPU = "solver_mode: CPU in the solver file, --gpu none on the command line, or set_mode_cpu() in a script"

# cudaError_t, in driver_types.h of the CUDA toolkit
INSUFFICIENT_DRIVER = 35
NO_DEVICE = 100


class GpuBackend(Backend):
    """One NVIDIA GPU: CuPy's arrays and the CUDA twins of the kernels."""

    device_id: int

    def __init__(self, cupy: ModuleType, device_id: int) -> None:
        from minicaffe.backend import gpu

        super().__init__(f"gpu:{device_id}", cupy, gpu, device_id)

    @property
    def device_name(self) -> str:
        """What the maker calls it: "NVIDIA H100 PCIe"."""
        return self.xp.cuda.runtime.getDeviceProperties(self.device_id)["name"].decode()

    def select(self) -> None:
        """Make this the GPU that the calling thread computes on; CUDA keeps the choice per thread."""
        self.xp.cuda.Device(self.device_id).use()

    def at_work(self) -> AbstractContextManager[Any]:
        """This GPU for the length of a `with`, whichever the thread had selected."""
        return self.xp.cuda.Device(self.device_id)


def open_gpu(device_id: int) -> GpuBackend:
    """The backend of GPU `device_id` (0 is the first), selected for the calling thread.

    Raises DeviceError, saying what is missing and how to change to the CPU.
    """
    backend = _open(device_id)
    backend.select()
    return backend


@functools.cache
def _open(device_id: int) -> GpuBackend:
    cupy = import_cupy(device_id)
    count = device_count(cupy, device_id)
    if not 0 <= device_id < count:
        last = f", numbered 0 to {count - 1}" if count > 1 else ", number 0"
        raise missing(device_id, f"this machine has {count} GPU{'s' if count > 1 else ''}{last}")
    backend = GpuBackend(cupy, device_id)
    try_out(backend)
    return backend


def import_cupy(device_id: int) -> ModuleType:
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise unusable(device_id, error) from error
        raise missing(device_id, "CuPy is not installed", f"install it: {INSTALL}") from error
    except Exception as error:  # whatever a half-installed CUDA library makes of the import
        raise unusable(device_id, error) from error
    return cupy


def device_count(cupy: ModuleType, device_id: int) -> int:
    """How many GPUs CUDA shows to this process, at least 1."""
    runtime = cupy.cuda.runtime
    driver = runtime.driverGetVersion()
    if driver == 0:
        raise missing(device_id, "no NVIDIA driver was found", "install one; nvidia-smi then lists the GPUs")
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if error.status == INSUFFICIENT_DRIVER:
            what = f"the driver offers CUDA {version_text(driver)}, too old for the CuPy installed"
            raise missing(device_id, what, f"update the driver, or install what fits it: {INSTALL}") from error
        if error.status != NO_DEVICE:
            raise missing(device_id, f"CUDA does not start: {error}") from error
        count = 0
    if count == 0:
        raise missing(device_id, "the driver shows no GPU" + visible_devices())
    return count


def try_out(backend: GpuBackend) -> None:
    """Compile and run one kernel, and one matrix product: NVRTC, cuBLAS and the GPU all answer, or it is said now."""
    from minicaffe.backend.gpu.update import sgd_update

    try:
        backend.select()
        data, diff, history = backend.xp.ones((3, 2, 2), "float32")
        sgd_update(data, diff, history, 1.0, 1.0)
        data.dot(diff).get()
    except Exception as error:
        what = f"the GPU is there, but a trial computation failed: {one_line(error)}"
        todo = f"if a library is missing, {INSTALL} brings them all"
        raise missing(backend.device_id, what, todo) from error


def missing(device_id: int, what: str, todo: str = "") -> DeviceError:
    advice = f"{todo}; or use the CPU" if todo else "use the CPU"
    return DeviceError(f"cannot use GPU {device_id}: {what}; {advice}: {USE_CPU}")


def unusable(device_id: int, error: BaseException) -> DeviceError:
    what = f"CuPy is installed but does not import: {one_line(error)}"
    return missing(device_id, what, f"install it anew, with the CUDA libraries it needs: {INSTALL}")


def visible_devices() -> str:
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if shown is None else f" (CUDA_VISIBLE_DEVICES is {shown!r})"


def version_text(version: int) -> str:
    """CUDA's version numbers: 12040 is 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}"


def one_line(error: Any) -> str:
    """The first line of an error's text that says something, with the error's kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =\t")]
    return f"{type(error).__name__}: {lines[0] if lines else 'no text'}"
