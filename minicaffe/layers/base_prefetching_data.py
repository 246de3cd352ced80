"""What Data, ImageData and WindowData share: batches that a thread makes ahead of their use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar

import numpy as np

from minicaffe import log
from minicaffe.backend import layout as layouts
from minicaffe.blob import DATA
from minicaffe.errors import DataError, ParamError, ShapeError
from minicaffe.io.data_transformer import DataTransformer
from minicaffe.io.datum import sizes_text
from minicaffe.io.prefetch import Prefetcher
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.source import check_source, placing_source_errors

# Each takes memory; far more than anybody asks for on purpose.
_MOST_BATCHES = 10_000
# Caffe says so the first time it waits for data, and then every so often.
_WAITS_PER_LINE = 1000


class Batch:
    """One batch on the host.

    data: (N, C, H, W), in the memory order that `layout` gives.  label: (N,).  Memory is taken anew only for more.
    """

    def __init__(self, dtype: Any, layout: layouts.Layout) -> None:
        self._layout = layout
        self._memory = np.empty(0, dtype)
        self.data = self._memory.reshape(0, 0, 0, 0)
        self.label = np.empty(0, dtype)

    def reshape(self, shape: tuple[int, ...]) -> None:
        if shape == self.data.shape:
            return
        if math.prod(shape) > self._memory.size:
            self._memory = np.empty(math.prod(shape), self._memory.dtype)
        self.data = layouts.view(self._memory, shape, self._layout(shape))
        if len(self.label) != shape[0]:
            self.label = np.empty(shape[0], self.label.dtype)


class BasePrefetchingDataLayer(Layer):
    """Base of the layers that read images from files.

    No bottoms. top[0]: the transformed items, (N, C, H, W).  top[1], optional in Data: their labels, (N,).
    A thread makes up to data_param.prefetch (4) batches ahead. It starts with the first forward pass. The first item of
    a batch gives the batch its C, H and W; batches may differ, the items of one batch may not.

    What a type adds: open, fill, seek. Its message, named by `param_name`, has source (a `source_kind`) and batch_size.
    batch_size: N.  transformer: of transform_param.  start: the state before the first batch; `open` may set another.
    Source: Caffe's base_data_layer.cpp.
    """

    exact_bottom = 0
    param_name: ClassVar[str]
    source_kind: ClassVar[str]
    start: dict

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Filled as set-up goes along: where that fails half-way, what is open is closed all the same.
        self.resources = ExitStack()
        self._waits = 0

    # --- what a type overrides -----------------------------------------------------------------

    def open(self) -> tuple[int, int, int]:
        """Open the source, once; returns the shape (C, H, W) of the first item as it comes out of the transformer."""
        raise NotImplementedError(f"{type(self).__name__} has no open")

    def seek(self, state: dict) -> None:
        """Let the next `fill` make the batch that follows `state`, one of those that `fill` returned.

        Raises DataError where the source is another one now, FormatError for a state that cannot be.
        """
        raise NotImplementedError(f"{type(self).__name__} has no seek")

    def fill(self, batch: Batch) -> dict:
        """Make the next batch, in the thread; returns the state behind it, small, of plain numbers and strings.

        What is random may depend on the running index of the item alone, not on batches or on what was drawn before.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fill")

    # --- the life of a layer -------------------------------------------------------------------

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Open the source and shape the tops by its first item."""
        self.param = getattr(self.layer_param, self.param_name)
        self.batch_size: int = self.param.batch_size
        if not self.batch_size:
            raise self.error(ParamError, "is 0, must be 1 or more: items per batch", f"{self.param_name}.batch_size")
        check_source(self, self.param.source, f"{self.param_name}.source", self.source_kind)
        self.transformer = DataTransformer(
            self.layer_param.transform_param, self.phase, self.context.seed, self.name, self.error_maker()
        )
        slots = [Batch(self.context.dtype, top[0].layout) for _ in range(self._read_prefetch())]
        shape = (self.batch_size, *self.open())
        self._place = dict(self.start)
        log.info(f"output data size: {','.join(map(str, shape))}")
        for blob, sizes in zip(top, (shape, shape[:1]), strict=False):
            with self.blaming(f"{self.param_name}.batch_size", self.batch_size):
                blob.reshape(*sizes)
        self._prefetcher: Prefetcher[Batch] = Prefetcher(self.fill, slots, name=f"prefetch {self.name}")
        self.resources.callback(self._prefetcher.close)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """The tops take the shape of each batch, in forward."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if self._prefetcher.closed:
            raise self.error(DataError, "reads no more: its net was closed; build the net again")
        # Nothing can have been made ahead of the first batch: to wait for it tells nothing.
        waiting = self._log_wait if self._prefetcher.running else None
        if not self._prefetcher.running:
            self.seek(self._place)
            self._prefetcher.start(self._place)
        try:
            batch = self._prefetcher.get(waiting)
        except Exception:
            # The next pass begins anew behind the batch used last: what failed may have been mended.
            self._prefetcher.stop()
            raise
        for blob, values in zip(top, (batch.data, batch.label), strict=False):
            blob.reshape(*values.shape)
            blob.load(DATA, values)
        place = self._prefetcher.state()
        self._prefetcher.release()
        # Not when the thread turns back, which is a matter of timing.
        if place.get("epoch") != self._place.get("epoch"):
            log.info("Restarting data prefetching from start.")
        self._place = place

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing lies below."""

    def state(self) -> dict:
        """The place behind the batch that was used last, whatever the thread has made since."""
        return dict(self._place)

    def restore(self, state: dict) -> None:
        """Go on behind the batch that was used last when `state` was taken; where that fails, go on as before."""
        self._prefetcher.stop()
        self.transformer.seed = self.context.seed
        self.seek(state)
        self._place = dict(state)

    def close(self) -> None:
        self.resources.close()

    # --- what a type uses ----------------------------------------------------------------------

    def placed(self, path: str = "") -> AbstractContextManager[None]:
        """Give this layer's place to errors about its source. path: of the file that is read, if not the source."""
        return placing_source_errors(self, f"{self.param_name}.source", path or self.param.source)

    def common_shape(self, items: np.ndarray | list[np.ndarray], name: Callable[[int], str]) -> tuple[int, int, int]:
        """The shape (C, H, W) that each of a batch's items has in the end.

        name: of item i, for the ShapeError where they are not alike.
        """
        shape = self.transformer.output_shape(items[0].shape, name(0))
        # An array holds items that are alike.
        for i, item in enumerate(items if isinstance(items, list) else []):
            found = self.transformer.output_shape(item.shape, name(i))
            if found != shape:
                text = f"{name(i)} gives {sizes_text(found)} (C x H x W), the first of its batch, {name(0)}, "
                text += f"{sizes_text(shape)}; make all alike, or set transform_param.crop_size"
                raise ShapeError(text)
        return shape

    def _read_prefetch(self) -> int:
        prefetch: int = self.layer_param.data_param.prefetch
        if not 1 <= prefetch <= _MOST_BATCHES:
            text = f"is {prefetch}, must be 1 to {_MOST_BATCHES}: batches made ahead; omit it for 4"
            raise self.error(ParamError, text, "data_param.prefetch")
        return prefetch

    def _log_wait(self) -> None:
        if self._waits % _WAITS_PER_LINE == 0:
            log.info("Waiting for data")
        self._waits += 1
