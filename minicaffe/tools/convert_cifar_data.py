"""minicaffe convert_cifar_data INPUT_DIR OUTPUT_DIR DB_TYPE: make databases of CIFAR-10's pictures.

Reads data_batch_1.bin ... data_batch_5.bin and test_batch.bin of INPUT_DIR (cifar-10-binary.tar.gz, unpacked), writes
OUTPUT_DIR/cifar10_train_<type> and cifar10_test_<type>. As Caffe's convert_cifar_data: keys are five digits ("00000"),
values Datums of 3 x 32 x 32 bytes in the files' order, red, green, blue. Both databases appear when both are written.
Unlike there, wrong arguments give the exit status 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from minicaffe import log
from minicaffe.io import cifar
from minicaffe.io.database import create_database
from minicaffe.io.database_kinds import known_backend
from minicaffe.io.datum import make_datum
from minicaffe.io.records import Record
from minicaffe.tools.command import run_command
from minicaffe.tools.conversion import put_all
from minicaffe.tools.flags import Parser


def convert(folder: Path, output: Path, backend: str) -> None:
    """Write the databases of training and of test pictures.

    Raises FileError where files cannot be read or the databases not be made, FormatError for files of something else.
    """
    train, test = (output / f"cifar10_{part}_{backend}" for part in ("train", "test"))
    with create_database(test, backend) as test_writer, create_database(train, backend) as train_writer:
        log.info("Writing Training data")
        put_all(train_writer, training_records(folder), len(cifar.TRAIN_FILES) * cifar.RECORDS, "images")
        log.info("Writing Testing data")
        put_all(test_writer, records(folder / cifar.TEST_FILE), cifar.RECORDS, "images")


def training_records(folder: Path) -> Iterator[Record]:
    """Key and value of each training picture, through all files."""
    for number, name in enumerate(cifar.TRAIN_FILES):
        log.info(f"Training Batch {number + 1}")
        yield from records(folder / name, number * cifar.RECORDS)


def records(path: Path, first: int = 0) -> Iterator[Record]:
    """Key and value of each picture in a file; `first` is the number of the first."""
    images, labels = cifar.read_batch(path, cifar.RECORDS)
    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True), start=first):
        yield b"%05d" % number, make_datum(image, label)


def _parser() -> Parser:
    parser = Parser("convert_cifar_data", "Make databases of CIFAR-10's pictures.")
    parser.add_argument("folder", type=Path, metavar="INPUT_DIR", help="where CIFAR-10's six .bin files are")
    parser.add_argument("output", type=Path, metavar="OUTPUT_DIR", help="folder for the two databases")
    parser.add_argument("backend", type=known_backend, metavar="DB_TYPE", help="lmdb or leveldb")
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    convert(flags.folder, flags.output, flags.backend)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
