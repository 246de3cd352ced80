"""Caffe's own flags, which all commands of Caffe's one program share."""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from minicaffe import log
from minicaffe.errors import ParamError
from minicaffe.tools import flags
from minicaffe.tools.flags import int32, utf8

# Caffe's own flags. A command accepts them all, as Caffe does, and shows those that it uses.
CAFFES: dict[str, dict[str, Any]] = {
    "solver": {"metavar": "FILE", "help": "the solver definition"},
    "model": {"metavar": "FILE", "help": "the net definition"},
    "weights": {"metavar": "FILE[,FILE]", "help": "weights to start from (.caffemodel)"},
    "snapshot": {"metavar": "FILE", "help": 'a .solverstate to go on from, or "auto": the newest that is whole'},
    "gpu": {"metavar": "N", "help": 'number of the GPU, or "none" for the CPU'},
    "iterations": {"metavar": "N", "type": int32, "default": 50, "help": "batches to run (default 50)"},
    "level": {"metavar": "N", "type": int32, "help": "level of the net's state"},
    "stage": {"metavar": "NAME[,NAME]", "type": utf8, "help": "stages of the net's state"},
    "phase": {"metavar": "PHASE", "choices": ["TRAIN", "TEST"], "help": "TRAIN or TEST"},
    "sigint_effect": {"metavar": "EFFECT", "help": "what Ctrl-C does: stop (default), snapshot, none"},
    "sighup_effect": {"metavar": "EFFECT", "help": "what a closed terminal does: snapshot (default), stop, none"},
}


class Parser(flags.Parser):
    """A parser of a command that Caffe's program has.

    uses: which of Caffe's flags mean something to this command.
    other: of a flag, by name, what the command says of it in its own way: {"weights": {"metavar": "FILE"}}.
    """

    def __init__(self, command: str, description: str, uses: tuple[str, ...], **other: dict[str, Any]) -> None:
        super().__init__(command, description)
        for name, settings in CAFFES.items():
            shown = other.get(name, {}) if name in uses else {"help": argparse.SUPPRESS}
            self.add(name, **{**settings, **shown})
        self.add("log_file", metavar="FILE", help="append the log to this file as well")


def log_file_of(flags: argparse.Namespace) -> AbstractContextManager[Any]:
    """The file that --log_file names gets a copy of the log, for the length of a `with`."""
    return log.add_file(flags.log_file) if flags.log_file else nullcontext()


def check_iterations(count: int) -> None:
    if count < 1:
        raise ParamError(f"--iterations is {count}, must be 1 or more; it counts batches")


def check_one_file(flag: str, value: str | None) -> None:
    """Refuse a list where a command takes one file, unless that is what a file is called."""
    if value and "," in value and not os.path.exists(value):
        text = f"--{flag} {value}: there is no file of that name, and a list of files is for train alone"
        raise ParamError(f"{text}; give one file here")
