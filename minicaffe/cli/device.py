"""Which device a command runs on: the flag -gpu, and what is said of it. As caffe.cpp, get_gpus."""

from __future__ import annotations

from minicaffe import backend, log
from minicaffe.backend.gpu.device import device_count, import_cupy, open_gpu
from minicaffe.errors import ParamError
from minicaffe.tools.flags import names

NO_GPU = ("none", "cpu")


def gpu_numbers(flag: str | None) -> list[int] | None:
    """The GPUs that -gpu names: [] for the CPU, None where the flag was not given.

    Raises ParamError for what is no number, DeviceError for "all" where there is none.
    """
    if not flag:
        return None
    if flag.lower() in NO_GPU:
        return []
    if flag == "all":
        return list(range(device_count(import_cupy(0), 0)))
    numbers = names(flag)
    if not numbers or not all(name.isdecimal() for name in numbers):
        text = f'-gpu {flag}: give the number of a GPU, as nvidia-smi lists them, "all", or "none" for the CPU'
        raise ParamError(text)
    return [int(name) for name in numbers]


def use_device(number: int | None) -> None:
    """Switch this thread to a GPU, or to the CPU, and log it. Raises DeviceError where it is not there."""
    if number is None:
        backend.set_mode_cpu()
        log.info("Use CPU.")
        return
    log.info(f"Using GPUs {number}")
    log.info(f"GPU {number}: {_switch_to(number)}")


def use_first_device(flag: str | None) -> None:
    """The same for a command that runs on one GPU, whichever -gpu names: the first of them."""
    numbers = gpu_numbers(flag) or []
    for number in reversed(numbers[1:]):
        log.info(f"Not using GPU #{number} for single-GPU function")
    if not numbers:
        use_device(None)
        return
    log.info(f"Use GPU with device ID {numbers[0]}")
    log.info(f"GPU device name: {_switch_to(numbers[0])}")


def _switch_to(number: int) -> str:
    """The GPU's name."""
    backend.set_device(number)
    backend.set_mode_gpu()
    return open_gpu(number).device_name
