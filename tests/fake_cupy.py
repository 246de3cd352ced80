"""A stand-in for CuPy over NumPy, so that whole nets run "on a GPU" in tests on a machine without one.

sys.modules["cupy"] = fake_cupy makes the backend's GPU side run here (the fixture fake_gpu does that): array
work goes to NumPy, CUDA C functions to cuda_host.py. It is stricter than it is fast, so that what passes here
has a chance on a GPU:

- its arrays are no NumPy arrays, and refuse to meet one; copies to and from the host are asked for (get, set, asarray);
- functions and parameters that CuPy lacks are refused (fake_cupy_api.txt);
- fresh memory is full of NaN, has guards on both ends, and a kernel that writes outside its arrays is caught;
- an array used while another device is the current one is refused.
"""

from __future__ import annotations

import functools
import sys

import cuda_host
import numpy as np
from fake_cupy_array import Ufunc, api, call, check_guards, empty, ndarray, unwrap
from fake_cupy_cuda import cuda, reset, settings

__version__ = "14.2.0"
__all__ = ["cuda", "empty", "ndarray", "reset", "settings"]


def __getattr__(name: str):
    parameters = api().get(name)
    if parameters is None:
        raise AttributeError(f"module 'cupy' has no attribute {name!r} (or fake_cupy_api.txt does not list it)")
    found = getattr(np, name)
    if parameters == ["value"]:
        return found
    return Ufunc(found) if isinstance(found, np.ufunc) else functools.partial(call, found, name, parameters)


# --- making arrays ----------------------------------------------------------------------------


def full(shape, fill_value, dtype=None, order="C") -> ndarray:
    array = empty(shape, np.asarray(unwrap(fill_value)).dtype if dtype is None else dtype, order)
    array.fill(fill_value)
    return array


def zeros(shape, dtype=float, order="C") -> ndarray:
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float, order="C") -> ndarray:
    return full(shape, 1, dtype, order)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False) -> ndarray:
    """From the host (arrays, lists, numbers) or a device; always a copy of a host's array."""
    if isinstance(obj, ndarray) and not copy and dtype in (None, obj.dtype) and ndmin <= obj.ndim:
        return obj if order == "K" or obj.flags.c_contiguous else obj.copy()
    values = np.array(obj._values if isinstance(obj, ndarray) else obj, dtype, order=order, ndmin=ndmin)
    made = empty(values.shape, values.dtype, "C" if values.flags.c_contiguous else "F")
    made._values[...] = values
    return made


def asarray(a, dtype=None, order="K", *, copy=None, blocking=False) -> ndarray:
    return array(a, dtype, bool(copy), order)


def ascontiguousarray(a, dtype=None) -> ndarray:
    return array(a, dtype, False, "C", ndmin=1)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True) -> np.ndarray:
    return a.get(stream, order, out) if isinstance(a, ndarray) else np.asarray(a)


def get_array_module(*args):
    return sys.modules[__name__] if any(isinstance(value, ndarray) for value in args) else np


def fuse(*args, **settings):
    """CuPy compiles the decorated function into one kernel; here it stays a function."""
    return args[0] if args and callable(args[0]) else lambda function: function


class RawKernel:
    """A CUDA C function, run on the host."""

    def __init__(self, code: str, name: str, options: tuple = (), backend: str = "nvrtc") -> None:
        if cuda_host.signature(code)[0] != name:
            raise ValueError(f"the source holds no kernel {name}")
        self.code, self.name = code, name

    def __call__(self, grid: tuple, block: tuple, args: tuple, *, shared_mem: int = 0) -> None:
        if grid[0] < 1 or block[0] < 1 or block[0] > 1024:
            raise ValueError(f"invalid launch of {self.name}: grid {grid}, block {block}")
        shape = settings.launch_shape or (grid[0], block[0], False)
        values = [_argument(value) for value in args]
        cuda_host.run(self.code, shape[0], shape[1], values, reverse=shape[2])
        for value in args:
            if isinstance(value, ndarray):
                check_guards(value, self.name)


def _argument(value):
    if isinstance(value, ndarray):
        return unwrap(value)
    return np.int64(value) if isinstance(value, int) else np.float64(value) if isinstance(value, float) else value
