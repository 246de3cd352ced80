"""minicaffe compute_image_mean [-backend lmdb|leveldb] INPUT_DB [OUTPUT_FILE]: average the images of a database.

    mean[c, h, w] = 1/N sum over n of image[n, c, h, w]

Writes a .binaryproto with the sizes 1, C, H, W and float32 values, for transform_param.mean_file, and logs the mean of
each channel, for mean_value. As Caffe's compute_image_mean; encoded images are decoded with the channels they have.
Caffe adds in float32. Here the sum is float64, so that of 8-bit images it is exact: the results agree up to some
65 000 images (2^24 / 255), and beyond that differ by the rounding of Caffe's sum.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import numpy as np

from minicaffe import log
from minicaffe.errors import DataError
from minicaffe.io.atomic import atomic_write
from minicaffe.io.blobproto_write import write_binaryproto
from minicaffe.io.database import open_database
from minicaffe.io.datum import DatumBatch, decode_batch, sizes_text
from minicaffe.io.records import Database, Record
from minicaffe.tools.command import run_command
from minicaffe.tools.conversion import Processed, add_backend, counting
from minicaffe.tools.flags import Parser

# As compute_image_mean.cpp.
_EVERY = 10000
# Records that are decoded at once; a batch of large images stays within some tens of megabytes.
_BATCH = 64


def mean_of(database: Database) -> np.ndarray:
    """The mean image, float64 of shape (C, H, W).

    Raises DataError where the database is empty or its images are not all of one size, FormatError where it is damaged.
    """
    total: np.ndarray | None = None
    processed = Processed(_EVERY)
    with counting(len(database), "images") as bar:
        for records in _batches(database):
            keys, values = zip(*records, strict=True)
            batch = decode_batch(values, keys, database.path)
            if total is None:
                total = _begin(batch)
            _check_sizes(batch, total.shape, keys, database.path)
            total += np.sum(batch.items, axis=0, dtype=np.float64)
            processed.add(len(records))
            bar.update(len(records))
    if total is None:
        raise DataError("is empty: there are no images to average", file=database.path)
    processed.finish()
    return total / processed.count


def _batches(database: Database) -> Iterator[list[Record]]:
    records = database.records()
    while batch := list(islice(records, _BATCH)):
        yield batch


def _begin(first: DatumBatch) -> np.ndarray:
    if first.encoded:
        log.info("Decoding Datum")
    log.info("Starting iteration")
    return np.zeros(first.items[0].shape)


def _check_sizes(batch: DatumBatch, shape: tuple[int, ...], keys: tuple[bytes, ...], path: str) -> None:
    for key, item in zip(keys, batch.items, strict=True):
        if item.shape != shape:
            text = f"Incorrect data field size {item.size}: record {key!r} is {sizes_text(item.shape)} (C x H x W), "
            text += f"the first {sizes_text(shape)}; make the database again with images of one size"
            raise DataError(text, file=path)


def log_channels(mean: np.ndarray) -> None:
    """Log the mean of each channel."""
    log.info(f"Number of channels: {len(mean)}")
    for c, value in enumerate(mean.mean(axis=(1, 2))):
        log.info(f"mean_value channel [{c}]: {log.g(value)}")


def _parser() -> Parser:
    parser = Parser("compute_image_mean", "Average the images of a database.")
    add_backend(parser)
    parser.add_argument("database", metavar="INPUT_DB", type=Path, help="a database of images of one size")
    parser.add_argument("target", metavar="OUTPUT_FILE", type=Path, nargs="?", help="the .binaryproto to write")
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    # Opened first: a folder that cannot be written to is told before the work is done.
    writing = nullcontext() if flags.target is None else atomic_write(flags.target)
    with open_database(flags.database, flags.backend) as database, writing as file:
        mean = mean_of(database)
        if file is not None:
            log.info(f"Write to {flags.target}")
            write_binaryproto(file, mean[np.newaxis].astype(np.float32))
    log_channels(mean)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
