"""CUDA C functions: compiled once for each dtype by NVRTC, launched over a grid that fits the work.

Every kernel is one function over a flat range, `for each i below total`, without shared memory:

    DOUBLE_IT = Kernel(r'''
    extern "C" __global__ void double_it(Index total, const T* x, T* y)
    {
        GRID_STRIDE_LOOP(i, total)
            y[i] = 2 * x[i];
    }
    ''')
    DOUBLE_IT.launch(x.size, x, y, T=x.dtype)

Its types are left open: T, the arrays' dtype; W, of the winners of pooling; AXES, a number of spatial
axes. Which one is meant is said at the launch, and written above the text when it is compiled. The
parameters are pointers, Index, double, or a struct by value, so that plain Python numbers fit them.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

THREADS = 256  # a block; a multiple of the warp that every GPU can hold
MOST_BLOCKS = 4096  # more than fill any GPU; beyond it each thread takes several i

C_NAMES = {"float32": "float", "float64": "double", "uint8": "unsigned char", "int32": "int"}

PREAMBLE = r"""
typedef long long Index;  // 64 bits: a blob may hold more than 2^31 values
#define GRID_STRIDE_LOOP(i, total) \
    for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < total; i += (Index)blockDim.x * gridDim.x)
"""

KERNELS: list[Kernel] = []


class Kernel:
    """A CUDA C function.  text: its source, T, W and AXES left open, any helpers before it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = re.findall(r"__global__ void (\w+)\(", text)[0]
        self.open_types = tuple(name for name in ("T", "W", "AXES") if is_open(name, text))
        self.compiled: dict[tuple, Any] = {}
        KERNELS.append(self)

    def source(self, **types: Any) -> str:
        """The whole text to compile, with its open types settled: T and W are dtypes, AXES is a number."""
        settled = [declaration(name, types[name]) for name in self.open_types]
        return PREAMBLE + "".join(settled) + self.text

    def launch(self, total: int, *args: Any, **types: Any) -> None:
        """Run the function for every i in 0 ... total - 1.  args: what follows `total` in its parameters."""
        if total == 0:
            return
        key = tuple(types.values())
        function = self.compiled.get(key)
        if function is None:
            function = self.compiled[key] = self._compile(types)
        blocks = min(-(-total // THREADS), MOST_BLOCKS)
        function((blocks,), (THREADS,), (np.int64(total), *map(as_argument, args)))

    def _compile(self, types: dict[str, Any]) -> Any:
        import cupy

        return cupy.RawKernel(self.source(**types), self.name)


def is_open(name: str, text: str) -> bool:
    """Does the text use the name, and leave it to the launch?"""
    return f"enum {{ {name} =" not in text and re.search(rf"\b{name}\b", text) is not None


def declaration(name: str, value: Any) -> str:
    if name == "AXES":
        return f"enum {{ AXES = {int(value)} }};\n"
    return f"typedef {C_NAMES[np.dtype(value).name]} {name};\n"


def as_argument(value: Any) -> Any:
    """Numbers get the width of their parameter: int becomes Index, float double. Arrays stay."""
    if isinstance(value, bool | int | np.integer):
        return np.int64(value)
    return np.float64(value) if isinstance(value, float | np.floating) else value
