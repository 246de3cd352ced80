"""ImageData: batches from image files that a list names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe import log
from minicaffe.backend.random import generator
from minicaffe.errors import DataError, FormatError, ParamError
from minicaffe.io.decode import path_text
from minicaffe.io.image_list import ImageList
from minicaffe.layers.base_prefetching_data import BasePrefetchingDataLayer, Batch
from minicaffe.layers.registry import register


@register("ImageData")
class ImageDataLayer(BasePrefetchingDataLayer):
    """Reads the image files that a list names, batch by batch, over and over.

    No bottoms. top[0]: the transformed images, (N, C, H, W), channels in the order B, G, R.  top[1]: labels, (N,).

    image_data_param.source: the list, a file name, a blank and a label a line (io/image_list.py).  batch_size (1): N;
    images of different sizes need 1, new_height and new_width, or transform_param.crop_size.
    root_folder (""): put before each name.  is_color (true): 3 channels; false: 1, grey.
    new_height, new_width (0): resize to so many pixels, bilinearly (io/resize.py); both, or neither.
    shuffle (false): another order each time the list is read, which seed, layer and epoch determine.
    rand_skip (0): begin at a place drawn from 0 to rand_skip - 1, the first time.
    scale, mean_file, crop_size and mirror of image_data_param have no effect, as in Caffe.
    data_param.prefetch (4): how many batches are made ahead.
    transform_param: as in Data; its force_color and force_gray have no effect.

    Its state: images used so far; how often the list has been read to its end, and how many lines since then; how many
    lines the list has and its CRC-32, by which another list is told.
    Source: Caffe's image_data_layer.cpp.
    """

    param_name = "image_data_param"
    source_kind = "a list of image files and labels"
    start = {"items": 0, "epoch": 0, "index": 0}
    exact_top = 2

    def open(self) -> tuple[int, int, int]:
        self._check_new_size()
        log.info(f"Opening file {self.param.source}")
        with self.placed():
            self.images = ImageList(self.param.source, self.param.root_folder)
        if self.param.shuffle:
            log.info("Shuffling data")
        log.info(f"A total of {len(self.images)} images.")
        self.start = {**self.start, "index": self._skip(), "lines": len(self.images), "crc32": self.images.crc32}
        self.seek(self.start)
        return self._check_first(int(self._order[self._index]))

    def seek(self, state: dict) -> None:
        items, epoch, index = (self.count_in(state, name) for name in ("items", "epoch", "index"))
        if (state.get("lines"), state.get("crc32")) != (len(self.images), self.images.crc32):
            text = f'is "{self.param.source}", another list than was read when the snapshot was taken; give that one'
            text += ", or begin a new run with the snapshot's weights"
            raise self.error(DataError, text, "image_data_param.source")
        if index >= len(self.images):
            text = f"cannot go on from the snapshot: its index is {index}, of a list of {len(self.images)} lines"
            raise self.error(FormatError, text)
        self._items, self._index = items, index
        self._begin_epoch(epoch)

    def fill(self, batch: Batch) -> dict:
        lines = self._next_lines()
        images = [self._load(line) for line in lines]
        with self.placed():
            shape = self.common_shape(images, lambda i: self.images.name(lines[i]))
            labels = [self.images.label(line) for line in lines]
        batch.reshape((self.batch_size, *shape))
        alike = all(image.shape == images[0].shape for image in images)
        self.transformer.transform(np.stack(images) if alike else images, batch.data, self._items)
        batch.label[...] = labels
        self._items += self.batch_size
        return {**self.start, "items": self._items, "epoch": self._epoch, "index": self._index}

    def _check_new_size(self) -> None:
        height, width = self.param.new_height, self.param.new_width
        if bool(height) != bool(width):
            missing, given = ("new_width", "new_height") if height else ("new_height", "new_width")
            text = f"is 0 or not set, and {given} is {height or width}; set both, or neither"
            raise self.error(ParamError, text, f"image_data_param.{missing}")
        with self.blaming("image_data_param.new_height", f"{height}, and new_width {width}"):
            # Takes no memory.  What is cropped is no larger than one image.
            images = 1 if self.layer_param.transform_param.crop_size else self.param.batch_size
            self.new_blob((images, 3 if self.param.is_color else 1, height, width))

    def _skip(self) -> int:
        """The index of the first line to be used in the order of the first epoch."""
        if not self.param.rand_skip:
            return 0
        skip = int(generator(self.context.seed, "rand_skip", self.name).integers(self.param.rand_skip))
        log.info(f"Skipping first {skip} data points.")
        if skip >= len(self.images):
            text = f"is {self.param.rand_skip}, and {skip} was drawn: Not enough points to skip, the list has"
            text += f" {len(self.images)} lines; set {len(self.images)} or less"
            raise self.error(ParamError, text, "image_data_param.rand_skip")
        return skip

    def _check_first(self, line: int) -> tuple[int, int, int]:
        """The shape that the image of a line has in the end; tells before any training what does not fit it."""
        image = self._load(line)
        shape = self.transformer.output_shape(image.shape, self.images.name(line))
        self.transformer.transform(image[np.newaxis], np.empty((1, *shape), self.context.dtype))
        return shape

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order: Sequence[int] | np.ndarray = range(len(self.images))
        if self.param.shuffle:
            self._order = generator(self.context.seed, "shuffle", self.name, epoch).permutation(len(self.images))

    def _next_lines(self) -> list[int]:
        """The lines of the next batch."""
        lines: list[int] = []
        while len(lines) < self.batch_size:
            part = self._order[self._index : self._index + self.batch_size - len(lines)]
            lines += map(int, part)
            self._index += len(part)
            if self._index == len(self._order):
                self._index = 0
                self._begin_epoch(self._epoch + 1)
        return lines

    def _load(self, line: int) -> np.ndarray:
        """The image of a line, in the size that the transformer gets."""
        with self.placed(path_text(self.images.path(line))):
            return self.images.load(line, self.param.is_color, self.param.new_height, self.param.new_width)
