"""HDF5Output: two blobs into an HDF5 file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from minicaffe import log
from minicaffe.blob import DATA, LEGACY, Blob, shape_text
from minicaffe.errors import FileError, ParamError, ShapeError
from minicaffe.io.hdf5 import write_datasets
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register

_FIELD = "hdf5_output_param.file_name"


@register("HDF5Output")
class HDF5OutputLayer(Layer):
    """Writes its bottoms into a file in the first forward pass; a second one is an error, as in Caffe.

    bottom[0]: becomes the dataset "data".  bottom[1]: of the same batch size, becomes "label".  Both at most 4 axes,
    written with 4, the missing ones 1 behind the others, in the net's own type.  No tops, and no gradient.

    hdf5_output_param.file_name: the file, which another layer must not write too.

    As soon as the net is built there is an empty HDF5 file of that name, whatever was there before, as in Caffe. The
    forward pass puts the whole one in its place (io/atomic.py), which can be read at once.
    Source: Caffe's hdf5_output_layer.cpp.
    """

    exact_bottom = 2
    exact_top = 0

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.file_name: str = self.layer_param.hdf5_output_param.file_name
        if not self.file_name:
            raise self.error(ParamError, "is empty, must be the name of the file to write", _FIELD)
        self.written = False
        self.mark: tuple[int, ...] | None = None

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        for index, blob in enumerate(bottom):
            if blob.num_axes > len(LEGACY):
                text = (
                    f"bottom[{index}] {shape_text(blob.shape)} has {blob.num_axes} axes, at most {len(LEGACY)} can be"
                )
                raise self.error(ShapeError, f"{text} written; make it fewer with a Reshape or Flatten layer")
        if bottom[0].legacy_axis(0) != bottom[1].legacy_axis(0):
            text = f"bottom[0] {shape_text(bottom[0].shape)} and bottom[1] {shape_text(bottom[1].shape)} must have"
            raise self.error(ShapeError, f"{text} the same first axis, the batch size")

    def fill_parameters(self) -> None:
        """Make the file. There are no parameters, but now the whole net is known to be sound."""
        super().fill_parameters()
        self.write({})

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.check_file()
        log.info(f"Saving HDF5 file {self.file_name}")
        self.write({"data": four_axes(bottom[0]), "label": four_axes(bottom[1])})
        self.written = True
        log.info(f"Successfully saved {bottom[0].legacy_axis(0)} rows")

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing depends on what is written."""

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        try:
            write_datasets(self.file_name, arrays)
        except FileError as error:
            raise self.error(FileError, f"cannot be used: {error}", _FIELD) from error
        self.mark = mark_of(self.file_name)

    def check_file(self) -> None:
        """What is there must be the empty file still: neither this layer's output nor anybody else's is overwritten."""
        name = f'"{self.file_name}"'
        if self.written:
            text = f"{name} is written already: its datasets can be made once, in the first forward pass"
            advice = "run forward once, on a batch that holds all items, or build the net anew with another file_name"
            raise self.error(FileError, f"{text}; {advice}", _FIELD)
        if mark_of(self.file_name) not in (self.mark, None):
            text = f"{name} is not the file that was made when the net was built: another layer or program writes it"
            raise self.error(FileError, f"{text}; give this layer a file_name of its own", _FIELD)


def four_axes(blob: Blob) -> np.ndarray:
    """The blob's values on the host, (num, channels, height, width)."""
    return blob.host_array(DATA).reshape([blob.legacy_axis(axis) for axis in range(len(LEGACY))])


def mark_of(path: str) -> tuple[int, ...] | None:
    """What changes when a file is replaced or written; None where there is none."""
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino, found.st_size
    return None
