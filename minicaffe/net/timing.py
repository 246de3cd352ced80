"""How long the layers of a net take, forward and backward. As caffe.cpp, time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from minicaffe.backend import Backend
from minicaffe.layers.base import Layer
from minicaffe.layers.python import PythonLayer
from minicaffe.net.net import Net


class Clock:
    """Reads the time, in microseconds, when the device has done all it was asked for."""

    def __init__(self, backend: Backend) -> None:
        self._device: Any = backend.xp.cuda.Device(backend.device_id) if backend.is_gpu else None

    def __call__(self) -> float:
        if self._device is not None:
            self._device.synchronize()
        return time.perf_counter_ns() / 1000


@dataclass
class LayerTimes:
    """Sums over iterations, in microseconds.

    forward, backward: of each layer.  forward_passes, backward_passes: of all layers and what lies between them.
    """

    forward: list[float]
    backward: list[float]
    forward_passes: float = 0.0
    backward_passes: float = 0.0


class Stopwatch:
    """Runs a net's layers one by one and adds up, in `times`, what each takes.

    The net should have run once, forward and backward, so that all its memory is there.
    """

    def __init__(self, net: Net) -> None:
        self.net, self.clock = net, Clock(net.backend)
        graph = net.graph
        self.times = LayerTimes([0.0] * len(graph.layers), [0.0] * len(graph.layers))
        self._bottoms = [graph.blobs_of(ids) for ids in graph.bottom_ids]
        self._tops = [graph.blobs_of(ids) for ids in graph.top_ids]

    def run(self) -> float:
        """One iteration, forward and backward; the microseconds it took."""
        with self.net.backend.at_work():
            start = self.clock()
            self._forward()
            middle = self.clock()
            self._backward()
            end = self.clock()
        self.times.forward_passes += middle - start
        self.times.backward_passes += end - middle
        return end - start

    def _forward(self) -> None:
        for i, layer in enumerate(self.net.graph.layers):
            start = self.clock()
            with layer.placing_errors():
                layer.run_forward(self._bottoms[i], self._tops[i])
            self.times.forward[i] += self.clock() - start

    def _backward(self) -> None:
        """All layers, needed or not, as in Caffe. Which bottoms they write follows the net's need all the same."""
        wanted = self.net.graph.need.bottom
        for i, layer in reversed(list(enumerate(self.net.graph.layers))):
            start = self.clock()
            if has_backward(layer):
                with layer.placing_errors():
                    layer.run_backward(self._tops[i], wanted[i], self._bottoms[i])
            self.times.backward[i] += self.clock() - start


def has_backward(layer: Layer) -> bool:
    """False only for a user's class that has none, which is in order as long as no gradient is asked for."""
    return not isinstance(layer, PythonLayer) or callable(getattr(layer.user, "backward", None))
