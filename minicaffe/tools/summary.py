"""minicaffe summary NET: a table of a net's layers: type, output shape, parameters, multiply-adds, bytes.

    layer  type          output       parameters  multiply-adds    forward   backward
    conv1  Convolution   64x20x24x24         520     18,432,000    2.8 MiB    5.6 MiB

parameters: values; those that layers share count once.  multiply-adds: of the matrix products of a forward pass of the
whole batch (net/multiply_adds.py).  forward: bytes of activations.  backward: bytes of activations and their gradients,
of the blobs that get one in this phase (net/summary.py).  Only shapes are computed: it takes no memory, and no time.
"""

from __future__ import annotations

import sys

from minicaffe.layers.base import TEST, TRAIN
from minicaffe.net.summary import read_summary
from minicaffe.tools.command import run_command
from minicaffe.tools.flags import Parser, consent_of, int32, names, utf8


def main(argv: list[str]) -> int:
    flags = parser().read(argv)
    phase = TRAIN if flags.phase == "TRAIN" else TEST
    with consent_of(flags):
        print(read_summary(flags.net, phase, flags.level, names(flags.stage), flags.weights or None))
    return 0


def parser() -> Parser:
    made = Parser("summary", "List a net's layers: type, output shape, parameters, multiply-adds, bytes.")
    made.add_argument("net", metavar="NET", help="the net definition (.prototxt)")
    made.add("phase", choices=["TRAIN", "TEST"], default="TEST", help="TRAIN or TEST (default)")
    made.add("level", metavar="N", type=int32, default=0, help="level of the net's state")
    made.add("stage", metavar="NAME[,NAME]", type=utf8, help="stages of the net's state")
    what = "weights (.caffemodel) that must fit the net; adds a column of their mean absolute values"
    made.add("weights", metavar="FILE", help=what)
    made.add_python_layer()
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
