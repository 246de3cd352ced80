"""Data: batches from an LMDB or LevelDB of Datums."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.errors import DataError, FormatError
from minicaffe.io.database import open_database
from minicaffe.io.datum import DatumBatch
from minicaffe.layers.base_prefetching_data import BasePrefetchingDataLayer, Batch
from minicaffe.layers.registry import register
from minicaffe.proto import caffe_pb2


@register("Data")
class DataLayer(BasePrefetchingDataLayer):
    """Reads Datums from a database in ascending order of their keys, batch by batch, over and over.

    No bottoms. top[0]: the transformed items, (N, C, H, W).  top[1], optional: their labels, (N,).

    data_param.source: the database's folder.  backend: LEVELDB (the default) or LMDB.  batch_size: N.
    prefetch (4): how many batches are made ahead.
    rand_skip, force_encoded_color, scale, mean_file, crop_size and mirror of data_param have no effect, as in Caffe.
    transform_param: scale, mean_file, mean_value, crop_size, mirror, force_color, force_gray
    (io/data_transformer.py).

    Its state: items used so far; how often the database has been read to its end, and how many records since then; of
    the record used last, the key and the CRC-32, by which another database is told.
    Source: Caffe's data_layer.cpp.
    """

    param_name = "data_param"
    source_kind = "the folder of a database"
    start = {"items": 0, "epoch": 0, "index": 0}
    min_top = 1
    max_top = 2

    def open(self) -> tuple[int, int, int]:
        backend = caffe_pb2.DataParameter.DB.Name(self.param.backend).lower()
        with self.placed():
            self.database = open_database(self.param.source, backend)
            self.resources.callback(self.database.close)
            log.info(f"Opened {backend} {self.param.source}")
            if self.database.note:
                log.warning(f"{self.param.source}: {self.database.note}")
            self._cursor = self.database.cursor()
            first = self._decode(self._cursor.read(1))
        shape = self.transformer.output_shape(first.items[0].shape)
        # For nothing but its refusals: what does not fit the items is told before any training.
        self.transformer.transform(first.items, np.empty((1, *shape), self.context.dtype))
        return shape

    def seek(self, state: dict) -> None:
        """Behind the record that was used last, which must be there as it was."""
        self._items, epoch, index = (self.count_in(state, name) for name in self.start)
        key = self._key_in(state) if index else b""
        with self.placed():
            if not index:
                self._cursor.seek(0, epoch)
                return
            try:
                self._cursor.seek(index - 1, epoch, key)
                if zlib.crc32(self._cursor.read(1)[0]) != state.get("crc32"):
                    raise DataError(
                        f"the record under {self._cursor.keys[0]!r} is another one", file=self.database.path
                    )
            except DataError as error:
                text = f"{error}; give the database that was read when the snapshot was taken, or begin a new run with"
                raise DataError(f"{text} the snapshot's weights") from error

    def _key_in(self, state: dict) -> bytes:
        """The key of the record used last; a state has it in hexadecimal."""
        key: Any = state.get("key")
        try:
            return bytes.fromhex(key)
        except (TypeError, ValueError):
            text = f"cannot go on from the snapshot: its key is {key!r}, must be that of a record, in hexadecimal"
            raise self.error(FormatError, f"{text}; begin a new run with its weights") from None

    def fill(self, batch: Batch) -> dict:
        cursor = self._cursor
        with self.placed():
            values = cursor.read(self.batch_size)
            decoded = self._decode(values)
            shape = self.common_shape(decoded.items, self._name)
        batch.reshape((self.batch_size, *shape))
        self.transformer.transform(decoded.items, batch.data, self._items)
        batch.label[...] = decoded.labels
        self._items += self.batch_size
        last = {"key": cursor.keys[-1].hex(), "crc32": zlib.crc32(values[-1])}
        return {"items": self._items, "epoch": cursor.epoch, "index": cursor.index, **last}

    def _decode(self, values: Sequence[bytes]) -> DatumBatch:
        return self.transformer.decode(values, self._cursor.keys, self.database.path)

    def _name(self, i: int) -> str:
        return f"record {self._cursor.keys[i]!r} in {self.database.path}"
