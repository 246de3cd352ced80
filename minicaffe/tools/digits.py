"""Digits drawn by a program, in the form of MNIST, for where MNIST cannot be fetched. This is not MNIST.

Strokes of 0 to 9 (digit_skeletons) with random mixture, bend, slant, scale and pen (digit_strokes), inked and centred
as MNIST was (digit_raster). The seed decides every pixel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minicaffe.backend.random import generator
from minicaffe.io import idx
from minicaffe.tools import mnist_files
from minicaffe.tools.command import progress_bar
from minicaffe.tools.digit_raster import SIDE, centre, ink
from minicaffe.tools.digit_skeletons import SKELETONS, Skeleton
from minicaffe.tools.digit_strokes import BOX, draw_paths

_BATCH = 256  # digits inked at a time: their distances stay in the cache
# In pixels, each digit's own between these:
_EDGE = (0.5, 1.0)  # over which ink fades
_ROUGH = (0.0, 0.3)  # spread of the paper's roughness


def draw_files(seed: int) -> dict[str, bytes]:
    """The four files by name: 60,000 digits to train on and 10,000 others to test with."""
    train_images, train_labels = draw(60000, seed, "train")
    test_images, test_labels = draw(10000, seed, "test")
    return {
        mnist_files.TRAIN_IMAGES.name: idx.encode_images(train_images),
        mnist_files.TRAIN_LABELS.name: idx.encode_labels(train_labels),
        mnist_files.TEST_IMAGES.name: idx.encode_images(test_images),
        mnist_files.TEST_LABELS.name: idx.encode_labels(test_labels),
    }


def draw(count: int, seed: int, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """`count` images, uint8 of shape (count, 28, 28), and their labels, uint8; all ten digits equally often.

    seed, purpose ("train", "test"): the same ones give the same digits.
    """
    rng = generator(seed, "digits", purpose)
    labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    images = np.empty((count, SIDE, SIDE), np.uint8)
    with progress_bar(count, desc=f"drawing {purpose} digits") as bar:
        for digit in range(10):
            for skeleton, where in _deal(digit, np.flatnonzero(labels == digit), rng):
                for start in range(0, len(where), _BATCH):
                    part = where[start : start + _BATCH]
                    images[part] = _draw_batch(skeleton, len(part), rng)
                    bar.update(len(part))
    return images, labels


def _deal(digit: int, where: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[Skeleton, np.ndarray]]:
    """Each way of writing the digit, and which of the images `where` are to be written so."""
    ways = [skeleton for skeleton in SKELETONS if skeleton.digit == digit]
    weights = np.array([way.weight for way in ways])
    chosen = rng.choice(len(ways), len(where), p=weights / weights.sum())
    for i, way in enumerate(ways):
        yield way, where[chosen == i]


def _draw_batch(skeleton: Skeleton, count: int, rng: np.random.Generator) -> np.ndarray:
    paths, radii = draw_paths(skeleton, count, rng)
    edges = rng.uniform(*_EDGE, count).astype(np.float32)
    rough = rng.uniform(*_ROUGH, (count, 1, 1)).astype(np.float32)
    paper = rng.standard_normal((count, BOX, BOX), np.float32) * rough
    return centre(ink(paths, radii, edges, paper))
