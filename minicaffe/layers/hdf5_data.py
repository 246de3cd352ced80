"""HDF5Data: batches of rows out of HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe import log
from minicaffe.blob import DATA
from minicaffe.errors import DataError, FormatError, ParamError
from minicaffe.io.hdf5_rows import HDF5Rows, read_list
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.layers.source import check_source, placing_source_errors

_SOURCE = "hdf5_data_param.source"


@register("HDF5Data")
class HDF5DataLayer(Layer):
    """Reads rows of HDF5 files, one file after the other, over and over; a batch may straddle files.

    No bottoms. top[i]: (N, *row), from the dataset that is named like the top: integers or floats, (rows, *row), as
    many rows as the file's other ones. Rows have the same shapes in all files.

    hdf5_data_param.source: a text file with the names of the HDF5 files, separated by white space; relative ones begin
    at the current folder.  batch_size: N.  shuffle (false): order the files anew in each epoch, and the rows within
    each file, by the seed and the epoch alone.
    transform_param is refused: nothing is transformed.

    All files are looked at when the net is built. They are loaded whole, one at a time; a single one once.
    Its state: epoch; index, rows used in this epoch; and how many rows an epoch has, by which other data is told.
    Source: Caffe's hdf5_data_layer.cpp.
    """

    exact_bottom = 0
    min_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.param = self.layer_param.hdf5_data_param
        self.check_settings()
        with placing_source_errors(self, _SOURCE):
            log.info(f"Loading list of HDF5 filenames from: {self.param.source}")
            paths = read_list(self.param.source)
            log.info(f"Number of HDF5 files: {len(paths)}")
            self.rows = HDF5Rows(
                paths,
                self.layer_param.top,
                self.context.dtype,
                shuffle=self.param.shuffle,
                seed=self.context.seed,
                key=self.name,
            )
        self.epoch = self.index = 0
        self.shapes = [(self.param.batch_size, *shape) for shape in self.rows.shapes]
        for blob, shape in zip(top, self.shapes, strict=True):
            with self.blaming("hdf5_data_param.batch_size", self.param.batch_size):
                blob.reshape(*shape)
        self.batch: list[np.ndarray] = []

    def check_settings(self) -> None:
        if self.layer_param.HasField("transform_param"):
            text = "is given: HDF5Data does not transform data; take it out, and transform what the files hold"
            raise self.error(ParamError, text, "transform_param")
        if not self.param.batch_size:
            raise self.error(ParamError, "is 0, must be 1 or more: rows per batch", "hdf5_data_param.batch_size")
        check_source(self, self.param.source, _SOURCE, "a text file with the names of HDF5 files")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """The tops keep the shapes of set-up."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if not self.batch:
            self.batch = [np.empty(shape, self.context.dtype) for shape in self.shapes]
        with placing_source_errors(self, _SOURCE):
            place = self.rows.read(self.epoch, self.index, self.batch)
        for blob, values in zip(top, self.batch, strict=True):
            blob.reshape(*values.shape)
            blob.load(DATA, values)
        self.epoch, self.index = place

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing lies below."""

    def state(self) -> dict:
        return {"epoch": self.epoch, "index": self.index, "rows": self.rows.count}

    def restore(self, state: dict) -> None:
        epoch, index, rows = (self.count_in(state, name) for name in ("epoch", "index", "rows"))
        if index > rows:
            text = f"cannot go on from the snapshot: its index is {index}, must be at most {rows}, the rows of an epoch"
            raise self.error(FormatError, f"{text}; begin a new run with its weights")
        if rows != self.rows.count:
            found = f"whose files have {self.rows.count} rows, when the snapshot was taken they had {rows}"
            advice = "give the files that were read then, or begin a new run with the snapshot's weights"
            raise self.error(DataError, f'is "{self.param.source}", {found}; {advice}', _SOURCE)
        self.rows.reseed(self.context.seed)
        self.epoch, self.index = epoch, index
