"""Runs one call of a kernel on a backend, and brings back everything it may have written."""

from __future__ import annotations

import inspect
import math

import numpy as np
from kernel_cases import WORKSPACE

from minicaffe.backend import kernels, layout
from minicaffe.backend.workspace import Workspace

# Parameters that lie in C order whatever the blobs do (kernels.py says so).
ALWAYS_C_ORDER = {"weight", "dweight", "label", "correct", "valid", "mask"}


def run(backend, twins, name: str, args: tuple, dtype: str, order: str = layout.C_ORDER) -> list:
    """The return value of twins.<name>(*args), then every array among args as it is afterwards, on the host."""
    parameters = inspect.signature(getattr(kernels, name)).parameters
    workspace, values = Workspace(backend), []
    for parameter, value in zip(parameters, args, strict=True):
        lies = layout.C_ORDER if parameter in ALWAYS_C_ORDER else order
        if isinstance(value, tuple):
            value = tuple(there(backend, item, dtype, lies) for item in value)
        values.append(workspace if value is WORKSPACE else there(backend, value, dtype, lies))
    with np.errstate(all="ignore"):
        result = getattr(twins, name)(*values)
    flat = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    return [*numbers(result), *(backend.to_host(value) for value in flat if hasattr(value, "dtype"))]


def there(backend, value, dtype: str, order: str):
    """An array on the backend, its bytes in `order` where that means anything; what is no array as it is."""
    if not isinstance(value, np.ndarray):
        return value
    return place(backend, cast(value, dtype), order if value.ndim > 1 else layout.C_ORDER)


def cast(array: np.ndarray, dtype: str) -> np.ndarray:
    return array.astype(dtype) if array.dtype == np.float64 else array


def place(backend, array: np.ndarray, order: str):
    """A copy of `array` on the backend, its bytes lying in `order`."""
    there = layout.view(backend.xp.empty(math.prod(array.shape), array.dtype), array.shape, order)
    there[...] = backend.xp.asarray(array)
    return there


def numbers(result) -> list[float]:
    if result is None:
        return []
    return [float(value) for value in (result if isinstance(result, tuple) else (result,))]


def assert_same(got: list, wanted: list, dtype: str) -> None:
    tolerance = {"float32": 3e-5, "float64": 1e-11}[dtype]
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
