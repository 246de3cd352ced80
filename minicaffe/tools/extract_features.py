"""minicaffe extract_features WEIGHTS PROTOTXT BLOB[,BLOB] DB[,DB] NUM_BATCHES DB_TYPE [CPU|GPU] [DEVICE_ID]

Run a net in TEST phase, and write what blobs hold for each item into databases, one for each blob. As Caffe's
extract_features: keys are ten digits ("0000000000"), values Datums of float_data, without a label; their channels,
height and width are the blob's axes behind the first, 1 where it has no more. Log lines have the severity ERROR, so
that they show under GLOG_minloglevel=2. A database appears when all batches have been run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

import numpy as np

from minicaffe import backend as backends, log
from minicaffe.errors import ParamError
from minicaffe.io.database import create_database
from minicaffe.io.database_kinds import known_backend
from minicaffe.io.database_writer import DatabaseWriter
from minicaffe.io.datum import make_datum
from minicaffe.layers.base import TEST
from minicaffe.net.net import Net
from minicaffe.tools.command import run_command
from minicaffe.tools.conversion import EVERY, counting
from minicaffe.tools.flags import Parser, consent_of, int32, names


class FeatureWriter:
    """Writes the items of one blob into a database.

    count: items so far.
    """

    def __init__(self, net: Net, blob: str, writer: DatabaseWriter) -> None:
        self.count = 0
        self._net, self._blob, self._writer = net, blob, writer

    def put_batch(self) -> None:
        """Write what the blob holds now."""
        blob = self._net.blobs[self._blob]
        items = np.reshape(blob.data, (blob.num, blob.channels, blob.height, blob.width))
        for item in items:
            self._writer.put(b"%010d" % self.count, make_datum(item))
            self.count += 1
            if self.count % EVERY == 0:
                self.log()

    def log(self) -> None:
        """Say how far it is."""
        log.error(f"Extracted features of {self.count} query images for feature blob {self._blob}")


def extract(net: Net, blobs: Sequence[str], databases: Sequence[str], batches: int, backend: str) -> None:
    """Run so many batches, and write each blob into the database of the same place.

    Raises ParamError where blobs and databases do not fit, FileError where a database is there or cannot be written.
    """
    _check(net, blobs, databases, batches)
    with contextlib.ExitStack() as stack:
        writers = []
        for blob, path in zip(blobs, databases, strict=True):
            log.info(f"Opening dataset {path}")
            writers.append(FeatureWriter(net, blob, stack.enter_context(create_database(path, backend))))
        log.error("Extracting Features")
        with counting(batches, "batches") as bar:
            for _ in range(batches):
                net.run_forward()
                for writer in writers:
                    writer.put_batch()
                bar.update()
        for writer in writers:
            writer.log()
    log.error("Successfully extracted the features!")


def _check(net: Net, blobs: Sequence[str], databases: Sequence[str], batches: int) -> None:
    if batches < 1:
        raise ParamError(f"NUM_BATCHES is {batches}, must be 1 or more")
    if len(blobs) != len(databases):
        text = f"{len(blobs)} blobs and {len(databases)} databases are named"
        raise ParamError(f"{text}; the number of blob names and dataset names must be equal")
    if len({os.path.realpath(path) for path in databases}) < len(databases):
        raise ParamError(f"{','.join(databases)}: two blobs cannot be written into one database; name another")
    for name in blobs:
        if name not in net.blobs:
            known = ", ".join(net.blobs)
            raise ParamError(f"Unknown feature blob name {name} in the network {net.name}; its blobs are {known}")
        if len(net.blobs[name].shape) > 4:
            axes = len(net.blobs[name].shape)
            raise ParamError(f"the blob {name} has {axes} axes, a Datum has room for 4; flatten it by a Flatten layer")


def _use_device(flags: argparse.Namespace) -> None:
    log.error(f"Using {flags.mode}")
    if flags.mode == "CPU":
        backends.set_mode_cpu()
        return
    log.error(f"Using Device_id={flags.device_id}")
    backends.set_device(flags.device_id)
    backends.set_mode_gpu()


def _parser() -> Parser:
    parser = Parser("extract_features", "Write what blobs hold for each item into databases.")
    parser.add_argument("weights", metavar="WEIGHTS", help="the .caffemodel")
    parser.add_argument("model", metavar="PROTOTXT", help="the net, with its data layer for the phase TEST")
    parser.add_argument("blobs", metavar="BLOB[,BLOB]", type=names, help="the blobs to write")
    parser.add_argument("databases", metavar="DB[,DB]", type=names, help="folders to make, one for each blob")
    parser.add_argument("batches", metavar="NUM_BATCHES", type=int32, help="batches to run")
    parser.add_argument("backend", metavar="DB_TYPE", type=known_backend, help="lmdb or leveldb")
    parser.add_argument("mode", metavar="CPU|GPU", nargs="?", choices=("CPU", "GPU"), default="CPU", help="default CPU")
    parser.add_argument(
        "device_id", metavar="DEVICE_ID", nargs="?", type=int32, default=0, help="of the GPU, default 0"
    )
    parser.add_python_layer()
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    _use_device(flags)
    with consent_of(flags), Net(flags.model, TEST, weights=flags.weights) as net:
        extract(net, flags.blobs, flags.databases, flags.batches, flags.backend)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
