"""Runs CUDA C functions on the host, as loops over grid and block, so that their numbers can be tested without a GPU.

    run(source, "im2col", grid=3, block=7, arguments=[...])

The very text that NVRTC would get goes to the host's C++ compiler behind cuda_host_shim.h. It finds wrong
indices and wrong arithmetic; it finds no races, since the threads run one after the other (in either order).
All kernels of the project that share a dtype are compiled at once, in a second or two per test session.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import itertools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SHIM = Path(__file__).with_name("cuda_host_shim.h")
SIGNATURE = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')

DTYPES = {"float": "float32", "double": "float64", "unsigned char": "uint8", "int": "int32", "long long": "int64"}

# What the open types of a kernel are settled to before anyone asks; other choices are compiled when they come.
VARIANTS = {"T": ("float32", "float64"), "W": ("uint8", "int32"), "AXES": (1, 2, 3)}


def compiler() -> str | None:
    """The host's C++ compiler, or None."""
    return next((found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))), None)


NO_COMPILER = "no C++ compiler (c++, g++ or clang++) on this machine to run CUDA sources with"


class Function:
    """One compiled CUDA function.  parameters: their C types, as written."""

    def __init__(self, library: ctypes.CDLL, symbol: str, name: str, parameters: list[str]) -> None:
        self._run = getattr(library, symbol)
        self.name, self.parameters = name, parameters

    def __call__(self, grid: int, block: int, arguments: list[int], reverse: bool = False) -> None:
        """Run every thread of every block, the last one first if `reverse`.  arguments: addresses of the values."""
        pointers = (ctypes.c_void_p * len(arguments))(*arguments)
        self._run(ctypes.c_uint(grid), ctypes.c_uint(block), ctypes.c_int(reverse), pointers)


def function(source: str) -> Function:
    """The function of a whole CUDA source (one __global__ function), compiled if it was not yet."""
    if source not in _functions:
        family = next((batch for batch in _families() if source in batch), for_each_dtype(source))
        _functions.update(compile_all(family))
    return _functions[source]


_functions: dict[str, Function] = {}


def for_each_dtype(source: str) -> list[str]:
    """The source, and what differs from it in T alone: who asks for the one asks for the other soon."""
    return [re.sub(r"typedef \w+ T;", f"typedef {kind} T;", source) for kind in ("float", "double")]


@functools.cache
def _families() -> tuple[list[str], ...]:
    """The sources of all kernels in all usual variants, one list per dtype."""
    from minicaffe.backend import gpu  # noqa: F401  (the import registers the kernels)
    from minicaffe.backend.gpu.launch import KERNELS

    return tuple([source for kernel in KERNELS for source in variants(kernel, T=(dtype,))] for dtype in VARIANTS["T"])


def variants(kernel, **fixed) -> list[str]:
    choices = {**VARIANTS, **fixed}
    picks = itertools.product(*(choices[name] for name in kernel.open_types))
    return [kernel.source(**dict(zip(kernel.open_types, pick, strict=True))) for pick in picks]


def compile_all(sources: list[str]) -> dict[str, Function]:
    """Compile the sources as one program, each in a namespace of its own."""
    folder = _folder()
    stem = folder / f"kernels_{len(list(folder.iterdir()))}"
    text, found = [f'#include "{SHIM}"'], {}
    for number, source in enumerate(dict.fromkeys(sources)):
        name, parameters = signature(source)
        found[source] = f"run_{number}", name, parameters
        text.append(translation(source, number, name, parameters))
    stem.with_suffix(".cpp").write_text("\n".join(text))
    library = _compile(stem)
    return {source: Function(library, *what) for source, what in found.items()}


def signature(source: str) -> tuple[str, list[str]]:
    """(name, C types of the parameters) of the __global__ function."""
    ((name, parameters),) = SIGNATURE.findall(source)
    return name, [re.sub(r"\s*\w+\s*$", "", parameter).strip() for parameter in parameters.split(",")]


def translation(source: str, number: int, name: str, parameters: list[str]) -> str:
    """C++ of one source: its text in a namespace, and a function that runs it over all threads."""
    values = ", ".join(f"*({kind}*)arguments[{place}]" for place, kind in enumerate(parameters))
    body = source.replace('extern "C" __global__', "static __global__")
    return f"""
namespace kernel_{number} {{
{body}
extern "C" void run_{number}(unsigned grid, unsigned block, int reverse, void** arguments)
{{
    EACH_THREAD(grid, block, reverse) {name}({values});
}}
}}
"""


def _compile(stem: Path) -> ctypes.CDLL:
    # C++17 would bring the special functions of <cmath>, which take longer to read than all else.
    command = [compiler(), "-std=c++14", "-O1", "-Wall", "-Werror", "-Wno-unused-function", "-Wno-unknown-pragmas"]
    command += ["-shared", "-fPIC", "-o", f"{stem}.so", f"{stem}.cpp"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the host's C++ compiler refuses the CUDA sources:\n{done.stderr}")
    return ctypes.CDLL(f"{stem}.so")


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="minicaffe_cuda_host_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def run(source: str, grid: int, block: int, arguments: list, reverse: bool = False) -> None:
    """Run a source on NumPy arrays and scalars.

    arguments: arrays (passed by address), NumPy scalars, and structured arrays of one record (both by value).
    """
    compiled = function(source)
    if len(arguments) != len(compiled.parameters):
        raise TypeError(f"{compiled.name} takes {len(compiled.parameters)} arguments, got {len(arguments)}")
    typedefs = {name: kind for kind, name in re.findall(r"typedef ([\w ]+) (\w+);", source)}
    for place, (kind, value) in enumerate(zip(compiled.parameters, arguments, strict=True)):
        check(f"{compiled.name}, argument {place} ({kind})", kind, value, typedefs)
    holders = [np.array(value.ctypes.data, np.uintp) if is_pointer(value) else np.asarray(value) for value in arguments]
    compiled(grid, block, [holder.ctypes.data for holder in holders], reverse)


def is_pointer(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.names is None


def check(what: str, kind: str, value, typedefs: dict[str, str]) -> None:
    """A GPU would take any bytes for the parameter's; here a wrong type or a view with gaps is an error."""
    name = kind.replace("const ", "").rstrip("*")
    wanted = DTYPES.get(typedefs.get(name, name))
    if is_pointer(value) != kind.endswith("*"):
        raise TypeError(f"{what}: an array where a value is wanted, or the reverse")
    if wanted and value.dtype != wanted:
        raise TypeError(f"{what}: {value.dtype} instead of {wanted}")
    if is_pointer(value) and not value.flags.c_contiguous:
        raise TypeError(f"{what}: an array not in C order, strides {value.strides}")
