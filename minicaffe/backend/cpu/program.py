"""Formulas as NumPy calls that write into memory which is there already, on one piece of their arrays after the other.

Evaluated with Python's operators, a formula makes an array for each of its steps, and the result is copied to where it
belongs. The same steps with an output go through a few buffers that stay in the cache, and the last ones write the
results themselves. Between two calls of NumPy little Python may run, since the threads take turns at it: all that does
not change from piece to piece is prepared before (measured: docs/performance.md).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicaffe.backend.cpu.row_buffers import row_to_buffer, set_buffers
from minicaffe.backend.cpu.scratch import Scratch
from minicaffe.backend.formula import Formula
from minicaffe.backend.trace import Expression, Step, traced

# The integers as wide as a float, to choose bits with.
INTEGERS: dict[Any, Any] = {np.dtype("float32"): np.int32, np.dtype("float64"): np.int64}
# How many buffers a step needs beside the one for its value.
SPARE = {"where": 2}


class Program:
    """A formula's steps, and where their values may lie.

    varies: for each step, whether its value differs from element to element, as it depends on an array.
    floats: the truth values that only arithmetic reads, and which are 0.0 or 1.0 from the start.
    buffers: for each step, the numbers of the buffers for its value and for what it needs besides.
    products: the steps whose result is the product of two arrays, which a sum of it has no need to write down.
    """

    def __init__(self, formula: Formula) -> None:
        trace = traced(formula)
        self.arrays = formula.arrays
        self.steps, self.results = trace.steps, trace.results
        self.varies = varying(self.steps)
        self.floats = {index for index, step in enumerate(self.steps) if step.is_truth} - read_as_truth(self.steps)
        self.buffers = buffers_of(self.steps, self.results, self.varies)
        self.made = [result.step if is_value(result) else None for result in self.results]
        read = {earlier for step in self.steps for earlier in made_by(step)}
        ends = {step for step in self.made if step is not None and step not in read and self.made.count(step) == 1}
        self.products = {step for step in ends if self.is_product(self.steps[step])}
        self.targets = functools.cache(self.targets_of)

    def is_product(self, step: Step) -> bool:
        several = step.name in ("multiply", "square")
        return several and all(is_array(o) or (is_value(o) and self.varies[o.step]) for o in step.operands)

    def targets_of(self, shared: frozenset[tuple[int, str]]) -> dict[int, int]:
        """{step: the result in whose target its value may lie}, for the last step of a result and what it is made of.

        A target is as good as the buffer that the last step would have. But what is written there is lost to later
        steps that read an array in the same memory.  shared: the results whose targets share memory with an array.
        """
        reads = [{o.name for o in step.operands if is_array(o)} for step in self.steps]
        reads.append({result.name for result in self.results if is_array(result)})
        found: dict[int, int] = {}
        for place, last in enumerate(self.made):
            if last is None or not self.varies[last] or self.made.count(last) > 1:
                continue
            unread = {name for target, name in shared if target == place}
            first = max((index for index, names in enumerate(reads) if names & unread), default=0)
            buffer = self.buffers[last][0]
            found.update((step, place) for step in range(first, last + 1) if buffer in self.buffers[step][:1])
        return found


@functools.cache
def program(formula: Formula) -> Program:
    """The formula's program, made once."""
    return Program(formula)


class Run:
    """A program made ready for one thread, and for pieces of equal shapes.

    parts: one piece of each array and of each target, whose shapes and types all have.  numbers: by name.
    dtype: the arrays' float type.  factors: whether, without targets, a result that is a product of two arrays of
    parts[0]'s shape may come as the pair of them.
    It keeps none of the parts: it may serve for other arrays of these shapes, if they share memory alike (in_common).
    """

    def __init__(
        self,
        program: Program,
        parts: Sequence[np.ndarray],
        numbers: dict[str, float],
        dtype: Any,
        *,
        factors: bool = False,
    ) -> None:
        self.dtype, self.program, self.factors = dtype, program, factors
        arrays, targets = parts[: len(program.arrays)], parts[len(program.arrays) :]
        # What each step reads and writes, by place: the arrays, the targets, then whatever else there is.
        self.slots: list[Any] = [*arrays, *targets]
        self.places: dict[str, Any] = {name: place for place, name in enumerate(program.arrays)}
        self.calls: list[tuple[Callable[..., Any], list[int], int]] = []
        self.copies: list[tuple[int, int]] = []  # (target, result), arrays first
        for name, number in numbers.items():
            self.places[name] = self.add(number)
        self.targets = program.targets(in_common(arrays, targets, program.arrays))
        for index, step in enumerate(program.steps):
            self.prepare(index, step, targets, len(arrays))
        self.results: list[Any] = [self.place(result) for result in program.results]
        self.row = row_to_buffer(parts)
        for target, result in enumerate(self.results[: len(targets)], len(arrays)):
            if result != target:
                self.copies.insert(0 if result < len(arrays) else len(self.copies), (target, result))
        del self.slots[: len(parts)]

    def __call__(self, parts: Sequence[np.ndarray]) -> list[Any]:
        """The results for these arrays, in these targets or else in buffers until the next call."""
        slots = [*parts, *self.slots]
        with np.errstate(all="ignore"):
            set_buffers(self.row)
            for function, places, value in self.calls:
                function(*[slots[place] for place in places], out=slots[value])
            for target, result in self.copies:
                np.copyto(slots[target], slots[result], casting="unsafe")
        return [slots[p] if isinstance(p, int) else (slots[p[0]], slots[p[1]]) for p in self.results]

    # --- before the first call -----------------------------------------------------------------

    def add(self, value: Any) -> int:
        self.slots.append(value)
        return len(self.slots) - 1

    def place(self, operand: Any) -> Any:
        """Where an operand lies among the slots; of a result that stays in two factors, where they lie."""
        if not isinstance(operand, Expression):
            return self.add(operand)
        return self.places[operand.name]

    def prepare(self, index: int, step: Step, targets: Sequence[np.ndarray], arrays: int) -> None:
        """Find the places of a step's operands and of its value, and what to call."""
        operands = [self.place(operand) for operand in step.operands]
        values = [self.slots[place] for place in operands]
        name = f"v{index}"
        if not self.program.varies[index]:
            self.places[name] = self.add(number(step, values))
            return
        if self.factors and not targets and index in self.program.products and self.are_alike(values):
            self.places[name] = operands[0], operands[-1]
            return
        kind = bool if step.is_truth and index not in self.program.floats else self.dtype
        target = self.targets.get(index, len(targets))
        own, *spare = self.program.buffers[index]
        shape = np.broadcast_shapes(*(value.shape for value in values if isinstance(value, np.ndarray)))
        is_last = index in self.program.made
        if target < len(targets) and targets[target].dtype == kind and (is_last or targets[target].shape == shape):
            self.places[name] = arrays + target
            shape = targets[target].shape
        else:
            self.places[name] = self.add(BUFFERS.take(own, shape, kind))
        if step.name == "where":
            operands += [self.add(BUFFERS.take(buffer, shape, INTEGERS[self.dtype])) for buffer in spare]
        self.calls.append((function_of(step, values, self.dtype), operands, self.places[name]))

    def are_alike(self, values: Sequence[np.ndarray]) -> bool:
        """Have they all the shape and type of the first array?"""
        return all(value.shape == self.slots[0].shape and value.dtype == self.dtype for value in values)


BUFFERS = Scratch()


# --- steps ------------------------------------------------------------------------------------------


def is_array(operand: Any) -> bool:
    """Is it an argument that is an array?"""
    return isinstance(operand, Expression) and operand.is_array


def is_value(operand: Any) -> bool:
    """Is it the value of a step?"""
    return isinstance(operand, Expression) and operand.step is not None


def in_common(arrays: Sequence[np.ndarray], targets: Sequence[np.ndarray], names: Sequence[str]) -> frozenset:
    """(number of a target, name of an array) that share memory."""
    pairs = itertools.product(enumerate(targets), zip(names, arrays, strict=True))
    return frozenset((place, name) for (place, target), (name, array) in pairs if np.may_share_memory(target, array))


def made_by(step: Step) -> list[int]:
    """The earlier steps whose values a step reads."""
    return [operand.step for operand in step.operands if is_value(operand)]


def read_as_truth(steps: Sequence[Step]) -> set[int]:
    """The steps whose values have to be truth values for a later one."""
    return {earlier for step in steps if step.is_truth or step.name == "where" for earlier in made_by(step)}


def varying(steps: Sequence[Step]) -> list[bool]:
    found: list[bool] = []
    for step in steps:
        found.append(any(is_array(o) or (is_value(o) and found[o.step]) for o in step.operands))
    return found


def buffers_of(steps: Sequence[Step], results: Sequence[Any], varies: Sequence[bool]) -> list[list[int]]:
    """A buffer is used again when the last step that reads it is done; a number has none."""
    last = {i: i for i in range(len(steps))}
    for index, step in enumerate(steps):
        last.update(dict.fromkeys(made_by(step), index))
    last.update({result.step: len(steps) for result in results if is_value(result)})
    free: list[int] = []
    found: list[list[int]] = []
    count = 0
    for index, step in enumerate(steps):
        if not varies[index]:
            found.append([])
            continue
        spare = SPARE.get(step.name, 0)
        done = [found[i][0] for i in range(index) if last[i] == index and varies[i]]
        # The value may lie where an operand lay, but what a step needs besides may not.
        fresh = range(count, count + max(0, spare - len(free), 1 + spare - len(free) - len(done)))
        count += len(fresh)
        free += fresh
        besides = [free.pop() for _ in range(spare)]
        free += done
        found.append([free.pop(), *besides])
        free += besides
        if last[index] == index:
            free.append(found[-1][0])
    return found


def number(step: Step, operands: Sequence[Any]) -> Any:
    """A step on numbers alone: a Python number again, which takes the arrays' type."""
    if step.name == "where":
        return operands[1] if operands[0] else operands[2]
    with np.errstate(all="ignore"):
        return getattr(np, step.name)(*operands).item()


def function_of(step: Step, operands: Sequence[Any], dtype: Any) -> Callable[..., Any]:
    """What to call with a step's operands and its output."""
    if step.name == "where":
        return choose
    function: Callable[..., Any] = getattr(np, step.name)
    floats = all(value.dtype == dtype for value in operands if isinstance(value, np.ndarray))
    # Truth values and whole numbers have to be told that they become floats.
    return function if floats or step.is_truth else functools.partial(function, dtype=dtype)


def choose(condition: Any, a: Any, b: Any, mask: np.ndarray, changed: np.ndarray, out: np.ndarray) -> None:
    """out = a where the condition holds, else b, by masks of bits.

    np.where took four times as long on random signs.  mask, changed: buffers of integers as wide as a float.
    """
    bits_a, bits_b = (np.asarray(value, out.dtype).view(mask.dtype) for value in (a, b))
    # A condition is one byte, 0 or 1: its negative is a mask of all bits or none.
    np.negative(np.asarray(condition, bool).view(np.int8), out=mask, dtype=mask.dtype)
    np.bitwise_xor(bits_a, bits_b, out=changed)
    np.bitwise_and(mask, changed, out=mask)
    np.bitwise_xor(mask, bits_b, out=out.view(mask.dtype))
