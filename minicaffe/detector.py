"""Detector: a net that says what is in windows of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe.classifier import Path, image_transformer, run_images
from minicaffe.errors import MinicaffeError, ParamError, ShapeError
from minicaffe.io.array_checks import ArrayError, image_array
from minicaffe.io.context_crop import context_crop, plain_crop, window_corners
from minicaffe.io.image_arrays import load_image
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
        """A window of an image (H, W, K): a view of it; or with its context, as large as the net's input.

        window: (ymin, xmin, ymax, xmax), pixels; fractions are cut off.
        Raises ArrayError, a ValueError, for a window that is empty, or lies outside the image. See io/context_crop.py.
        """
        image, corners = image_array(im), window_corners(window)
        if not self.context_pad:
            return plain_crop(image, corners)
        canvas = (np.ones(self.crop_dims) * self.crop_mean).astype(np.float32)
        return context_crop(image, corners, self.context_pad, canvas)
