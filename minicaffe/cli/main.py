"""The console script `minicaffe`, and `python -m minicaffe`: finds the command and hands over."""

from __future__ import annotations

import importlib
import sys

from minicaffe.cli.flags import Parser
from minicaffe.errors import ParamError
from minicaffe.proto.hints import nearest
from minicaffe.tools.command import run_command
from minicaffe.version import __version__

# Each is a module of that name, in minicaffe.cli or minicaffe.tools, with main(argv) -> exit status; here its help.
CAFFES = {
    "train": "train or go on training a net",
    "test": "score a trained net",
    "time": "time a net, layer by layer",
    "device_query": "describe the GPUs",
}
# Also in minicaffe.cli; its words are Python's and the script's.
RUN = {"run": "run a Python script that says `import caffe`"}
TOOLS = {
    "convert_imageset": "make a database of image files that a list names",
    "convert_mnist_data": "make a database of MNIST's digits",
    "convert_mnist_siamese_data": "make a database of pairs of MNIST's digits",
    "convert_cifar_data": "make databases of CIFAR-10's pictures",
    "compute_image_mean": "average the images of a database",
    "extract_features": "write what blobs hold for each item into databases",
    "upgrade_net_proto_text": "bring an old net definition to today's form",
    "upgrade_net_proto_binary": "bring old weights to today's form",
    "upgrade_solver_proto_text": "bring an old solver definition to today's form",
    "summary": "list a net's layers, shapes, parameters and work",
    "draw_net": "draw a net",
    "parse_log": "turn a training log into tables",
    "plot_log": "draw learning curves from training logs",
}
COMMANDS = CAFFES | TOOLS
EVERY_COMMAND = CAFFES | RUN | TOOLS


def main(argv: list[str] | None = None) -> int:
    """Run a command line; the exit status. 1 after an error, of which one line stands on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["run"]:
        return run_command(lambda _: importlib.import_module("minicaffe.cli.run").main(words[1:]), [])
    return run_command(dispatch, ["--debug" if word in ("-debug", "--debug=true") else word for word in words])


def dispatch(argv: list[str]) -> int:
    command, rest = split(argv)
    if not command:
        print(usage())
        return 0
    if command in RUN:
        raise ParamError(f"{command} must be the first word, for all behind it are Python's: minicaffe run SCRIPT")
    if command not in COMMANDS:
        near = nearest(command, EVERY_COMMAND)
        hint = f"do you mean {near}? " if near else ""
        raise ParamError(f"Unknown command: {command}; {hint}minicaffe -help lists all commands")
    package = "cli" if command in CAFFES else "tools"
    return importlib.import_module(f"minicaffe.{package}.{command}").main(rest)


def split(argv: list[str]) -> tuple[str, list[str]]:
    """(command, the other words). As in Caffe, flags may stand before the command."""
    if argv and not argv[0].startswith("-"):
        return argv[0], argv[1:]
    if not argv or argv[0].lstrip("-") in ("help", "h"):
        return "", []
    if argv[0].lstrip("-") == "version":
        print(f"minicaffe version {__version__}")
        raise SystemExit(0)
    at = next((i for i, word in enumerate(argv) if word in EVERY_COMMAND), None)
    if at is not None:
        return argv[at], argv[:at] + argv[at + 1 :]
    # There is none; but a flag that nobody knows is told first.
    parser = Parser("<command>", "", ())
    parser.add_argument("command", nargs="?", default="")
    return parser.read(argv).command, []


def usage() -> str:
    """All commands, with what each is for."""
    width = max(map(len, EVERY_COMMAND))
    tables = (CAFFES | RUN, TOOLS)
    caffes, tools = ([f"  {name:{width}}  {text}" for name, text in table.items()] for table in tables)
    lines = ["usage: minicaffe <command> [flags]", "", "commands:", *caffes, "", "tools:", *tools, ""]
    return "\n".join([*lines, "minicaffe <command> -help"])
