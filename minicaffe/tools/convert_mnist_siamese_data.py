"""Make a database of pairs of digits: `python -m minicaffe.tools.convert_mnist_siamese_data [flags] IMAGES LABELS DB`.

As Caffe's convert_mnist_siamese_data: as many pairs as there are digits, both drawn at random, as the two channels of
a Datum with label 1 where they show the same digit, else 0; keys are eight digits. A seed decides what is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minicaffe.backend.random import generator
from minicaffe.errors import DataError
from minicaffe.io import idx
from minicaffe.io.datum import make_datum
from minicaffe.tools.command import run_command
from minicaffe.tools.conversion import add_backend
from minicaffe.tools.flags import Parser
from minicaffe.tools.mnist_database import add_files, write_records
from minicaffe.tools.mnist_files import note_of

SEED = 1


def convert(images_path: Path, labels_path: Path, target: Path, backend: str = "lmdb", seed: int = SEED) -> None:
    """Write random pairs of the digits of two IDX files into a new database.

    A database of generated digits carries their warning as its note.
    Raises FileError, FormatError or DataError, as the files or the target are at fault.
    """
    images, labels = idx.read_pair(images_path, labels_path)
    if not len(images):
        raise DataError("holds no images, so there is nothing to pair", file=str(images_path))
    write_records(target, backend, note_of(images_path), images, records(images, labels, seed), "pairs")


def records(images: np.ndarray, labels: np.ndarray, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each pair."""
    # (pairs, 2): a digit may meet itself, as in Caffe.
    pairs = generator(seed, "siamese pairs").integers(len(images), size=(len(images), 2))
    equal = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    for i, (pair, label) in enumerate(zip(pairs, equal.tolist(), strict=True)):
        yield b"%08d" % i, make_datum(images[pair], int(label))


def _parser() -> Parser:
    parser = Parser("convert_mnist_siamese_data", "Make a database of random pairs of MNIST's digits.")
    add_backend(parser)
    parser.add("seed", metavar="N", type=int, default=SEED, help="of the draw (default: %(default)s)")
    add_files(parser)
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    convert(flags.images, flags.labels, flags.target, flags.backend, flags.seed)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
