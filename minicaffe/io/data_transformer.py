"""transform_param: what happens to an item on its way from a database, an image file or a Datum into a batch.

    y[c, h, w'] = (x[c, r + h, q + w] - mean) * scale

r, q: where the crop lies, drawn for each item in TRAIN, the middle in TEST. w': w, or width - 1 - w for an item that is
mirrored. mean: of the mean image at the same place of x, or of the channel. What is drawn for an item depends on the
seed, the layer's name and the item's running index, not on batches, threads or what was drawn before.

As data_transformer.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.backend.random import item_numbers
from minicaffe.blob import legacy_sizes
from minicaffe.errors import FileError, MinicaffeError, ParamError, ShapeError
from minicaffe.io.blobproto import read_binaryproto
from minicaffe.io.datum import DatumBatch, decode_batch, sizes_text
from minicaffe.proto import caffe_pb2

# How an error is made from its kind, text and field; a Layer adds where it stands.
MakeError = Callable[[type[MinicaffeError], str, str], MinicaffeError]
# Items cut out before they are written together: the floats of as many fill a cache line where the batch is innermost.
_GROUP = 16


def _plain_error(kind: type[MinicaffeError], message: str, field: str) -> MinicaffeError:
    return kind(message, field=field)


class DataTransformer:
    """Applies a TransformationParameter to batches.

    seed, name: of the net, and of the layer that asks; the seed may be set anew.
    error: makes exceptions, as Layer.error does.
    draws: whether items are mirrored or cropped by chance.  mean_image: what mean_file holds, (C, H, W), or None.
    Raises ParamError for settings that contradict each other, FileError or FormatError for the mean file.
    """

    def __init__(self, param: Any, phase: int, seed: int = 0, name: str = "", error: MakeError | None = None) -> None:
        self.param = param
        self.draws: bool = param.mirror or bool(param.crop_size and phase == caffe_pb2.TRAIN)
        self._phase, self.seed, self._name = phase, seed, name
        self._error = error or _plain_error
        self.mean_image = self._read_mean() if param.HasField("mean_file") else None
        # The mean, as large as the items that came last; room for items that are cut out.
        self._mean: np.ndarray | None = None
        self._cut_out = np.empty(0, np.uint8)
        # Whether it was said that force_color and force_gray do nothing here.
        self._told = False

    def decode(self, values: Sequence[bytes], keys: Sequence[bytes] = (), path: str = "") -> DatumBatch:
        """Serialized Datums as arrays: decode_batch, with force_color and force_gray."""
        color, gray = self.param.force_color, self.param.force_gray
        batch = decode_batch(values, keys, path, color=None if color == gray else color)
        if color and gray and batch.encoded:
            text = "is true, and so is force_gray; set one of them"
            raise self._error(ParamError, text, "transform_param.force_color")
        if (color or gray) and not batch.encoded and not self._told:
            self._told = True
            log.error(f'layer "{self._name}": force_color and force_gray only for encoded datum, ignored here')
        return batch

    def output_shape(self, item_shape: Sequence[int], name: str = "the items") -> tuple[int, int, int]:
        """The shape (C, H, W) that items of a shape (C, H, W) have afterwards. Raises ShapeError as `transform`.

        name: of the item, to be named in errors.
        """
        channels, height, width = item_shape
        size = self.param.crop_size
        if channels < 1:
            raise self._error(ShapeError, "needs items of at least one channel", "transform_param")
        if size > min(height, width):
            text = f"is {size}, larger than {name} of {sizes_text(item_shape)} (C x H x W)"
            raise self._error(ShapeError, text, "transform_param.crop_size")
        if self.mean_image is not None and self.mean_image.shape != tuple(item_shape):
            text = f'"{self.param.mean_file}" is of {sizes_text(self.mean_image.shape)}, {name} of'
            text += f" {sizes_text(item_shape)} (C x H x W); give the mean of whole items"
            raise self._error(ShapeError, text, "transform_param.mean_file")
        return (channels, size, size) if size else (channels, height, width)

    def transform(self, items: np.ndarray | list[np.ndarray], out: np.ndarray, index: int = 0) -> None:
        """Write a batch of items, transformed, into `out`.

        items: uint8 or float32 (N, C, H, W), or a list of (C, H, W) that differ.  out: float (N, C, H, W), any order.
        index: the running index of the first item.
        Raises ShapeError where an item does not fit the mean, the crop or `out`.
        """
        if isinstance(items, list):
            for i, item in enumerate(items):
                self.transform(item[np.newaxis], out[i : i + 1], index + i)
            return
        shape = items.shape[1:]
        self._check_fit(items.shape, out.shape)
        mean = self._mean_for(shape, out.dtype)
        if self.draws:
            self._transform_each(items, mean, out, self._draw(out.shape, shape, index))
            return
        rows, columns = (
            slice(first, first + size) for first, size in zip(self._middle(shape), out.shape[2:], strict=True)
        )
        self._write(items[:, :, rows, columns], None if mean is None else mean[:, rows, columns], out)

    def _transform_each(self, items: np.ndarray, mean: np.ndarray | None, out: np.ndarray, draws: np.ndarray) -> None:
        """transform, where each item has a place of its own: `draws` holds mirror, row and column of each."""
        height, width = out.shape[2:]
        computes = mean is not None or self.param.scale != 1
        cut_out = self._room((_GROUP, *out.shape[1:]), out.dtype if computes else items.dtype)
        for start in range(0, len(items), _GROUP):
            group = out[start : start + _GROUP]
            for item, place, (mirror, row, column) in zip(items[start:], cut_out, draws[start:].tolist(), strict=False):
                rows, columns = slice(row, row + height), slice(column, column + width)
                target = place[:, :, ::-1] if mirror else place
                if mean is None:
                    np.copyto(target, item[:, rows, columns])
                else:
                    np.subtract(item[:, rows, columns], mean[:, rows, columns], out=target)
                if self.param.scale != 1:
                    place *= self.param.scale
            np.copyto(group, cut_out[: len(group)])

    def _write(self, pixels: np.ndarray, mean: np.ndarray | None, out: np.ndarray) -> None:
        """out = (pixels - mean) * scale, walking along `out` as it lies in memory."""
        order = sorted(range(out.ndim), key=lambda axis: -out.strides[axis])
        target = out.transpose(order)
        np.copyto(target, pixels.transpose(order), casting="unsafe")
        if mean is not None:
            target -= mean[np.newaxis].transpose(order)
        if self.param.scale != 1:
            target *= self.param.scale

    def _draw(self, out_shape: Sequence[int], shape: Sequence[int], index: int) -> np.ndarray:
        """Mirror (0 or 1), first row and first column of each item: (N, 3)."""
        numbers = item_numbers(index, out_shape[0], self.seed, "transform", self._name)[:, :3]
        choices = np.array([2, shape[1] - out_shape[2] + 1, shape[2] - out_shape[3] + 1], np.uint64)
        draws = (numbers % choices).astype(np.int64)
        if not self.param.mirror:
            draws[:, 0] = 0
        if self._phase != caffe_pb2.TRAIN:
            draws[:, 1:] = self._middle(shape)
        return draws

    def _middle(self, shape: Sequence[int]) -> tuple[int, int]:
        """First row and column of the crop in the middle; 0, 0 without cropping."""
        size = self.param.crop_size
        return ((shape[1] - size) // 2, (shape[2] - size) // 2) if size else (0, 0)

    def _room(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if self._cut_out.shape != shape or self._cut_out.dtype != dtype:
            self._cut_out = np.empty(shape, dtype)
        return self._cut_out

    def _check_fit(self, shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        found = (shape[0], *self.output_shape(shape[1:]))
        if found != out_shape:
            made, given, wanted = map(sizes_text, (found, shape, out_shape))
            text = f"makes {made} of {given} (N x C x H x W), but the batch is {wanted}"
            raise self._error(ShapeError, f"{text}; all items must agree, or be cropped", "transform_param")

    def _mean_for(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
        """What to subtract from an item of that shape; None for nothing."""
        if self.mean_image is None and not len(self.param.mean_value):
            return None
        if self._mean is None or self._mean.shape != shape or self._mean.dtype != dtype:
            values = self.mean_image if self.mean_image is not None else self.mean_values(shape[0])
            self._mean = np.broadcast_to(values.astype(dtype), shape)
        return self._mean

    def mean_values(self, channels: int) -> np.ndarray:
        """mean_value, float32 (1 or C, 1, 1)."""
        values = np.array(self.param.mean_value, np.float32)
        if len(values) not in (1, channels):
            text = f"is given {len(values)} times, must be given once, or for each of the {channels} channels"
            raise self._error(ParamError, text, "transform_param.mean_value")
        return values.reshape(-1, 1, 1)

    def _read_mean(self) -> np.ndarray:
        """The mean image, (C, H, W)."""
        field = "transform_param.mean_file"
        if len(self.param.mean_value):
            raise self._error(ParamError, "stands beside mean_value; give one of them", field)
        if not self.param.mean_file:
            raise self._error(FileError, "is empty, must be the name of a mean image's file; omit it for none", field)
        try:
            blob = read_binaryproto(self.param.mean_file)
        except MinicaffeError as error:
            raise self._error(type(error), f"cannot be used: {error}", field) from error
        if len(blob.shape) > 4:
            text = f'"{self.param.mean_file}" has {len(blob.shape)} axes, must have channels, height and width'
            raise self._error(ShapeError, text, field)
        # As BlobProto's legacy sizes: missing ones are 1. Of several images the first counts.
        return blob.data.reshape(legacy_sizes(blob.shape))[0]
