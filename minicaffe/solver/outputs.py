"""The values of a net's outputs, and the log lines that list them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.net.net import Net


def output_values(net: Net) -> list[np.ndarray]:
    """Every output's values on the host, flat in C order; outputs are sorted by name."""
    return [net.backend.to_host(blob.data).reshape(-1) for blob in net.output_blobs]


def log_outputs(net: Net, values: list[Any], kind: str) -> None:
    """One line a value. kind: "Train net" or "Test net"."""
    for index, (name, value, suffix) in enumerate(described(net, values)):
        log.info(f"    {kind} output #{index}: {name} = {log.g(value)}{suffix}")


def described(net: Net, values: list[Any]) -> Iterator[tuple[str, Any, str]]:
    """(output, value, what its loss weight makes of it) for every value of every output."""
    for name, array in zip(net.outputs, values, strict=True):
        weight = net.blob_loss_weights.get(name, 0)
        for value in array:
            loss = f" (* {log.g(weight)} = {log.g(weight * value)} loss)" if weight else ""
            yield name, value, loss
