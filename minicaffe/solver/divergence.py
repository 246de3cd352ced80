"""NaN and infinity: a loss that went bad ends the run, and the first blob that is bad is named."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from minicaffe.errors import DivergedError
from minicaffe.layers.base import Layer
from minicaffe.net.net import Net

ADVICE = "lower base_lr, set clip_gradients, or look into the data; no snapshot was touched"


def check_loss(net: Net, loss: float, iteration: int) -> None:
    """Raises DivergedError unless the loss of this iteration is a number."""
    if not math.isfinite(loss):
        raise _diverged(net, f"the loss is {loss:g} at iteration {iteration}")


def check_weights(net: Net, iteration: int) -> None:
    """Raises DivergedError unless every learnable parameter is finite."""
    if not all(_is_finite(net, blob.data) for blob in net.learnable_params):
        raise _diverged(net, f"a weight is nan or infinite after iteration {iteration}")


def first_bad_blob(net: Net) -> tuple[Layer, str, Any] | None:
    """(layer, blob in words, its values) for the first blob, in the order of a forward pass, that is not finite."""
    for layer, what, values in _blobs_in_order(net):
        if not _is_finite(net, values):
            return layer, what, values
    return None


def _blobs_in_order(net: Net) -> Iterator[tuple[Layer, str, Any]]:
    for layer in net.graph.layers:
        yield from ((layer, f"its parameter blob {i}", blob.data) for i, blob in enumerate(layer.blobs))
        for name in net.top_names[layer.name]:
            yield layer, f'its top blob "{name}"', net.blobs[name].data


def _is_finite(net: Net, values: Any) -> bool:
    xp = net.backend.xp
    return bool(xp.isfinite(xp.asarray(values)).all())


def _diverged(net: Net, what: str) -> DivergedError:
    found = first_bad_blob(net)
    if found is None:
        return DivergedError(f"{what}, though all blobs of net '{net.name}' are finite: {ADVICE}")
    layer, blob, values = found
    xp = net.backend.xp
    bad = int((~xp.isfinite(xp.asarray(values))).sum())
    text = f"{what}; {blob} went bad first ({bad} of {values.size} values are nan or infinite): {ADVICE}"
    return DivergedError(text, layer=layer.name, layer_type=layer.type)
