"""Compiles CUDA C with NVRTC, which needs no GPU and no driver: does the text compile, and for which chips?"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path


@functools.cache
def library() -> ctypes.CDLL | None:
    """libnvrtc from the wheel nvidia-cuda-nvrtc-cu12 (or -cu13), or None."""
    for name in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        for folder in found.submodule_search_locations if found else ():
            for path in sorted(Path(folder, "lib").glob("libnvrtc.so.*")):
                return ctypes.CDLL(str(path))
    return None


NO_NVRTC = "NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12"


class CompileError(Exception):
    """NVRTC refuses a text, or warns about it; says its log."""


def compile_cuda(source: str, architecture: str, optimized: bool = True) -> bytes:
    """The machine code (cubin) of a CUDA C text.  architecture: "sm_80", say.

    optimized: False takes a tenth of the time; errors and warnings about the text are the same.
    Raises CompileError with NVRTC's log.
    """
    nvrtc, program = library(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
        options += [] if optimized else [b"--device-debug"]
        status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).rstrip(b"\0").decode()
        if status or log.strip():
            raise CompileError(f"NVRTC status {status} for {architecture}:\n{log}")
        return _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(get_size, get, program) -> bytes:
    size = ctypes.c_size_t()
    get_size(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.raw
