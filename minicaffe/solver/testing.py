"""A test: so many forward passes of a testing net, and the means of its outputs. As solver.cpp, Test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minicaffe import log
from minicaffe.errors import ShapeError
from minicaffe.net.net import Net
from minicaffe.solver.outputs import log_outputs


def run_test(net: Net, passes: int, interrupted: Callable[[], bool], show_loss: bool) -> list[Any] | None:
    """Run `passes` forward passes and log the mean of every output value; None if interrupted before the end.

    interrupted: asked before each pass.  show_loss: test_compute_loss.
    Returns the means, an array for each output, on the host.
    """
    totals: list[Any] | None = None
    loss: Any = 0.0
    for _ in range(passes):
        if interrupted():
            log.info("Test interrupted.")
            return None
        loss = loss + net.run_forward()
        totals = _add(net, totals)
    means = [net.backend.to_host(total) / total.dtype.type(passes) for total in totals or ()]
    if show_loss:
        log.info(f"Test loss: {log.g(float(loss) / passes if passes > 0 else float('nan'))}")
    if totals is not None:
        log_outputs(net, means, "Test net")
    return means


def _add(net: Net, totals: list[Any] | None) -> list[Any]:
    """The sums so far, on the device, with this pass's outputs."""
    values = [blob.data.reshape(-1) for blob in net.output_blobs]
    if totals is None:
        return [value.copy() for value in values]
    for name, total, value in zip(net.outputs, totals, values, strict=True):
        if total.size != value.size:
            text = f"has {value.size} values in this pass and had {total.size} in the first: a test adds up the passes"
            raise ShapeError(f"output '{name}' of the testing net {text}; give all batches one size")
        total += value
    return totals
