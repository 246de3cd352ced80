"""From a photograph to what the nets read.

The nets were trained through MATLAB, which stores an image column by column. So in their blobs the axes that Caffe
calls height and width are x and y: (N, 3, W, H), red first.
"""

import numpy as np
from PIL import Image

CELL = 12  # pixels: the faces that P-Net was trained on are as wide as this


def scales(width, height, min_size, factor):
    """By what to multiply the photograph's size, so that faces of each size in turn are CELL pixels wide.

    The first is for faces of min_size pixels, each further one `factor` times the one before, and in the last the
    photograph's shorter side is still CELL pixels or more.
    """
    found, face = [], min_size
    # In the photograph's pixels: 12 / 47 * 47 is less than 12.
    while face <= min(width, height):
        found.append(CELL / face)
        face /= factor
    return found


def level_size(photo, scale):
    """Width and height of the photograph at a scale, rounded up."""
    return tuple(int(np.ceil(side * scale)) for side in photo.size)


def resize(image, size):
    """Bilinear; where it shrinks, Pillow widens the filter, so that each pixel averages all those it stands for.

    MATLAB's imresize, with which the nets were trained, does the same.
    """
    return image.resize(size, Image.Resampling.BILINEAR)


def as_input(images):
    """Images of one size as one blob, (N, 3, W, H), float32, of -1 to 1."""
    pixels = np.stack([np.asarray(image) for image in images])  # (N, H, W, 3)
    return (pixels.transpose(0, 3, 2, 1) - np.float32(127.5)) * np.float32(0.0078125)
