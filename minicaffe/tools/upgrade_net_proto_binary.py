"""minicaffe upgrade_net_proto_binary IN OUT: bring old weights to today's form. Exit status: see upgrade.py.

Each blob is written as the bytes that it had, sizes of the old kind (num, channels, height, width) included: Caffe
compares those with a layer's shape less strictly than today's.
"""

from __future__ import annotations

import sys

from minicaffe.io.blobproto import check_blob
from minicaffe.io.caffemodel import StoredNet, open_caffemodel
from minicaffe.io.caffemodel_write import write_caffemodel
from minicaffe.proto.source import NetSource
from minicaffe.tools.command import run_command
from minicaffe.tools.upgrade import Upgrade


def _read(path: str) -> StoredNet:
    stored = open_caffemodel(path)
    for blob in stored.blobs:
        check_blob(stored.wire, blob.body, blob.end)
    return stored


def _write(path: str, stored: StoredNet, source: NetSource) -> None:
    fields = [stored.redeem(layer) for layer in source.param.layer]
    write_caffemodel(path, source.param, [[stored.wire.body(field) for field in layer] for layer in fields])


TOOL = Upgrade("upgrade_net_proto_binary", "binary", "NetParameter", _read, StoredNet.upgraded, _write)


def main(argv: list[str]) -> int:
    return TOOL.run(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
