"""minicaffe upgrade_solver_proto_text IN OUT: bring an old solver definition to today's form, its snapshot_prefix as it
is. Exit status: see upgrade.py."""

from __future__ import annotations

import sys

from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import Parsed, read_text
from minicaffe.proto.upgrade import upgrade_parsed_solver
from minicaffe.tools.command import run_command
from minicaffe.tools.upgrade import Upgrade, write_text


def _read(path: str) -> Parsed:
    return read_text(path, caffe_pb2.SolverParameter)


TOOL = Upgrade("upgrade_solver_proto_text", "text", "SolverParameter", _read, upgrade_parsed_solver, write_text)


def main(argv: list[str]) -> int:
    return TOOL.run(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
