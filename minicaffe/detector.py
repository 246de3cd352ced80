"""Detector: a net that says what is in windows of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe.classifier import Path, image_transformer, run_images
from minicaffe.errors import MinicaffeError, ParamError, ShapeError
from minicaffe.io.array_checks import ArrayError, image_array
from minicaffe.io.image_arrays import load_image, resize_image
from minicaffe.layers.base import TEST
from minicaffe.net.net import Net

_SELECTIVE_SEARCH = "selective_search_ijcv_with_python"


class Detector(Net):
    """A net with weights that looks at windows of images, as R-CNN does.

        detector = caffe.Detector("deploy.prototxt", "weights.caffemodel", raw_scale=255, context_pad=16)
        found = detector.detect_windows([("cat.jpg", [(20, 30, 220, 280)])])[0]["prediction"]

    mean, input_scale, raw_scale, channel_swap: of the transformer (io/transformer.py).
    context_pad: pixels on each side of the input that show what is around the window; None or 0 for none.
    transformer: H x W x K images to the first input.  crop_dims: its (height, width, channels).
    crop_mean: with context_pad, what fills a window beyond the image, H x W x K as images are.
    Source: Girshick et al., CVPR 2014, arXiv:1311.2524.
    """

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = image_transformer(
            self, mean=mean, input_scale=input_scale, raw_scale=raw_scale, channel_swap=channel_swap
        )
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[Path, Iterable[Any]]]) -> list[dict[str, Any]]:
        """The first output for each window, warped to the net's input.

        images_windows: (image file, windows) pairs; a window is (ymin, xmin, ymax, xmax), pixels.
        Gives {"window": ..., "prediction": ..., "filename": ...} for each window, in order.
        Raises FileError, DataError for files as load_image; ArrayError, a ValueError, for a window as crop, and where
        there are no windows at all.
        """
        listed = [(file, list(windows)) for file, windows in images_windows]
        crops = [crop for file, windows in listed for crop in self._crops(file, windows)]
        if not crops:
            raise ArrayError("there are no windows to look at; give (file, [(ymin, xmin, ymax, xmax), ...]) pairs")
        predictions = iter(run_images(self, self.transformer, crops))
        return [
            {"window": window, "prediction": next(predictions), "filename": file}
            for file, windows in listed
            for window in windows
        ]

    def _crops(self, file: Path, windows: list[Any]) -> list[np.ndarray]:
        channels = self.crop_dims[2]
        image = load_image(file, color=channels != 1)
        try:
            # Copies: a transformer may change what it is given, and windows overlap.
            return [self.crop(image, window).copy() for window in windows]
        except ArrayError as error:
            raise ArrayError(str(error), file=os.fspath(file)) from error

    def detect_selective_search(self, image_fnames: Iterable[Path]) -> list[dict[str, Any]]:
        """detect_windows for the windows that Selective Search proposes.

        Raises MinicaffeError where the package for it is not installed; it needs MATLAB.
        """
        try:
            import selective_search_ijcv_with_python as selective_search
        except ImportError as error:
            text = f"detect_selective_search needs the module {_SELECTIVE_SEARCH}, which cannot be imported ({error})"
            hint = f"put github.com/sergeyk/{_SELECTIVE_SEARCH} on PYTHONPATH, or give windows to detect_windows"
            raise MinicaffeError(f"{text}; {hint}") from error
        # MATLAB runs in a folder of its own.
        files = [os.path.abspath(file) for file in image_fnames]
        windows = selective_search.get_windows(files, cmd="selective_search_rcnn")
        return self.detect_windows(zip(files, windows, strict=True))

    # --- crops ---------------------------------------------------------------------------------

    def configure_crop(self, context_pad: int | None) -> None:
        """Take up another context_pad, and crop_dims and crop_mean from the transformer's settings.

        Raises ParamError for one that leaves no room for the window, ShapeError where the input is not square.
        """
        in_ = self.inputs[0]
        shape = self.blobs[in_].data.shape
        inverse = np.argsort(self.transformer.transpose[in_])
        self.crop_dims = np.array(shape[1:])[inverse]
        if context_pad:
            if shape[2] != shape[3]:
                raise ShapeError(f"context_pad needs a square input, '{in_}' has shape {shape}; give None for none")
            if not 0 < 2 * context_pad < shape[3]:
                text = f"context_pad is {context_pad}, must be less than half of the input's width, {shape[3]}"
                raise ParamError(f"{text}, and not negative; None for no context")
            self.crop_mean = self._mean_of_images(inverse)
        self.context_pad = context_pad

    def _mean_of_images(self, inverse: np.ndarray) -> np.ndarray:
        """The mean as images are: before the channel swap and the raw scale, H x W x K."""
        in_, transformer = self.inputs[0], self.transformer
        if in_ not in transformer.mean:
            return np.zeros(self.crop_dims, np.float32)
        mean = transformer.mean[in_].reshape((-1, *transformer.mean[in_].shape[-2:])).transpose(inverse)
        if in_ in transformer.channel_swap:
            mean = mean[:, :, np.argsort(transformer.channel_swap[in_])]
        return mean / transformer.raw_scale.get(in_, 1)

    def crop(self, im: np.ndarray, window: Sequence[float]) -> np.ndarray:
        """A window of an image (H, W, K), as it is; or with its context, as large as the net's input.

            c = input width,    s = c / (c - 2 context_pad),    half = (max - min + 1) / 2
            box = round(min + half - s half) ... round(min + half + s half)

        of which the part inside the image is resized, and the rest is crop_mean.
        window: (ymin, xmin, ymax, xmax), pixels; fractions are cut off.
        Raises ArrayError, a ValueError, for a window that is empty, or lies outside the image.
        """
        image = image_array(im)
        corners = _whole(window)
        return self._crop_with_context(image, corners) if self.context_pad else _plain_crop(image, corners)

    def _crop_with_context(self, image: np.ndarray, window: tuple[int, ...]) -> np.ndarray:
        crop_size, pad = int(self.crop_dims[1]), self.context_pad or 0
        try:
            rows, y = _span(window[0], window[2], image.shape[0], crop_size, pad)
            columns, x = _span(window[1], window[3], image.shape[1], crop_size, pad)
        except ValueError:
            raise _outside(window, image) from None
        crop = np.ones(self.crop_dims, np.float32) * self.crop_mean
        crop[y, x] = resize_image(image[rows, columns], (y.stop - y.start, x.stop - x.start))
        return crop


def _span(first: int, last: int, size: int, crop_size: int, pad: int) -> tuple[slice, slice]:
    """Along one axis: what the box shows of the image, and where that goes in the crop. ValueError where nothing is."""
    half = (last - first + 1) / 2
    reach = crop_size / (crop_size - 2 * pad) * half
    begin, end = int(np.round(first + half - reach)), int(np.round(first + half + reach))
    start, stop = min(max(begin, 0), size), min(max(end, 0), size)
    if stop <= start:
        raise ValueError
    # As pycaffe: the box counts its last pixel here, which the slice of the image leaves out.
    scale = crop_size / (end - begin + 1)
    place = round(max(0, -begin) * scale)
    length = min(round((stop - start + 1) * scale), crop_size - place)
    if length < 1:
        raise ValueError
    return slice(start, stop), slice(place, place + length)


def _whole(window: Sequence[float]) -> tuple[int, ...]:
    found = np.asarray(window)
    if found.shape != (4,) or found.dtype.kind not in "uif" or not np.isfinite(found).all():
        raise ArrayError(f"the window is {window}, must be four numbers (ymin, xmin, ymax, xmax)")
    return tuple(int(number) for number in found)


def _plain_crop(image: np.ndarray, window: tuple[int, ...]) -> np.ndarray:
    ymin, xmin, ymax, xmax = window
    crop = image[max(ymin, 0) : max(ymax, 0), max(xmin, 0) : max(xmax, 0)]
    if ymin < 0 or xmin < 0 or not crop.size:
        raise _outside(window, image)
    return crop


def _outside(window: tuple[int, ...], image: np.ndarray) -> ArrayError:
    height, width = image.shape[:2]
    text = (
        f"the window {tuple(window)} (ymin, xmin, ymax, xmax) is empty, or lies outside the image of {height} x {width}"
    )
    return ArrayError(f"{text} (height x width); correct it")
