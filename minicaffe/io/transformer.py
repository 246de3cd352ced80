"""Transformer: images of scripts to what a net's input takes, and back. Part of caffe.io."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.errors import ParamError, ShapeError
from minicaffe.io.array_checks import ArrayError, numeric_array
from minicaffe.io.image_arrays import resize_image


class Transformer:
    """Brings images into the form of a net's inputs.

        transformer = Transformer({"data": net.blobs["data"].data.shape})
        transformer.set_transpose("data", (2, 0, 1))        # H x W x K to K x H x W
        transformer.set_channel_swap("data", (2, 1, 0))     # R G B to B G R
        transformer.set_raw_scale("data", 255)              # [0, 1] to [0, 255]
        transformer.set_mean("data", mean)
        net.blobs["data"].data[...] = transformer.preprocess("data", image)

    inputs: {name of the blob: its shape (N, C, H, W)}.
    transpose, channel_swap, raw_scale, mean, input_scale: what was set, by name of the blob.
    Every method raises ParamError for a name that is not among the inputs.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, Any] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Transformer({'; '.join(map(self._described, self.inputs))})"

    def _described(self, in_: str) -> str:
        parts = [f"{in_}: {self._shape(in_)}"]
        for setting in ("transpose", "channel_swap", "raw_scale", "mean", "input_scale"):
            if in_ in getattr(self, setting):
                value = getattr(self, setting)[in_]
                parts.append(f"{setting} {f'of shape {value.shape}' if isinstance(value, np.ndarray) else value}")
        return ", ".join(parts)

    # --- settings ------------------------------------------------------------------------------

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The axes of an image in the order that the blob has them: (2, 0, 1) for images H x W x K.

        Raises ParamError for another number of axes than the blob's without N, ArrayError for what is no permutation.
        """
        self._check(in_)
        shape = self._shape(in_)
        if len(order) != len(shape) - 1:
            text = "Transpose order needs to have the same number of dimensions as the input."
            raise ParamError(
                f"{text} '{in_}' is {shape}: {len(shape) - 1} without N, the order {order} has {len(order)}"
            )
        if sorted(order) != list(range(len(order))):
            raise ArrayError(f"the transpose order {order} must name each axis from 0 to {len(order) - 1} once")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Which channels to take, after transposing: (2, 1, 0) turns R G B into B G R.

        Raises ParamError for another number than the blob has.
        """
        self._check(in_)
        shape = self._shape(in_)
        if len(order) != shape[1]:
            text = "Channel swap needs to have the same number of dimensions as the input channels."
            raise ParamError(f"{text} '{in_}' is {shape}: {shape[1]} channels, the order {order} has {len(order)}")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """A factor before the mean is subtracted: 255 where images lie in [0, 1] and the mean in [0, 255]."""
        self._check(in_)
        numeric_array(scale, "raw_scale")
        self.raw_scale[in_] = scale

    def set_input_scale(self, in_: str, scale: float) -> None:
        """A factor after the mean is subtracted."""
        self._check(in_)
        numeric_array(scale, "input_scale")
        self.input_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """What to subtract: (C,), a value per channel, or (C, H, W), resized to the blob's size where it has another.

        (H, W) will do for a blob of one channel and that size. Raises ArrayError, a ValueError, for other shapes.
        """
        self._check(in_)
        mean = numeric_array(mean, "the mean")
        shape = self._shape(in_)
        told = f"The mean has shape {mean.shape}, '{in_}' {shape}"
        if mean.ndim == 1:
            if len(mean) != shape[1]:
                text = f"Mean channels incompatible with input. {told}: give one value for each of {shape[1]} channels"
                raise ArrayError(text)
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim not in (2, 3):
            hint = "; of what a .binaryproto file holds give mean[0]" if mean.ndim == 4 else ""
            raise ArrayError(f"Mean shape invalid. {told}: give C values, or an array of C x H x W{hint}")
        elif mean.ndim == 2 and (1, *mean.shape) != shape[1:]:
            raise ArrayError(f"Mean shape invalid. {told}: two axes are for one channel of that size; give C x H x W")
        elif mean.ndim == 3 and mean.shape != shape[1:]:
            mean = _resized_mean(mean, shape[2:], told)
        self.mean[in_] = mean

    # --- images --------------------------------------------------------------------------------

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """An image (H, W, K) as float32 (K, H, W) for the blob.

            ((swap(transpose(resize(data))) * raw_scale) - mean) * input_scale

        each where it is set. As in pycaffe a float32 image that is neither resized nor swapped is changed itself, and
        the result is a view of it: hand over a copy of one that is needed later.
        Raises ShapeError for channels that the swap does not find, ArrayError where mean or size do not fit.
        """
        self._check(in_)
        image = numeric_array(data, f"the image for '{in_}'").astype(np.float32, copy=False)
        size = self._shape(in_)[2:]
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = _transposed(image, self.transpose[in_], in_)
        if in_ in self.channel_swap:
            image = _swapped(image, self.channel_swap[in_], in_)
        if in_ in self.raw_scale:
            image *= self.raw_scale[in_]
        if in_ in self.mean:
            _with_mean(np.subtract, image, self.mean[in_], in_)
        if in_ in self.input_scale:
            image *= self.input_scale[in_]
        return image

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """What preprocess was given, of what it gave, in the blob's size; a copy.

        Axes of length 1 are dropped, as in pycaffe; where that would leave too few to be transposed or swapped, or to
        add the mean to, the last three stay.
        """
        self._check(in_)
        array = numeric_array(data, f"the data of '{in_}'")
        image = np.array(array, array.dtype if array.dtype.kind == "f" else np.float32).squeeze()
        needs_axes = any(in_ in setting for setting in (self.transpose, self.channel_swap, self.mean))
        if needs_axes and image.ndim < 3 <= array.ndim and array.shape[:-3].count(1) == array.ndim - 3:
            image = image.reshape(array.shape[-3:])
        if in_ in self.input_scale:
            image /= self.input_scale[in_]
        if in_ in self.mean:
            _with_mean(np.add, image, self.mean[in_], in_)
        if in_ in self.raw_scale:
            image /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = _swapped(image, np.argsort(self.channel_swap[in_]), in_)
        return _transposed(image, np.argsort(self.transpose[in_]), in_) if in_ in self.transpose else image

    def _shape(self, in_: str) -> tuple[int, ...]:
        return tuple(self.inputs[in_])

    def _check(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise ParamError(f"{in_} is not one of the net inputs: {self.inputs}")


def _resized_mean(mean: np.ndarray, size: tuple[int, ...], told: str) -> np.ndarray:
    """As pycaffe: by way of [0, 1], where a mean that is one value everywhere has no place."""
    low, high = mean.min(), mean.max()
    if low == high:
        log.warning(f"{told}: resizing a mean of {low:g} everywhere gives NaN, as in pycaffe; give a value per channel")
        return np.full((len(mean), *size), np.nan, np.float32)
    unit = (mean - low) / (high - low)
    return resize_image(unit.transpose(1, 2, 0), size).transpose(2, 0, 1) * (high - low) + low


def _transposed(image: np.ndarray, order: Sequence[int] | np.ndarray, in_: str) -> np.ndarray:
    if image.ndim != len(order):
        text = (
            f"the image for '{in_}' has shape {image.shape}, the transpose order {tuple(order)} has {len(order)} axes"
        )
        raise ArrayError(f"{text}; give a grey one of H x W as im[:, :, numpy.newaxis]" if image.ndim == 2 else text)
    return image.transpose(order)


def _swapped(image: np.ndarray, order: Sequence[int] | np.ndarray, in_: str) -> np.ndarray:
    try:
        return image[np.array(order)]
    except IndexError as error:
        text = (
            f"the channel swap {tuple(order)} of '{in_}' does not fit an image of shape {image.shape} (channels first)"
        )
        raise ShapeError(f"{text}: {error}; transpose it before, or give an image with these channels") from error


def _with_mean(operation: np.ufunc, image: np.ndarray, mean: np.ndarray, in_: str) -> None:
    try:
        operation(image, mean, out=image, casting="same_kind")
    except ValueError as error:
        text = f"the mean of '{in_}', of shape {mean.shape}, does not fit an image of shape {image.shape}"
        raise ArrayError(f"{text} (channels first); give both as many channels, and H x W x K images") from error
