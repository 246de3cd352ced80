"""minicaffe convert_imageset [flags] ROOTFOLDER/ LISTFILE DB_NAME: make a database of image files that a list names.

As Caffe's convert_imageset: a line of the list is a file, a blank and a label (io/image_list.py); ROOTFOLDER/ is put
before each name as it is. Keys are `00000012_cats/1.jpg`: the number of the line, from 0 and after shuffling, and its
file. Images are stored as 8-bit pixels, blue, green, red, or with -encoded as image files.

An image that cannot be read is named on the log with its line and the reason, left out, and counted; its number stays
unused. The exit status is 0 where at least one image was converted. Unlike Caffe, a list of which no image can be read
is an error, and makes no database.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from minicaffe import log
from minicaffe.backend.random import generator, next_net_seed
from minicaffe.errors import DataError, FileError
from minicaffe.io.database import create_database
from minicaffe.io.database_writer import DatabaseWriter
from minicaffe.io.image_list import ImageList
from minicaffe.tools.command import run_command
from minicaffe.tools.conversion import Processed, add_backend, counting
from minicaffe.tools.flags import Parser, int32
from minicaffe.tools.image_records import ImageRecords, Settings


def convert(images: ImageList, target: Path, backend: str, settings: Settings, order: Sequence[int]) -> int:
    """Write the images of these lines, in this order, into a new database; returns how many were left out.

    Raises FileError where the target is there or cannot be written, DataError where no image can be read.
    """
    records, processed, failed = ImageRecords(images, settings), Processed(), 0
    with create_database(target, backend) as writer, counting(len(order), "images") as bar:
        for number, line in enumerate(order):
            bar.update()
            try:
                key = _key(images, number, line, writer)
                item = records.read(line)
            except (DataError, FileError) as error:
                log.error(str(error))
                failed += 1
                continue
            records.check_size(line, item)
            writer.put(key, item.datum())
            processed.add()
        processed.finish()
        if not processed.count:
            text = f"none of its {failed} images could be read; see above why, and correct the list or ROOTFOLDER/"
            raise DataError(text, file=images.source)
    if failed:
        log.error(f"{failed} of {len(order)} images could not be read, and are not in {target}; see above")
    return failed


def _key(images: ImageList, number: int, line: int, writer: DatabaseWriter) -> bytes:
    key = b"%08d_" % number + images.entry(line)
    if 0 < writer.longest_key < len(key):
        with images.placing_errors(line):
            text = f"a key of {len(key)} bytes is longer than an LMDB's {writer.longest_key}; shorten the path, or use"
            raise DataError(f"{text} --backend leveldb")
    return key


def shuffled(count: int, seed: int | None) -> Sequence[int]:
    """The lines in random order; another one each time where there is no seed."""
    log.info("Shuffling data")
    seed = next_net_seed() if seed is None else seed
    order: np.ndarray = generator(seed, "shuffle", "convert_imageset").permutation(count)
    return order.tolist()


def _parser() -> Parser:
    parser = Parser("convert_imageset", "Make a database of image files that a list names.")
    parser.add_boolean("gray", help="store images with one channel, grey")
    parser.add_boolean("shuffle", help="store them in random order")
    parser.add("seed", metavar="N", type=int, help="of that order; without it, another order each time")
    add_backend(parser)
    parser.add("resize_width", metavar="N", type=int32, default=0, help="pixels; with resize_height, resize to so many")
    parser.add("resize_height", metavar="N", type=int32, default=0, help="pixels")
    parser.add_boolean("check_size", help="refuse images of another size than the first")
    parser.add_boolean("encoded", help="store image files, of the type that each file's name tells")
    parser.add("encode_type", metavar="TYPE", default="", help="store image files of this type: png, jpg, ...")
    parser.add_argument("root_folder", metavar="ROOTFOLDER/", help="put before each name of the list as it is")
    parser.add_argument("list_file", metavar="LISTFILE", help="a file name, a blank and a label a line")
    parser.add_argument("target", metavar="DB_NAME", type=Path, help="folder to make")
    return parser


def _settings(flags: argparse.Namespace) -> Settings:
    if flags.encode_type and not flags.encoded:
        log.info("encode_type specified, assuming encoded=true.")
    return Settings(**{field.name: getattr(flags, field.name) for field in fields(Settings)})


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    images = ImageList(flags.list_file, flags.root_folder)
    order = shuffled(len(images), flags.seed) if flags.shuffle else range(len(images))
    log.info(f"A total of {len(images)} images.")
    convert(images, flags.target, flags.backend, _settings(flags), order)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
