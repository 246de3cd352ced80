"""Formulas as CUDA functions: a thread per element reads all operands, computes, and writes all results."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from minicaffe.backend.formula import Formula
from minicaffe.backend.gpu.arrays import c_order, written
from minicaffe.backend.gpu.launch import C_NAMES, Kernel
from minicaffe.backend.gpu.trace import code_of

Array = Any
_FLOATS = ("float32", "float64")


def elementwise(formula: Formula, arrays: Sequence[Array], out: Sequence[Array], numbers: dict[str, float]) -> None:
    """As kernels.py."""
    shape = out[0].shape
    with ExitStack() as stack:
        results = [stack.enter_context(written(array)) for array in out]
        operands = [operand(array, shape) for array in arrays]
        kinds = tuple((c_type(values), bool(place)) for values, place in operands)
        kernel = compiled(formula, kinds, tuple(map(c_type, results)))
        arguments = [value for values, place in operands for value in (values, *place)]
        arguments += [float(numbers[name]) for name in formula.numbers]
        dtype = next(array.dtype for array in (*arrays, *out) if array.dtype.name in _FLOATS)
        kernel.launch(math.prod(shape), *arguments, *results, T=dtype)


def operand(array: Array, shape: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """(values in C order, how to find the one of result i): () is values[i], (inner, size) values[i / inner % size]."""
    values = c_order(array)
    if array.shape == shape:
        return values, ()
    sizes = (1,) * (len(shape) - array.ndim) + array.shape
    own = [axis for axis, size in enumerate(sizes) if size > 1]
    if not own:
        return values, (1, 1)
    first, last = own[0], own[-1] + 1
    if sizes[first:last] == shape[first:last]:
        return values, (math.prod(shape[last:]), math.prod(shape[first:last]))
    # Axes of its own on both sides of one that it lacks: rare, and spread out before the launch.
    import cupy

    return cupy.ascontiguousarray(cupy.broadcast_to(array, shape)), ()


def c_type(array: Array) -> str:
    """T for the type that the launch settles, else the type itself."""
    return "T" if array.dtype.name in _FLOATS else C_NAMES[array.dtype.name]


def arguments_of(formula: Formula, operands: Sequence[tuple[str, bool]]) -> tuple[list[str], list[str]]:
    """(the parameters of its CUDA function, how that reads each array for result i)."""
    parameters, reads = ["Index total"], []
    for name, (kind, broadcast) in zip(formula.arrays, operands, strict=True):
        parameters += [f"const {kind}* {name}", *([f"Index {name}_inner", f"Index {name}_size"] if broadcast else [])]
        reads.append(f"{name}[i / {name}_inner % {name}_size]" if broadcast else f"{name}[i]")
    return parameters + [f"double {name}" for name in formula.numbers], reads


@functools.cache
def compiled(formula: Formula, operands: tuple[tuple[str, bool], ...], results: tuple[str, ...]) -> Kernel:
    """The CUDA function of a formula for operands of these (types, broadcast or not)."""
    return Kernel(source(formula, operands, results))


def source(formula: Formula, operands: Sequence[tuple[str, bool]], results: Sequence[str]) -> str:
    """Its text."""
    parameters, reads = arguments_of(formula, operands)
    parameters += [f"{kind}* result_{number}" for number, kind in enumerate(results)]
    lines, values = code_of(formula, reads)
    lines += [f"result_{n}[i] = ({kind}){value};" for n, (kind, value) in enumerate(zip(results, values, strict=True))]
    body = "\n".join(" " * 8 + line for line in lines)
    return f"""
extern "C" __global__ void elementwise_{formula.name}({", ".join(parameters)})
{{
    GRID_STRIDE_LOOP(i, total) {{
{body}
    }}
}}
"""
