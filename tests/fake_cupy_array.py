"""The arrays of the stand-in for CuPy, and NumPy's functions on them."""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from fake_cupy_cuda import Device, current_device

GUARD = 64  # bytes on either side of an array, all ones: NaN in either dtype, -1 in int


class ndarray:
    """An array in "device memory", which is a NumPy array that nobody else holds."""

    __array_ufunc__ = None  # NumPy's operators step back; ours then refuse NumPy's arrays

    def __init__(self, values: np.ndarray, device_id: int | None = None) -> None:
        self._values = values
        self._device_id = current_device() if device_id is None else device_id

    dtype = property(lambda self: self._values.dtype)
    size = property(lambda self: self._values.size)
    ndim = property(lambda self: self._values.ndim)
    itemsize = property(lambda self: self._values.itemsize)
    nbytes = property(lambda self: self._values.nbytes)
    strides = property(lambda self: self._values.strides)
    T = property(lambda self: self.transpose())
    device = property(lambda self: Device(self._device_id))
    data = property(lambda self: SimpleNamespace(ptr=self._values.ctypes.data))

    @property
    def __cuda_array_interface__(self):
        strides = None if self.flags.c_contiguous else self.strides
        described = {"shape": self.shape, "strides": strides, "typestr": self.dtype.str, "version": 3}
        return {**described, "data": (self.data.ptr, False), "stream": 1}

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self._values.__dlpack__()

    def __dlpack_device__(self):
        return 2, self._device_id

    @property
    def flags(self):
        flags = self._values.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata)

    @property
    def shape(self):
        return self._values.shape

    @shape.setter
    def shape(self, shape):
        self._values.shape = shape

    def get(self, stream=None, order="C", out=None, blocking=True) -> np.ndarray:
        """A copy on the host."""
        if out is None:
            return self._values.copy(order=order)
        if not isinstance(out, np.ndarray) or (out.dtype, out.shape) != (self.dtype, self.shape):
            raise ValueError(f"get(out=...) needs a NumPy array of {self.shape} and {self.dtype}")
        out[...] = self._values
        return out

    def set(self, arr, stream=None) -> None:
        """Copy from the host."""
        if not isinstance(arr, np.ndarray) or (arr.dtype, arr.shape) != (self.dtype, self.shape):
            raise ValueError(f"set() needs a NumPy array of {self.shape} and {self.dtype}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        self._values[...] = arr

    def copy(self, order="C") -> ndarray:
        copy = empty(self.shape, self.dtype, "F" if order == "F" else "C")
        copy._values[...] = unwrap(self)
        return copy

    def __getattr__(self, name):
        parameters = api().get("." + name)
        if parameters is None:
            raise AttributeError(f"an array of CuPy has no {name!r}")
        return functools.partial(call, getattr(np.ndarray, name), "ndarray." + name, parameters, self)

    def __getitem__(self, key):
        key = unwrap(key)
        found = self._values[key]
        if isinstance(found, np.generic):  # CuPy gives a view without axes
            found = self._values[(*key, ...) if isinstance(key, tuple) else (key, ...)]
        return ndarray(found, self._device_id)

    def __setitem__(self, key, value):
        self._values[unwrap(key)] = unwrap(value)

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return (self[place] for place in range(len(self)))

    def __bool__(self):
        return bool(self._values)

    def __int__(self):
        return int(self._values)

    def __float__(self):
        return float(self._values)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion to a NumPy array is not allowed: use get()")

    def __deepcopy__(self, memo):
        return self.copy()

    def __repr__(self):
        return f"fake_cupy({self._values!r})"

    __hash__ = None


def wrap(value):
    """NumPy's results as ours; numbers become arrays without axes, as in CuPy."""
    if isinstance(value, np.ndarray | np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple | list):
        return type(value)(map(wrap, value))
    return value


def unwrap(value):
    """Our arrays as NumPy's. Raises TypeError for a NumPy array: it lies on the host."""
    if isinstance(value, ndarray):
        if value._device_id != current_device():
            raise ValueError(f"an array of device {value._device_id} used while device {current_device()} is current")
        return value._values
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: it lies on the host, and the others on a device")
    if isinstance(value, tuple | list):
        return type(value)(map(unwrap, value))
    return value


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift")
OTHERS = ("matmul", "rmatmul", "lt", "le", "eq", "ne", "gt", "ge", "neg", "pos", "abs", "invert")


def _add_operators() -> None:
    for name in (*BINARY, *(f"r{name}" for name in BINARY), *OTHERS):
        setattr(ndarray, f"__{name}__", _operator(f"__{name}__"))
    for name in BINARY:  # CuPy has no @=
        setattr(ndarray, f"__i{name}__", _in_place(f"__i{name}__"))


def _operator(name: str):
    def method(self, *others):
        with np.errstate(all="ignore"):
            result = getattr(unwrap(self), name)(*map(unwrap, others))
        return result if result is NotImplemented else wrap(result)

    return method


def _in_place(name: str):
    def method(self, other):
        with np.errstate(all="ignore"):
            getattr(unwrap(self), name)(unwrap(other))
        return self

    return method


_add_operators()


# --- NumPy's functions ------------------------------------------------------------------------


@functools.cache
def api() -> dict[str, list[str]]:
    """Parameters by name, from fake_cupy_api.txt."""
    text = Path(__file__).with_name("fake_cupy_api.txt").read_text()
    lines = [line for line in text.replace("\n    ", " ").splitlines() if not line.startswith("#")]
    rows = dict(line.partition(" ")[::2] for line in lines)
    ufuncs = {key: ["*x", "out", "casting", "dtype"] for key in rows.pop("ufuncs:").split()}
    values = {key: ["value"] for key in rows.pop("values:").split()}
    return {**{name: parameters.split() for name, parameters in rows.items()}, **ufuncs, **values}


def call(function, name, parameters, *args, **settings):
    """NumPy's function on our arrays, if CuPy would take these arguments."""
    starred = any(parameter.startswith("*") for parameter in parameters)
    places = len(parameters) + name.startswith("ndarray.")
    if not starred and len(args) > places:
        raise TypeError(f"cupy's {name} takes {places} arguments, got {len(args)}")
    for setting in settings:
        if setting not in parameters and "**kwargs" not in parameters:
            raise TypeError(f"cupy's {name} has no parameter {setting!r}")
    settings.pop("blocking", None)
    values = {key: unwrap(value) for key, value in settings.items()}
    with np.errstate(all="ignore"):
        result = function(*unwrap(args), **values)
    for value in (*args, *settings.values()):
        if isinstance(value, ndarray) and value._values is result:
            return value
    return wrap(result)


class Ufunc:
    """One of CuPy's universal functions."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc

    def __call__(self, *args, **settings):
        return call(self._ufunc, self._ufunc.__name__, api()["add"], *args, **settings)

    def at(self, a, indices, b=None):
        if self._ufunc.__name__ not in ("add", "subtract", "maximum", "minimum"):
            raise NotImplementedError(f"cupy.{self._ufunc.__name__}.at")
        self._ufunc.at(unwrap(a), unwrap(indices), unwrap(b))

    def outer(self, a, b):
        return wrap(self._ufunc.outer(unwrap(a), unwrap(b)))


# --- memory -----------------------------------------------------------------------------------


def empty(shape, dtype=float, order="C") -> ndarray:
    """Fresh memory, NaN (or -1) all over, between two guards."""
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    nbytes = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    memory = np.full(nbytes + 3 * GUARD, 0xFF, np.uint8)
    start = GUARD + -memory.ctypes.data % GUARD
    return ndarray(memory[start : start + nbytes].view(dtype).reshape(shape, order=order))


def check_guards(array: ndarray, kernel: str) -> None:
    memory = array._values
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    if memory.dtype != np.uint8 or memory.ndim != 1 or memory.size < 3 * GUARD:
        return  # not made by empty()
    start = GUARD + -memory.ctypes.data % GUARD
    end = start + memory.size - 3 * GUARD
    if not ((memory[:start] == 0xFF).all() and (memory[end:] == 0xFF).all()):
        raise AssertionError(f"{kernel} writes outside an array of shape {array.shape}")
