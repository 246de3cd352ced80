"""The console script `minicaffe`, and `python -m minicaffe`: finds the command and hands over."""

from __future__ import annotations

import importlib
import sys

from minicaffe.errors import ParamError
from minicaffe.proto.hints import nearest
from minicaffe.tools.command import run_command
from minicaffe.version import __version__

# A module each in minicaffe.cli, with main(argv) -> exit status; its first line of help.
COMMANDS = {
    "train": "train or go on training a net",
    "test": "score a trained net",
}


def main(argv: list[str] | None = None) -> int:
    """Run a command line; the exit status. 1 after an error, of which one line stands on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run_command(dispatch, ["--debug" if word in ("-debug", "--debug=true") else word for word in words])


def dispatch(argv: list[str]) -> int:
    command, rest = split(argv)
    if not command:
        print(usage())
        return 0
    if command not in COMMANDS:
        near = nearest(command, COMMANDS)
        hint = f"; do you mean {near}?" if near else ""
        raise ParamError(f"Unknown command: {command} (commands: {', '.join(sorted(COMMANDS))}){hint}")
    return importlib.import_module(f"minicaffe.cli.{command}").main(rest)


def split(argv: list[str]) -> tuple[str, list[str]]:
    """(command, the other words). As in Caffe, flags may stand before the command."""
    if argv and not argv[0].startswith("-"):
        return argv[0], argv[1:]
    if not argv or argv[0].lstrip("-") in ("help", "h"):
        return "", []
    if argv[0].lstrip("-") == "version":
        print(f"minicaffe version {__version__}")
        raise SystemExit(0)
    at = next((i for i, word in enumerate(argv) if word in COMMANDS), None)
    return ("", []) if at is None else (argv[at], argv[:at] + argv[at + 1 :])


def usage() -> str:
    lines = [f"  {name:15} {text}" for name, text in COMMANDS.items()]
    return "\n".join(["usage: minicaffe <command> [flags]", "", "commands:", *lines, "", "minicaffe <command> -help"])
