"""Draw a net: `minicaffe draw_net lenet_train_test.prototxt lenet.svg`. As draw_net.py of Caffe, without Graphviz."""

from __future__ import annotations

import sys

from minicaffe import log
from minicaffe.draw import draw_net_to_file, format_of
from minicaffe.errors import ParamError
from minicaffe.net.drawing import FORMATS
from minicaffe.net.drawing.compose import RANKDIRS
from minicaffe.net.drawing.graph import PHASES
from minicaffe.proto.upgrade import read_net
from minicaffe.tools.command import run_command
from minicaffe.tools.flags import Parser


def _parser() -> Parser:
    parser = Parser("draw_net", "Draw a net: as SVG, PNG, PDF, ...")
    parser.add_argument("net", metavar="NET", help="definition of a net, a prototxt")
    parser.add_argument("picture", metavar="PICTURE", help=f"file to write: .{', .'.join(FORMATS)}")
    parser.add(
        "rankdir",
        default="LR",
        metavar="DIR",
        help=f"where the flow leads, of {', '.join(RANKDIRS)}; LR is left to right, TB top to bottom (default: LR)",
    )
    parser.add("phase", default="ALL", metavar="PHASE", help="whose layers: ALL, TRAIN or TEST (default: ALL)")
    parser.add_boolean("display_lrm", help="show the learning rate multipliers")
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    if flags.phase not in PHASES:
        raise ParamError(f"Unknown phase: {flags.phase}; --phase is one of {', '.join(PHASES)}")
    format_of(flags.picture)
    source = read_net(flags.net)
    for severity, text in source.notes:
        log.write(severity, text)
    print(f"Drawing net to {flags.picture}", flush=True)
    draw_net_to_file(source, flags.picture, flags.rankdir, PHASES[flags.phase], flags.display_lrm)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
