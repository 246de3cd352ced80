"""Sums of formulas over some axes: every thread sums a short run; the runs' sums are summed until one is left.

The order of the additions depends on the shape alone. Sums are kept in double.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from minicaffe.backend.formula import Formula
from minicaffe.backend.gpu.arrays import written
from minicaffe.backend.gpu.elementwise import arguments_of, c_type, operand
from minicaffe.backend.gpu.launch import C_NAMES, Kernel
from minicaffe.backend.gpu.trace import code_of
from minicaffe.backend.workspace import Workspace

Array = Any

# Values that a thread adds up: few enough that many threads have work, enough that few sums are left.
RUN = 128
# Names that no formula uses for an operand.
SIZES = [f"Index {name}_" for name in ("outer", "kept", "inner", "groups", "lanes")]


def sum_to(
    formula: Formula, arrays: Sequence[Array], out: Sequence[Array], numbers: dict[str, float], workspace: Workspace
) -> None:
    """As kernels.py."""
    full = arrays[0]
    if not full.size:
        for array in out:
            array.fill(0)
        return
    kept = [array for array in out if array.shape == full.shape]
    targets = out[len(kept) :]
    with ExitStack() as stack:
        results = [stack.enter_context(written(array)) for array in kept]
        operands = [operand(array, full.shape) for array in arrays]
        kinds = tuple((c_type(values), bool(place)) for values, place in operands)
        # Sums of a single value are kept, too, and in double all the same.
        types = tuple("T" if array.dtype == full.dtype else C_NAMES[array.dtype.name] for array in results)
        kernel = compiled(formula, kinds, types, len(targets))
        arguments = [value for values, place in operands for value in (values, *place)]
        arguments += [*(float(numbers[name]) for name in formula.numbers), *results]
        sizes = around(full.shape, out[-1].shape)
        sums, sizes = summed(kernel, arguments, len(targets), sizes, full.dtype, workspace, 0)
    for target, values in zip(targets, sums, strict=True):
        target[...] = finished(values, sizes, workspace).reshape(target.shape)


def finished(values: Array, sizes: tuple[int, int, int], workspace: Workspace) -> Array:
    """(outer, kept, inner) sums added up to (1, kept, 1)."""
    step = 1
    while sizes[0] * sizes[2] > 1:
        (values,), sizes = summed(SUM_AGAIN, [values], 1, sizes, values.dtype, workspace, step)
        step = 3 - step
    return values


def summed(
    kernel: Kernel,
    arguments: Sequence[Any],
    results: int,
    sizes: tuple[int, int, int],
    dtype: Any,
    workspace: Workspace,
    step: int,
) -> tuple[Array, tuple[int, int, int]]:
    """The sums of the runs of (outer, kept, inner) values, for each result, and how they lie: as the values do."""
    outer, kept, inner = sizes
    lanes = -(-inner // RUN)
    groups = -(-outer // max(1, RUN // -(-inner // lanes)))
    sums = workspace.array(f"kernel:sums{step}", (results, groups * kept * lanes), "float64")
    kernel.launch(sums.shape[1], *arguments, *sizes, groups, lanes, *sums, T=dtype)
    return sums, (groups, kept, lanes)


def around(shape: tuple[int, ...], kept: tuple[int, ...]) -> tuple[int, int, int]:
    """A shape seen as (outer, kept, inner), the axes in the middle being those that `kept` has too."""
    own = [axis for axis, size in enumerate(kept) if size != 1]
    if not own:
        return math.prod(shape), 1, 1
    first, last = own[0], own[-1] + 1
    assert shape[first:last] == kept[first:last], f"sums of {shape} cannot have the shape {kept}"
    return math.prod(shape[:first]), math.prod(kept), math.prod(shape[last:])


@functools.cache
def compiled(formula: Formula, operands: tuple[tuple[str, bool], ...], kept: tuple[str, ...], sums: int) -> Kernel:
    """The CUDA function of a formula of operands of these (types, broadcast or not).

    kept: the types of the arrays that get its first results.  sums: how many further ones it adds up.
    """
    parameters, reads = arguments_of(formula, operands)
    parameters += [f"{kind}* kept_{number}" for number, kind in enumerate(kept)]
    parameters += [*SIZES, *(f"double* result_{number}" for number in range(sums))]
    lines, values = code_of(formula, reads)
    lines += [f"kept_{n}[i] = ({kind}){value};" for n, (kind, value) in enumerate(zip(kept, values, strict=False))]
    return Kernel(source(f"sum_{formula.name}", parameters, lines, values[len(kept) :]))


def source(name: str, parameters: Sequence[str], lines: Sequence[str], values: Sequence[str]) -> str:
    """Its text.  lines: what computes the formula for element i.  values: what is added up, one for each result_n."""
    starts = " ".join(f"double sum_{n} = 0;" for n in range(len(values)))
    adds = [f"sum_{n} += {value};" for n, value in enumerate(values)]
    body = "\n".join(" " * 16 + line for line in [*lines, *adds])
    ends = "\n".join(f"        result_{n}[run_] = sum_{n};" for n in range(len(values)))
    return f"""
// run_: values of (outer, kept, inner) that one thread adds up, every lanes-th of a row, in every groups-th outer one.
extern "C" __global__ void {name}({", ".join(parameters)})
{{
    GRID_STRIDE_LOOP(run_, total) {{
        Index lane_ = run_ % lanes_, place_ = run_ / lanes_ % kept_, group_ = run_ / lanes_ / kept_;
        {starts}
        for (Index o_ = group_; o_ < outer_; o_ += groups_)
            for (Index j_ = lane_; j_ < inner_; j_ += lanes_) {{
                Index i = (o_ * kept_ + place_) * inner_ + j_;
{body}
            }}
{ends}
    }}
}}
"""


SUM_AGAIN = Kernel(
    source("sum_again", ["Index total", "const T* values", *SIZES, "double* result_0"], [], ["values[i]"])
)
