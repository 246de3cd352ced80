"""Data: batches from an LMDB or LevelDB of Datums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.backend import layout
from minicaffe.blob import DATA
from minicaffe.errors import MinicaffeError, ParamError
from minicaffe.io.data_transformer import DataTransformer
from minicaffe.io.database import open_database
from minicaffe.io.prefetch import Prefetcher
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2

# Caffe says so the first time it waits for data, and then every so often.
WAITS_PER_LINE = 1000


class Batch:
    """One batch on the host: data (N, C, H, W) in the top's memory order, label (N,)."""

    def __init__(self) -> None:
        self.data = np.empty((0, 0, 0, 0), np.float32)
        self.label = np.empty(0, np.float32)

    def reshape(self, shape: tuple[int, ...], dtype: Any, order: str) -> None:
        if self.data.shape != shape:
            self.data = layout.view(np.empty(np.prod(shape, dtype=int), dtype), shape, order)
            self.label = np.empty(shape[0], dtype)


@register("Data")
class DataLayer(Layer):
    """Reads Datums from a database in ascending order of their keys, batch by batch, over and over.

    No bottoms. top[0]: the transformed items, (N, C, H, W).  top[1], optional: their labels, (N,).
    A thread reads, decodes and transforms batches ahead of their use. The first item of a batch gives the batch
    its C, H and W; batches may differ, items of one batch may not.

    data_param.source: the database's folder.  backend: LEVELDB (the default) or LMDB.  batch_size: N.
    prefetch (4): how many batches are made ahead.  rand_skip and force_encoded_color have no effect, as in Caffe.
    transform_param: scale, mean, crop, mirror (io/data_transformer.py).
    Source: Caffe's data_layer.cpp, base_data_layer.cpp.
    """

    exact_bottom = 0
    min_top = 1
    max_top = 2
    # The shape is that of the batch at hand; forward gives it to the tops.
    always_reshape = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.data_param
        self.batch_size = param.batch_size
        if not self.batch_size:
            raise self.error(ParamError, "is 0 or absent, must be 1 or more: items per batch", "data_param.batch_size")
        if not param.prefetch:
            raise self.error(ParamError, "is 0, must be 1 or more: batches made ahead", "data_param.prefetch")
        self.backend_name = caffe_pb2.DataParameter.DB.Name(param.backend).lower()
        self._open(param.source)
        transform = self.layer_param.transform_param
        self.transformer = DataTransformer(transform, self.phase, self.context.seed, self.name, self.error)
        self._prefetcher: Prefetcher[Batch] = Prefetcher(
            self._fill, [Batch() for _ in range(param.prefetch + 1)], name=f"prefetch {self.name}"
        )
        self._started = False
        self._seen = 0

    def _open(self, source: str) -> None:
        try:
            self.database = open_database(source, self.backend_name)
        except MinicaffeError as error:
            raise self.error(type(error), f'"{source}" cannot be used: {error}', "data_param.source") from error
        self.cursor = self.database.cursor()
        log.info(f"Opened {self.backend_name} {source}")
        if self.database.note:
            log.warning(f"{source}: {self.database.note}")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Take the shapes of the first batch, found by reading its first record."""
        self.cursor.seek(0)
        with self._placed():
            item = self.transformer.decode(self.cursor.read(1), self.cursor.keys, self.database.path).items[0]
        shape = (self.batch_size, *self.transformer.output_shape(item.shape))
        self.cursor.seek(0)
        log.info(f"output data size: {','.join(map(str, shape))}")
        self._shape_tops(top, shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if not self._started:
            self._start({})
        batch = self._prefetcher.get()
        self._log_waits()
        self._shape_tops(top, batch.data.shape)
        top[0].load(DATA, batch.data)
        if len(top) > 1:
            top[1].load(DATA, batch.label)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing lies below."""

    def state(self) -> dict:
        """Where the next batch to be used begins: items used so far, epoch and index of the record."""
        return dict(self._prefetcher.state() or {})

    def restore(self, state: dict) -> None:
        self._start(state)

    def close(self) -> None:
        self._prefetcher.close()
        self.database.close()

    # --- the thread's side ---------------------------------------------------------------------

    def _start(self, state: dict) -> None:
        """Begin to read where `state` says, at the first record without."""
        self._prefetcher.stop()
        self._seen = state.get("items", 0)
        self.cursor.seek(state.get("index", 0), state.get("epoch", 0))
        self._prefetcher.start(state)
        self._started = True

    def _fill(self, batch: Batch) -> dict:
        """Make the next batch; called in the thread. Returns the state that follows it."""
        epoch = self.cursor.epoch
        with self._placed():
            values = self.cursor.read(self.batch_size)
            decoded = self.transformer.decode(values, self.cursor.keys, self.database.path)
            shape = (self.batch_size, *self.transformer.output_shape(decoded.items[0].shape))
            batch.reshape(shape, self.context.dtype, self._order(shape))
            self.transformer.transform(decoded.items, batch.data, self._seen)
        batch.label[...] = decoded.labels
        self._seen += self.batch_size
        if self.cursor.epoch != epoch:
            log.info("Restarting data prefetching from start.")
        return {"items": self._seen, "epoch": self.cursor.epoch, "index": self.cursor.index}

    def _order(self, shape: tuple[int, ...]) -> str:
        assert self.context.layout is not None
        return self.context.layout(shape)

    def _placed(self) -> Any:
        """Errors of the database and the records get this layer's place."""
        return Placed(self)

    def _shape_tops(self, top: Blobs, shape: tuple[int, ...]) -> None:
        top[0].reshape(*shape)
        if len(top) > 1:
            top[1].reshape(shape[0])

    def _log_waits(self) -> None:
        if self._prefetcher.waits % WAITS_PER_LINE == 1:
            log.info("Waiting for data")


class Placed:
    """Context manager: a MinicaffeError that names no layer comes out with this layer's name and place."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, MinicaffeError) and not error.layer:
            raise self.layer.error(type(error), str(error)) from error
