"""Gradients of parameters: a backward pass adds to them, and only to those that are wanted."""

from __future__ import annotations

from typing import Any

from minicaffe.layers.base import Layer


def add_product(layer: Layer, index: int, a: Any, b: Any) -> None:
    """layer.blobs[index].diff += a b, if that gradient is wanted.  a: (M, K), b: (K, N)."""
    if not layer.param_propagate_down[index]:
        return
    blob = layer.blobs[index]
    untouched = blob.claim_zero_diff()
    if untouched is not None:
        # A matrix product overwrites its result: where there are only zeros yet it need not be added.
        layer.kernels.matmul(a, b, untouched)
        return
    product = layer.scratch(blob.diff, "parameter_gradient:product")
    layer.kernels.matmul(a, b, product)
    layer.xp.add(blob.diff, product, out=blob.diff)


def add_sum(layer: Layer, index: int, rows: Any) -> None:
    """layer.blobs[index].diff += the sum of the rows, if that gradient is wanted.  rows: (M, N)."""
    if layer.param_propagate_down[index]:
        diff = layer.blobs[index].diff
        total = layer.xp.sum(rows, axis=0, out=layer.scratch(diff, "parameter_gradient:sum"))
        layer.xp.add(diff, total, out=diff)
