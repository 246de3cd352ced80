"""A data layer in Python: batches of handwritten digits, and three questions about each.

layer {
  name: "digits"  type: "Python"
  top: "data"  top: "label"  top: "answers"
  python_param {
    module: "digit_layer"  layer: "DigitLayer"
    param_str: '{"mnist": "data/mnist", "part": "train", "batch_size": 64}'
  }
}
"""

import ast
import json
from pathlib import Path

import numpy as np
from PIL import Image

import minicaffe as caffe
from minicaffe.tools.mnist_arrays import load_mnist

QUESTIONS = ("is even", "is above 4", "has a loop")
ANSWERS = np.array([[digit % 2 == 0, digit > 4, digit in (0, 6, 8, 9)] for digit in range(10)], np.float32)
DEFAULTS = {"mnist": None, "part": "train", "images": None, "batch_size": 64, "shuffle": True, "seed": 0}


class DigitLayer(caffe.Layer):
    """Digits, batch after batch, epoch after epoch; each epoch in an order of its own.

    No bottoms. One to three tops:
        data     (N, 1, H, W), the pixels in [0, 1)
        label    (N,), 0 to 9
        answers  (N, 3), 1 for yes and 0 for no to QUESTIONS: what SigmoidCrossEntropyLoss compares with

    param_str: a dictionary, as JSON or as Python writes it, of
        mnist, part     a folder with MNIST's files, and which digits of it: "train" or "test"
        images          or a folder of pictures of one size: IMAGES/7/any-name.png is a seven
        batch_size      N; or a list of numbers that take turns
        shuffle, seed   whether to shuffle, and the number that all orders follow from
    """

    def setup(self, bottom, top):
        settings = read_settings(self.param_str)
        self.images, self.labels = load_digits(settings)
        sizes = settings["batch_size"]
        self.batch_sizes = sizes if isinstance(sizes, list) else [sizes]
        if not all(isinstance(size, int) and size > 0 for size in self.batch_sizes):
            raise ValueError(f"param_str: batch_size is {sizes}, must be a number above 0, or a list of such")
        self.shuffle, self.seed = settings["shuffle"], settings["seed"]
        self.batches = self.used = 0  # batches given so far, and digits
        self.orders = {}  # the epoch that is under way: its order

    def reshape(self, bottom, top):
        """Before every forward: so each batch may have a size of its own."""
        self.size = self.batch_sizes[self.batches % len(self.batch_sizes)]
        shapes = (1, *self.images.shape[1:]), (), (len(QUESTIONS),)
        for blob, shape in zip(top, shapes, strict=False):
            blob.reshape(self.size, *shape)

    def forward(self, bottom, top):
        chosen = [self.digit(i) for i in range(self.used, self.used + self.size)]
        labels = self.labels[chosen]
        contents = self.images[chosen, None] / 256, labels, ANSWERS[labels]
        for blob, content in zip(top, contents, strict=False):
            blob.data[...] = content
        self.batches, self.used = self.batches + 1, self.used + self.size

    def backward(self, top, propagate_down, bottom):
        """Nothing lies below."""

    def digit(self, i):
        """Which digit is the i-th that this layer gives, all epochs counted."""
        epoch, index = divmod(i, len(self.images))
        return self.order(epoch)[index]

    def order(self, epoch):
        """The order of an epoch, which follows from the seed and its number alone: nothing has to be remembered."""
        if epoch not in self.orders:
            count, rng = len(self.images), np.random.default_rng([self.seed, epoch])
            self.orders = {epoch: rng.permutation(count) if self.shuffle else np.arange(count)}
        return self.orders[epoch]

    # With these two, a solver that resumes from a snapshot goes on with the very digits that would have come next.

    def state(self):
        return {"batches": self.batches, "used": self.used}

    def restore(self, state):
        self.batches, self.used = state["batches"], state["used"]


def read_settings(text):
    """param_str as a dictionary, with DEFAULTS where it says nothing."""
    try:
        settings = json.loads(text)
    except ValueError:
        settings = literal(text)
    if not isinstance(settings, dict):
        raise ValueError(f'param_str is {text!r}, must be a dictionary such as {{"mnist": "data/mnist"}}')
    unknown = set(settings) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"param_str: there is no {', '.join(sorted(unknown))}; there are {', '.join(DEFAULTS)}")
    return {**DEFAULTS, **settings}


def literal(text):
    """What a Python literal says, None where it is none. Unlike eval, this runs no code."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def load_digits(settings):
    """Images (count, H, W), uint8, and labels (count,)."""
    if (settings["mnist"] is None) == (settings["images"] is None):
        raise ValueError("param_str: give either mnist, a folder with MNIST's files, or images, a folder of pictures")
    if settings["mnist"] is not None:
        return load_mnist(settings["part"], settings["mnist"])
    files = sorted(Path(settings["images"]).glob("[0-9]/*"))
    if not files:
        raise ValueError(f"param_str: {settings['images']} has no pictures in folders that are called 0 to 9")
    images = [np.asarray(Image.open(file).convert("L")) for file in files]
    return np.stack(images), np.array([int(file.parent.name) for file in files])
