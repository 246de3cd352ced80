"""Caffe's own flags, which all commands of Caffe's one program share."""

from __future__ import annotations

import argparse
from typing import Any

from minicaffe.tools import flags

# Caffe's own flags. A command accepts them all, as Caffe does, and shows those that it uses.
CAFFES: dict[str, dict[str, Any]] = {
    "solver": {"metavar": "FILE", "help": "the solver definition"},
    "model": {"metavar": "FILE", "help": "the net definition"},
    "weights": {"metavar": "FILE[,FILE]", "help": "weights to start from (.caffemodel)"},
    "snapshot": {"metavar": "FILE", "help": "a .solverstate to go on from"},
    "gpu": {"metavar": "N", "help": 'number of the GPU, or "none" for the CPU'},
    "iterations": {"metavar": "N", "type": int, "default": 50, "help": "batches to run (default 50)"},
    "level": {"metavar": "N", "type": int, "help": "level of the net's state"},
    "stage": {"metavar": "NAME[,NAME]", "help": "stages of the net's state"},
    "phase": {"metavar": "PHASE", "choices": ["TRAIN", "TEST"], "help": "TRAIN or TEST"},
    "sigint_effect": {"metavar": "EFFECT", "help": "what Ctrl-C does: stop (default), snapshot, none"},
    "sighup_effect": {"metavar": "EFFECT", "help": "what a closed terminal does: snapshot (default), stop, none"},
}


class Parser(flags.Parser):
    """A parser of a command that Caffe's program has.

    uses: which of Caffe's flags mean something to this command.
    """

    def __init__(self, command: str, description: str, uses: tuple[str, ...]) -> None:
        super().__init__(command, description)
        for name, settings in CAFFES.items():
            self.add(name, **(settings if name in uses else {**settings, "help": argparse.SUPPRESS}))
        self.add("log_file", metavar="FILE", help="append the log to this file as well")
