"""Passes over arrays of any length, batch by batch. As pycaffe.py, forward_all and forward_backward_all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

from minicaffe.blob import HostBlob
from minicaffe.errors import MinicaffeError, ShapeError

Arrays = dict[str, np.ndarray]


class Passes(Protocol):
    """What is asked of a net here."""

    @property
    def blobs(self) -> Mapping[str, HostBlob]: ...
    @property
    def inputs(self) -> list[str]: ...
    @property
    def outputs(self) -> list[str]: ...
    def forward(self, blobs: list[str], **kwargs: Any) -> Arrays: ...
    def backward(self, diffs: list[str], **kwargs: Any) -> Arrays: ...


def forward_all(net: Passes, blobs: list[str], inputs: dict[str, Any]) -> Arrays:
    """The outputs, and `blobs`, for every item of the inputs: copies, (number of items, ...).

    A batch is as long as the net's first blob; the last one is filled up with zeros, whose results are dropped.
    Raises MinicaffeError without inputs, or for some of different length; ShapeError where a result has no batch axis.
    """
    items, size = count_items(inputs), batch_size(net)
    return joined([copied(net.forward(blobs, **batch)) for batch in cut(inputs, size)], items, size)


def forward_backward_all(
    net: Passes, blobs: list[str], diffs: list[str], arrays: dict[str, Any]
) -> tuple[Arrays, Arrays]:
    """The same, with a backward pass after each batch: (results, gradients of the inputs and `diffs`).

    arrays: inputs, gradients of outputs, or both; the side that is left out runs on what its blobs hold.
    """
    items, size = count_items(arrays), batch_size(net)
    unknown = set(arrays) - {*net.inputs, *net.outputs}
    if unknown:
        raise MinicaffeError(f"neither inputs nor outputs of this net: {', '.join(sorted(unknown))}")
    sides = [{name: arrays[name] for name in names if name in arrays} for names in (net.inputs, net.outputs)]
    results, gradients = [], []
    for inputs, top_diffs in zip_longest(*(cut(side, size) for side in sides), fillvalue={}):
        results.append(copied(net.forward(blobs, **inputs)))
        gradients.append(copied(net.backward(diffs, **top_diffs)))
    return joined(results, items, size), joined(gradients, items, size)


def count_items(arrays: dict[str, Any]) -> int:
    lengths = {name: length_of(name, array) for name, array in arrays.items()}
    if not lengths or min(lengths.values()) == 0:
        raise MinicaffeError("there is nothing to run: hand over arrays of at least one item, by blob name")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        raise MinicaffeError(f"the arrays must be of one length: {told} items")
    return next(iter(lengths.values()))


def length_of(name: str, array: Any) -> int:
    try:
        return len(array)
    except TypeError:
        text = f"'{name}' is to be an array of items, one behind the other along its first axis, not"
        raise TypeError(f"{text} {type(array).__name__}") from None


def batch_size(net: Passes) -> int:
    if not net.blobs:
        raise MinicaffeError("this net has no blobs: there is nothing to run")
    name, blob = next(iter(net.blobs.items()))
    if not blob.shape or not blob.shape[0]:
        raise ShapeError(f"batches are as long as the net's first blob, and '{name}' has shape {tuple(blob.shape)}")
    return blob.shape[0]


def cut(arrays: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """Batches of `size` items, the last filled up with zeros; none without arrays."""
    length = len(next(iter(arrays.values()), ()))
    for start in range(0, length, size):
        yield {name: padded(np.asarray(array[start : start + size]), size) for name, array in arrays.items()}


def padded(array: np.ndarray, size: int) -> np.ndarray:
    missing = np.zeros((size - len(array), *array.shape[1:]), array.dtype)
    return np.concatenate([array, missing]) if len(missing) else array


def copied(arrays: Arrays) -> Arrays:
    """The next batch overwrites the blobs."""
    for name, array in arrays.items():
        if not array.ndim:
            raise ShapeError(f"'{name}' has no batch axis: its values for several batches cannot be joined")
    return {name: array.copy() for name, array in arrays.items()}


def joined(batches: list[Arrays], items: int, size: int) -> Arrays:
    """The batches' arrays one behind the other, without what comes of the padding."""
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return {name: array[: len(array) * items // (size * len(batches))] for name, array in whole.items()}
