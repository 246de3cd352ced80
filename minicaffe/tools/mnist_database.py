"""What the two converters of MNIST's files have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from minicaffe import log
from minicaffe.io.database import create_database
from minicaffe.io.records import Record
from minicaffe.tools.command import say
from minicaffe.tools.conversion import put_all
from minicaffe.tools.flags import Parser


def add_files(parser: Parser) -> None:
    """The positional arguments IMAGES, LABELS and DB."""
    parser.add_argument("images", type=Path, metavar="IMAGES", help="IDX file, plain or .gz")
    parser.add_argument("labels", type=Path, metavar="LABELS", help="IDX file, plain or .gz")
    parser.add_argument("target", type=Path, metavar="DB", help="folder to make")


def write_records(
    target: Path, backend: str, note: str, images: np.ndarray, records: Iterable[Record], unit: str
) -> None:
    """Write a record for each of the images into a new database.

    note: of the database, told as a warning; "" for none.  unit: what the records are, "digits" or "pairs".
    """
    say(f"{target}: writing {len(images)} {unit} of {images.shape[1]}x{images.shape[2]} ({backend})")
    if note:
        say(f"{target}: WARNING: {note}")
    log.info(f"A total of {len(images)} items.")
    log.info(f"Rows: {images.shape[1]} Cols: {images.shape[2]}")
    with create_database(target, backend, note=note) as writer:
        put_all(writer, records, len(images), unit)
        log.info(f"Processed {len(images)} files.")
