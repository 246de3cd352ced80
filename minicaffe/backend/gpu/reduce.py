"""Sums of formulas over some axes: every thread sums a short run; the runs' sums are summed until one is left.

The order of the additions depends on the shape alone. Sums are kept in double.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import Formula
from minicaffe.backend.gpu.elementwise import c_type, operand
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.gpu.trace import traced
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
    operands = [operand(array, full.shape) for array in arrays]
    kernel = compiled(formula, tuple((c_type(values), bool(place)) for values, place in operands), len(out))
    arguments = [value for values, place in operands for value in (values, *place)]
    arguments += [float(numbers[name]) for name in formula.numbers]
    sums, sizes = summed(kernel, arguments, len(out), around(full.shape, out[0].shape), full.dtype, workspace, 0)
    for target, values in zip(out, sums, strict=True):
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
def compiled(formula: Formula, operands: tuple[tuple[str, bool], ...], results: int) -> Kernel:
    """The CUDA function that sums a formula of operands of these (types, broadcast or not)."""
    parameters, reads = ["Index total"], []
    for name, (kind, broadcast) in zip(formula.arrays, operands, strict=True):
        parameters += [f"const {kind}* {name}", *([f"Index {name}_inner", f"Index {name}_size"] if broadcast else [])]
        reads.append(f"{name}[i / {name}_inner % {name}_size]" if broadcast else f"{name}[i]")
    parameters += [f"double {name}" for name in formula.numbers]
    parameters += [*SIZES, *(f"double* result_{number}" for number in range(results))]
    lines, values = traced(formula, reads)
    return Kernel(source(f"sum_{formula.name}", parameters, lines, values))


def source(name: str, parameters: Sequence[str], lines: Sequence[str], values: Sequence[str]) -> str:
    """Its text.  lines: what computes the formula for element i.  values: its results, one for each result_n."""
    starts = ", ".join(f"sum_{n} = 0" for n in range(len(values)))
    adds = [f"sum_{n} += {value};" for n, value in enumerate(values)]
    body = "\n".join(" " * 16 + line for line in [*lines, *adds])
    ends = "\n".join(f"        result_{n}[run_] = sum_{n};" for n in range(len(values)))
    return f"""
// run_: values of (outer, kept, inner) that one thread adds up, every lanes-th of a row, in every groups-th outer one.
extern "C" __global__ void {name}({", ".join(parameters)})
{{
    GRID_STRIDE_LOOP(run_, total) {{
        Index lane_ = run_ % lanes_, place_ = run_ / lanes_ % kept_, group_ = run_ / lanes_ / kept_;
        double {starts};
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
