"""WindowData: batches of windows cut out of images, foreground and background, for detectors of R-CNN's kind."""

from __future__ import annotations

import numpy as np

from minicaffe import log
from minicaffe.backend.random import item_numbers
from minicaffe.errors import DataError, ParamError, ShapeError
from minicaffe.io.datum import sizes_text
from minicaffe.io.decode import decode_image, path_text, read_bytes
from minicaffe.io.resize import resize
from minicaffe.io.window_crop import WindowCropper
from minicaffe.io.window_file import IMAGE, LABEL, X1, WindowFile
from minicaffe.layers.base_prefetching_data import BasePrefetchingDataLayer, Batch
from minicaffe.layers.registry import register

_CHANNELS = 3  # of images as they are decoded
# Items made before they are written together: the floats of as many fill a cache line where the batch is innermost.
_GROUP = 16


@register("WindowData")
class WindowDataLayer(BasePrefetchingDataLayer):
    """Draws windows from a window file (io/window_file.py), each cut out of its image and resized to a square.

        y = (x - mean) * scale      where the image is; 0 beyond it

    No bottoms. top[0]: the windows, (N, 3, s, s), channels in the order B, G, R; first those of the background, then
    those of the foreground, each drawn with replacement.  top[1]: their classes, (N,), 0 for the background.

    window_data_param.source: the window file.  root_folder (""): put before each path in it.  batch_size: N.
    fg_threshold (0.5): a window that overlaps an object by so much and more is foreground.
    bg_threshold (0.5): one that does by less is background; what is neither is not used.
    fg_fraction (0.25): the foreground's share of a batch, rounded down.
    context_pad (0): pixels on each side of the square that show what is around the window.
    crop_mode ("warp"): "square" shows a square around the window, anything else the window warped (io/window_crop.py).
    cache_images (false): keep the image files in memory.  scale (1): of the values; transform_param.scale has no
    effect, nor have mean_file, crop_size and mirror of window_data_param, as in Caffe.
    transform_param: crop_size: s, which there must be.  mirror.  mean_file: the middle of an image of s x s or more.
    mean_value: for all channels, or for each.
    data_param.prefetch (4): how many batches are made ahead.

    Its state: windows drawn so far, and the CRC-32 of all windows, by which another file is told.
    Source: Girshick et al., CVPR 2014, arXiv:1311.2524; Caffe's window_data_layer.cpp.
    """

    param_name = "window_data_param"
    source_kind = "a window file"
    start = {"items": 0}
    exact_top = 2

    def open(self) -> tuple[int, int, int]:
        self._log_settings()
        size: int = self.transformer.param.crop_size
        self._check_settings(size)
        self.mean = self._read_mean(size)
        self.cropper = WindowCropper(
            size, self.param.context_pad, self.param.crop_mode == "square", np.dtype(self.context.dtype).type
        )
        with self.placed():
            self.windows = WindowFile(
                self.param.source, self.param.root_folder, self.param.fg_threshold, self.param.bg_threshold
            )
        self._check_windows()
        self._files = [self._read_file(i) for i in range(len(self.windows.paths))] if self.param.cache_images else []
        self._log_windows()
        self.start = {"items": 0, "crc32": self.windows.crc32}
        return _CHANNELS, size, size

    def seek(self, state: dict) -> None:
        items = self.count_in(state, "items")
        if state.get("crc32") != self.windows.crc32:
            text = "which holds other windows than when the snapshot was taken; give the file that was read then"
            raise self._source_error(f"{text}, or begin a new run with the snapshot's weights")
        self._items = items

    def fill(self, batch: Batch) -> dict:
        size = self.cropper.crop_size
        batch.reshape((self.batch_size, _CHANNELS, size, size))
        windows, mirrored = self._draw()
        group = np.empty((min(_GROUP, self.batch_size), _CHANNELS, size, size), batch.data.dtype)
        for start in range(0, self.batch_size, _GROUP):
            out = batch.data[start : start + _GROUP]
            group[...] = 0
            for place, window, mirror in zip(group, windows[start:], mirrored[start:], strict=False):
                self._cut_out(window, mirror, place)
            np.copyto(out, group[: len(out)])
        batch.label[...] = windows[:, LABEL]
        self._items += self.batch_size
        return {**self.start, "items": self._items}

    # --- settings ------------------------------------------------------------------------------

    def _check_settings(self, size: int) -> None:
        if not size:
            raise self.error(
                ParamError, "is 0 or not set, must be the side of the windows", "transform_param.crop_size"
            )
        if 2 * self.param.context_pad >= size:
            text = f"is {self.param.context_pad}, must be less than half of crop_size {size}: it lies on each side"
            raise self.error(ParamError, text, "window_data_param.context_pad")
        fraction = self.param.fg_fraction
        if not 0 <= fraction <= 1:
            text = f"is {fraction:g}, must lie between 0 and 1: the foreground's share of a batch"
            raise self.error(ParamError, text, "window_data_param.fg_fraction")
        # As Caffe, in float32.
        self._foreground = int(np.float32(self.batch_size) * np.float32(fraction))

    def _read_mean(self, size: int) -> np.ndarray | None:
        """What to subtract, (3, size, size); None for nothing."""
        image, dtype = self.transformer.mean_image, self.context.dtype
        if image is None:
            if not len(self.transformer.param.mean_value):
                return None
            return np.broadcast_to(self.transformer.mean_values(_CHANNELS).astype(dtype), (_CHANNELS, size, size))
        channels, height, width = image.shape
        # As Caffe: rows, too, begin where the middle of the width does.
        first = (width - size) // 2
        if channels != _CHANNELS or first < 0 or first + size > height:
            text = f'"{self.transformer.param.mean_file}" is of {sizes_text(image.shape)} (C x H x W), it must have'
            text += f" {_CHANNELS} channels, and at ({first}, {first}) room for crop_size {size}; give a square image"
            raise self.error(ShapeError, text, "transform_param.mean_file")
        return image[:, first : first + size, first : first + size].astype(dtype)

    def _check_windows(self) -> None:
        if self.windows.channels != _CHANNELS:
            text = f"which says that its last image has {self.windows.channels} channels; images are read in colour"
            raise self._source_error(f"{text}, it must say {_CHANNELS}")
        for kind, windows, count in (
            ("foreground", self.windows.foreground, self._foreground),
            ("background", self.windows.background, self.batch_size - self._foreground),
        ):
            if count and not len(windows):
                text = f"which has no window of the {kind}, of which each batch needs {count}; set fg_threshold"
                raise self._source_error(f"{text}, bg_threshold or fg_fraction to fit the overlaps")

    def _source_error(self, text: str) -> DataError:
        return self.error(DataError, f'is "{self.param.source}", {text}', "window_data_param.source")

    # --- windows -------------------------------------------------------------------------------

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        """The windows of the next batch, as WindowFile has them, and whether each is mirrored."""
        numbers = item_numbers(self._items, self.batch_size, self.context.seed, "window", self.name)
        behind = self.batch_size - self._foreground
        kinds = ((self.windows.background, numbers[:behind, 0]), (self.windows.foreground, numbers[behind:, 0]))
        # Of a kind that no batch needs there may be no window.
        chosen = [windows[drawn % len(windows)] for windows, drawn in kinds if len(drawn)]
        return np.concatenate(chosen), (numbers[:, 1] % 2 == 1) & self.transformer.param.mirror

    def _cut_out(self, window: np.ndarray, mirror: bool, out: np.ndarray) -> None:
        """Write one window into `out`, (3, s, s), which holds zeros."""
        index = int(window[IMAGE])
        image = self._image(index)
        with self.placed(), self.windows.placed(index):
            rows, columns = self.cropper.crop(window[X1:].tolist(), image.shape[1], image.shape[2], mirror)
        pixels = resize(image[:, rows.source, columns.source], rows.size, columns.size)
        place = (..., slice(rows.place, rows.place + rows.size), slice(columns.place, columns.place + columns.size))
        part = out[place]
        np.copyto(part, pixels[..., ::-1] if mirror else pixels)
        if self.mean is not None:
            part -= self.mean[place]
        part *= self.param.scale

    def _image(self, index: int) -> np.ndarray:
        path = path_text(self.windows.paths[index])
        data = self._files[index] if self._files else self._read_file(index)
        with self.placed(path), self.windows.placed(index):
            return decode_image(data, True, path)

    def _read_file(self, index: int) -> bytes:
        path = self.windows.paths[index]
        with self.placed(path_text(path)), self.windows.placed(index):
            return read_bytes(path)

    # --- the log, in Caffe's words -------------------------------------------------------------

    def _log_settings(self) -> None:
        log.info(
            "Window data layer:\n"
            f"  foreground (object) overlap threshold: {self.param.fg_threshold:g}\n"
            f"  background (non-object) overlap threshold: {self.param.bg_threshold:g}\n"
            f"  foreground sampling fraction: {self.param.fg_fraction:g}\n"
            f"  cache_images: {self.param.cache_images:d}\n"
            f"  root_folder: {self.param.root_folder}"
        )

    def _log_windows(self) -> None:
        log.info(f"Number of images: {len(self.windows.paths)}")
        log.info(f"class 0 has {len(self.windows.background)} samples")
        for label, count in zip(*np.unique(self.windows.foreground[:, LABEL], return_counts=True), strict=True):
            log.info(f"class {label} has {count} samples")
        log.info(f"Amount of context padding: {self.param.context_pad}")
        log.info(f"Crop mode: {self.param.crop_mode}")
