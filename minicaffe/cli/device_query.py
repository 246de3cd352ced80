"""minicaffe device_query: describe the GPUs. As caffe.cpp, device_query, and common.cpp, DeviceQuery."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from minicaffe import log
from minicaffe.backend.gpu.device import device_count, import_cupy, missing
from minicaffe.cli.device import gpu_numbers
from minicaffe.cli.flags import Parser, log_file_of

GPU = {"metavar": "N[,N]", "help": 'numbers of the GPUs to describe, or "all"'}

# Caffe's lines behind the name and the memory, and the device attributes (cudaDevAttr...) they show. Caffe reads
# cudaDeviceProp, from which CUDA 13 has dropped some.
LINES = (
    ("Total shared memory per block", "MaxSharedMemoryPerBlock"),
    ("Total registers per block", "MaxRegistersPerBlock"),
    ("Warp size", "WarpSize"),
    ("Maximum memory pitch", "MaxPitch"),
    ("Maximum threads per block", "MaxThreadsPerBlock"),
    ("Maximum dimension of block", "MaxBlockDimX", "MaxBlockDimY", "MaxBlockDimZ"),
    ("Maximum dimension of grid", "MaxGridDimX", "MaxGridDimY", "MaxGridDimZ"),
    ("Clock rate", "ClockRate"),
    ("Total constant memory", "TotalConstantMemory"),
    ("Texture alignment", "TextureAlignment"),
    ("Concurrent copy and execution", "GpuOverlap"),
    ("Number of multiprocessors", "MultiProcessorCount"),
    ("Kernel execution timeout", "KernelExecTimeout"),
)
YES_OR_NO = ("GpuOverlap", "KernelExecTimeout")


def main(argv: list[str]) -> int:
    flags = Parser("device_query", "Describe the GPUs that -gpu names.", ("gpu",), gpu=GPU).read(argv)
    with log_file_of(flags):
        query(flags.gpu)
    return 0


def query(flag: str | None) -> None:
    """Log what each GPU named by -gpu is. Raises DeviceError where one is not there."""
    log.info(f"Querying GPUs {flag or ''}")
    numbers = gpu_numbers(flag)
    if numbers is None:
        log.info("No GPU is named; -gpu all describes all there are")
    for number in numbers or ():
        for label, value in description(number):
            # As in Caffe, all values begin in one column.
            log.info(f"{label + ':':30} {value}")


def description(number: int) -> Iterator[tuple[str, Any]]:
    """(label, value) of Caffe's lines for one GPU. Memory is in bytes, the clock rate in kHz."""
    runtime = runtime_of(number)
    properties = runtime.getDeviceProperties(number)
    yield "Device id", number
    yield "Major revision number", properties["major"]
    yield "Minor revision number", properties["minor"]
    yield "Name", properties["name"].decode()
    yield "Total global memory", properties["totalGlobalMem"]
    for label, *names in LINES:
        values = [runtime.deviceGetAttribute(getattr(runtime, f"cudaDevAttr{name}"), number) for name in names]
        yield label, ("No", "Yes")[bool(values[0])] if names[0] in YES_OR_NO else ", ".join(map(str, values))


def runtime_of(number: int) -> ModuleType:
    """CUDA's runtime, once it is sure to know GPU `number`. Nothing is computed: a GPU in trouble is described, too."""
    cupy = import_cupy(number)
    count = device_count(cupy, number)
    if number >= count:
        raise missing(
            number, f"this machine has {count} GPU{'s, the last is' if count > 1 else ','} number {count - 1}"
        )
    return cupy.cuda.runtime
