"""minicaffe upgrade_net_proto_text IN OUT: bring an old net definition to today's form. Exit status: see upgrade.py."""

from __future__ import annotations

import sys

from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import Parsed, read_text
from minicaffe.proto.upgrade import upgrade_parsed_net
from minicaffe.tools.command import run_command
from minicaffe.tools.upgrade import Upgrade, write_text


def _read(path: str) -> Parsed:
    return read_text(path, caffe_pb2.NetParameter)


TOOL = Upgrade("upgrade_net_proto_text", "text", "NetParameter", _read, upgrade_parsed_net, write_text)


def main(argv: list[str]) -> int:
    return TOOL.run(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
