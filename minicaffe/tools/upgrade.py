"""What the three upgrade tools share: read IN, bring it to today's form, write OUT; and the exit status, as Caffe's.

0    OUT is written; also where IN was in today's form already, which an ERROR line on the log says
1    wrong arguments, no such file, or a net that cannot be upgraded: nothing is written; settings that no longer
     have a place: OUT is written without them
2    IN cannot be parsed
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from minicaffe import log
from minicaffe.errors import FileError, MinicaffeError
from minicaffe.io.atomic import atomic_write
from minicaffe.proto.printer import format_text
from minicaffe.proto.source import NetSource, Note, SolverSource
from minicaffe.proto.upgrade import REWRITE_NET, REWRITE_SOLVER
from minicaffe.tools.flags import Parser

UNPARSABLE = 2
Read = TypeVar("Read")
Source = TypeVar("Source", NetSource, SolverSource)


@dataclass
class Upgrade(Generic[Read, Source]):
    """One of the tools.

    name: of the command. form: "text" or "binary". message: "NetParameter" or "SolverParameter".
    read: a path -> what is in the file. FileError for a file that is not there, other errors for one of something else.
    upgrade: what was read -> its today's form. write: path, what was read, today's form.
    """

    name: str
    form: str
    message: str
    read: Callable[[str], Read]
    upgrade: Callable[[Read], Source]
    write: Callable[[str, Read, Source], object]

    def run(self, argv: list[str]) -> int:
        """Run the tool; its exit status. Raises MinicaffeError for what gives the status 1."""
        parser = Parser(self.name, f"Bring an old {self.message} ({self.form}) to today's form.")
        parser.add_argument("old", metavar="IN", help="the file to read")
        parser.add_argument("new", metavar="OUT", help="the file to write; may be IN itself")
        flags = parser.read(argv)
        try:
            read = self.read(flags.old)
        except FileError:
            raise
        except MinicaffeError as error:
            log.error(f"Failed to parse input {self.form} file as {self.message}: {flags.old}")
            print(f"error: {error}", file=sys.stderr)
            return UNPARSABLE
        source = self.upgrade(read)
        complete = _log_upgrade(source, flags.old)
        self.write(flags.new, read, source)
        log.info(f"Wrote upgraded {self.message} {self.form} proto to {flags.new}")
        return 0 if complete else 1


def _log_upgrade(source: NetSource | SolverSource, file: str) -> bool:
    """Log what was done; whether nothing was lost."""
    _log_notes(source.notes)
    nets = source.nets.values() if isinstance(source, SolverSource) else [source]
    if not (source.upgraded or any(net.upgraded for net in nets)):
        log.error(f"File already in latest proto format: {file}")
    complete = all(net.compatible for net in nets)
    if not complete:
        log.error("Encountered error(s) while upgrading prototxt; see details above.")
    return complete


def _log_notes(notes: Iterable[Note]) -> None:
    for severity, text in notes:
        if not text.endswith((REWRITE_NET, REWRITE_SOLVER)):
            log.write(severity, text)


def write_text(path: str, _: object, source: NetSource | SolverSource) -> None:
    """Write the message as a prototxt, its fields in the order of their numbers; comments are not kept."""
    with atomic_write(path, "w") as file:
        file.write(format_text(source.param))
