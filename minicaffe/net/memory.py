"""The memory of a net: whether it fits, counted before a byte is taken; and one buffer for all its gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minicaffe.backend import Backend
from minicaffe.blob import DATA, DIFF, Blob
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Context, Layer
from minicaffe.net.graph import Graph
from minicaffe.net.sharing import Parameter

# Parameters begin at multiples of this many values in the shared buffers: 64 bytes and more.
ALIGNMENT = 64


def check_size(graph: Graph) -> None:
    """Raises ShapeError, naming the largest layer, for a net whose data and parameters can never fit.

    Counted is what a forward pass needs at least; gradients and the layers' own scratch come on top.
    """
    limit, sizes = memory_of(graph.context.backend), layer_sizes(graph)
    if limit is None or sum(sizes) <= limit:
        return
    layer = largest_layer(graph)
    assert layer is not None
    where = "GPU" if graph.context.backend.is_gpu else "machine"
    text = f"needs {max(sizes)} bytes for its tops and parameters; the whole net needs {sum(sizes)}, this {where} has"
    raise layer.error(ShapeError, f"{text} {limit}: make the batch, the images or num_output smaller")


def largest_layer(graph: Graph) -> Layer | None:
    """None in a net without layers."""
    sizes = layer_sizes(graph)
    return graph.layers[sizes.index(max(sizes))] if sizes else None


def layer_sizes(graph: Graph) -> list[int]:
    """Bytes of data that each layer adds: its tops and parameters, but for those that are others' memory."""
    seen: set[int] = set()
    sizes = []
    for layer, ids in zip(graph.layers, graph.top_ids, strict=True):
        storages = {id(s): s.capacity for s in (blob.storage(DATA) for blob in [*graph.blobs_of(ids), *layer.blobs])}
        sizes.append(graph.context.dtype.itemsize * sum(size for key, size in storages.items() if key not in seen))
        seen |= storages.keys()
    return sizes


def memory_of(backend: Backend) -> int | None:
    """Bytes of memory there are at all, swap included; None where nobody says."""
    if backend.is_gpu:
        return int(backend.xp.cuda.runtime.getDeviceProperties(backend.device_id)["totalGlobalMem"])
    return min(filter(None, (machine_memory(), container_limit())), default=None)


def machine_memory() -> int | None:
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return 1024 * (kilobytes["MemTotal"] + kilobytes["SwapTotal"])
    return None


def container_limit() -> int | None:
    """What a control group allows this process, version 2 or 1."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return int(Path(path).read_text(encoding="ascii"))
    return None


def places_of(blobs: Sequence[Blob]) -> tuple[list[slice], int]:
    """Where each blob lies in one flat buffer for all of them, and how many values that buffer has."""
    places, start = [], 0
    for blob in blobs:
        places.append(slice(start, start + blob.count))
        start += -(-blob.count // ALIGNMENT) * ALIGNMENT
    return places, start


class ParameterMemory:
    """All learnable parameters in one flat array, all their gradients in another, of one layout.

    data: empty once every parameter is another net's memory, as in nets that are tested while another is trained.
    diffs: taken when first asked for on a GPU; on the CPU at once, where its pages cost nothing until they are
    written, so that arrays which scripts fetched early stay what they are.
    """

    def __init__(self, context: Context, parameters: Sequence[Parameter]) -> None:
        self._context, self._blobs = context, [parameter.blob for parameter in parameters]
        self._places, self._size = places_of(self._blobs)
        self._data = self._take(DATA)
        self._storages = [blob.storage(DATA) for blob in self._blobs]
        self._diffs = None if context.backend.is_gpu else self._take(DIFF)

    def _take(self, which: int) -> Any:
        backend = self._context.backend
        with backend.at_work():
            flat = backend.zeros(self._size, self._context.dtype)
            for blob, place in zip(self._blobs, self._places, strict=True):
                blob.rebind(which, flat[place])
        return flat

    @property
    def data(self) -> Any:
        for blob in self._blobs:
            blob.storage(DATA).device()
        return self._data

    def take_diffs(self) -> None:
        if self._diffs is None:
            self._diffs = self._take(DIFF)

    @property
    def diffs(self) -> Any:
        self.take_diffs()
        # What a script wrote on the host comes along.
        for blob in self._blobs:
            blob.storage(DIFF).device()
        return self._diffs

    def release(self) -> None:
        """Let go of `data` if the parameters have all moved into another net's memory."""
        if not any(blob.storage(DATA) in self._storages for blob in self._blobs):
            self._data, self._storages = self._data[:0].copy(), []
