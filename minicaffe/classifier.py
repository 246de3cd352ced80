"""Classifier: a net that takes images and says what is on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minicaffe.errors import GraphError
from minicaffe.io.array_checks import ArrayError, image_size
from minicaffe.io.image_arrays import centre, image_list, oversample as ten_crops, resize_image
from minicaffe.io.transformer import Transformer
from minicaffe.layers.base import TEST
from minicaffe.net.net import Net

Path = str | os.PathLike[str]


def image_transformer(net: Net, **settings: Any) -> Transformer:
    """What brings images (H, W, K) to a net's first input, set as in pycaffe's Classifier.

    settings: mean, input_scale, raw_scale, channel_swap; None for those that are not wanted.
    Raises GraphError for a net without input, else as Transformer.
    """
    if not net.inputs:
        text = f"the net '{net.name}' has no input to give images to"
        raise GraphError(f"{text}; take its deploy prototxt, with an Input layer in place of data layers")
    if not net.outputs:
        raise GraphError(f"the net '{net.name}' has no output to read a result from")
    in_ = net.inputs[0]
    transformer = Transformer({in_: net.blobs[in_].data.shape})
    transformer.set_transpose(in_, (2, 0, 1))
    for name, value in settings.items():
        if value is not None:
            getattr(transformer, f"set_{name}")(in_, value)
    return transformer


def run_images(net: Net, transformer: Transformer, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The net's first output for images (H, W, K), all of one K: (number of images, ...), a copy.

    Raises ArrayError, a ValueError, for images of other channels than the net's first input has.
    """
    in_ = net.inputs[0]
    channels = transformer.inputs[in_][1]
    for number, image in enumerate(images):
        # One channel is as good as all, unless the transformer objects.
        if image.shape[2] not in (1, channels) or image.shape[2] != images[0].shape[2]:
            text = f"image {number} has {image.shape[2]} channels, the net's input '{in_}' {channels}"
            raise ArrayError(f"{text}; load images with color={channels != 1}")
    batch = np.stack([transformer.preprocess(in_, image) for image in images])
    return net.forward_all(**{in_: batch})[net.outputs[0]]


class Classifier(Net):
    """A net with weights that classifies images.

        classifier = caffe.Classifier("deploy.prototxt", "weights.caffemodel", image_dims=(256, 256),
                                      mean=mean, raw_scale=255, channel_swap=(2, 1, 0))
        scores = classifier.predict([caffe.io.load_image("cat.jpg")])       # (1, number of classes)

    mean, input_scale, raw_scale, channel_swap: of the transformer (io/transformer.py).
    transformer: H x W x K images to the first input.  crop_dims: its (height, width).
    image_dims: (height, width) that images are resized to before crops are taken; crop_dims by default.
    Raises MinicaffeError kinds as Net, and ArrayError for image_dims less than crop_dims.
    """

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        image_dims: Sequence[int] | None = None,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = image_transformer(
            self, mean=mean, input_scale=input_scale, raw_scale=raw_scale, channel_swap=channel_swap
        )
        self.crop_dims = np.array(self.blobs[self.inputs[0]].data.shape[2:])
        given = image_dims is not None and len(image_dims) > 0
        self.image_dims: Any = image_dims if given else self.crop_dims
        centre(image_size(self.image_dims, "image_dims"), self.crop_dims)

    def predict(self, inputs: Iterable[np.ndarray], oversample: bool = True) -> np.ndarray:
        """The first output for each image: (N, number of classes).

        inputs: N images (H, W, K) of any sizes.
        oversample: average over ten crops, the corners and the centre, each mirrored, too; else the centre alone, and
        the result has the output's own shape.
        Raises ArrayError, a ValueError, for no images, and for what is no image of the net's channels.
        """
        images = image_list(inputs)
        size = image_size(self.image_dims, "image_dims")
        resized = [resize_image(image, size) for image in images]
        if oversample:
            predictions = run_images(self, self.transformer, ten_crops(resized, self.crop_dims))
            return predictions.reshape(len(images), 10, -1).mean(1)
        height, width = self.crop_dims
        top, left = centre(size, self.crop_dims)
        crops = [image[top : top + height, left : left + width] for image in resized]
        return run_images(self, self.transformer, crops)
