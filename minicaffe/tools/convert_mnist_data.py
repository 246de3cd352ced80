"""minicaffe convert_mnist_data [flags] IMAGES LABELS DB: make a database of MNIST's digits.

As Caffe's convert_mnist_data: keys are eight digits ("00000000"), values are Datum messages with one channel. Unlike
there, wrong arguments give the exit status 1.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np

from minicaffe.errors import DataError, FileError, MinicaffeError
from minicaffe.io import idx
from minicaffe.io.database import open_database
from minicaffe.io.database_kinds import known_backend
from minicaffe.io.datum import make_datum
from minicaffe.io.records import NOTE_FILE
from minicaffe.tools.command import run_command, say
from minicaffe.tools.conversion import add_backend
from minicaffe.tools.flags import Parser
from minicaffe.tools.mnist_database import add_files, write_records
from minicaffe.tools.mnist_files import note_of

# What an LMDB and a LevelDB put into their folders.
_DATABASE_FILES = re.compile(
    rf"data\.mdb|lock\.mdb|CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(ldb|sst|log|dbtmp)|{re.escape(NOTE_FILE)}"
)


def convert(images_path: Path, labels_path: Path, target: Path, backend: str = "lmdb", update: bool = False) -> bool:
    """Write the digits of two IDX files into a new database; True where it was written.

    update: where `target` holds a database already, keep it if it is complete and of these digits (False is
    returned), and make it anew if not; without `update` an existing target is refused.
    A database of generated digits carries their warning as its note.
    Raises FileError, FormatError or DataError, as the files or the target are at fault, ParamError for the backend.
    """
    # Before anything is removed.
    known_backend(backend)
    images, labels = idx.read_pair(images_path, labels_path)
    if not len(images):
        raise DataError("holds no images, and a database without records is of no use", file=str(images_path))
    note = note_of(images_path)
    if target.exists():
        if not update:
            raise FileError("is there already; delete it, or add --update to keep or replace it", file=str(target))
        if _is_complete(target, backend, note, images, labels):
            say(f"{target}: complete, left as it is")
            return False
        _remove(target)
    write_records(target, backend, note, images, records(images, labels), "digits")
    return True


def records(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each digit."""
    # As convert_mnist_data.cpp: a label byte is a signed char, so that 200 becomes -56.
    for i, (image, label) in enumerate(zip(images, labels.view(np.int8).tolist(), strict=True)):
        yield b"%08d" % i, make_datum(image[None], label)


def _is_complete(target: Path, backend: str, note: str, images: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the database holds these digits, all of them and no others, and the right note."""
    try:
        with open_database(target, backend) as database:
            if database.note != note:
                say(f"{target}: of other digits, made anew")
                return False
            if all(found == wanted for found, wanted in zip_longest(database.records(), records(images, labels))):
                return True
            say(f"{target}: incomplete or of other digits, made anew")
    except MinicaffeError as error:
        say(f"{error}; made anew")
    return False


def _remove(target: Path) -> None:
    """Delete a database, and nothing that is not one."""
    if not target.is_dir():
        raise FileError("is to be made anew, but is a file; move it away", file=str(target))
    others = [path.name for path in target.iterdir() if not _DATABASE_FILES.fullmatch(path.name)]
    if others:
        raise FileError(
            f"is to be made anew, but holds {others[0]}, which is no part of a database; move that away, "
            "or give the database another name",
            file=str(target),
        )
    try:
        shutil.rmtree(target)
    except OSError as error:
        raise FileError(f"cannot be removed: {error.strerror or error}", file=str(target)) from error


def _parser() -> Parser:
    parser = Parser("convert_mnist_data", "Make a database of MNIST's digits.")
    add_backend(parser)
    parser.add_boolean("update", help="keep DB if it is complete and of these digits, else replace it")
    add_files(parser)
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    convert(flags.images, flags.labels, flags.target, flags.backend, flags.update)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
