"""Read a prototxt, strictly as Caffe does, and remember in which line each field stands.

protobuf's own reader of text forgets the lines, lets a field come twice, and knows nothing of nearest names.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from minicaffe.errors import FileError, FormatError, Origin, ParamError
from minicaffe.proto import hints, literals, schema
from minicaffe.proto.scanner import ScanError, Scanner

MAX_LINES = 1000  # of one repeated field of numbers: weights written as text are no settings


@dataclass(frozen=True)
class Parsed:
    """A message and where it stands.

    lines: line of each field, by path from the message: "layer[3].pooling_param.stride", "layer[3].bottom[0]";
    repeated fields always have an index.
    """

    message: Any
    lines: dict[str, int]
    file: str = ""

    def origin(self, path: str = "") -> Origin:
        """The place of the message at `path`, or of the whole; Origin.fields are paths from that message on."""
        if not path:
            return Origin(self.file, 1, self.lines)
        if path not in self._positions:
            return Origin(self.file)
        fields = {}
        # A message is read in one go, so that what lies inside it follows it in `lines`.
        for inner in self._paths[self._positions[path] + 1 :]:
            if not inner.startswith(path + "."):
                break
            fields[inner[len(path) + 1 :]] = self.lines[inner]
        return Origin(self.file, self.lines[path], fields)

    @functools.cached_property
    def _paths(self) -> list[str]:
        return list(self.lines)

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {path: position for position, path in enumerate(self._paths)}


def read_text(path: str | os.PathLike[str], message_class: Any) -> Parsed:
    """Read the prototxt at `path` as a message of `message_class`.

    Raises TypeError (no path), FileError (no such file), FormatError (not text), ParamError (not a message of that
    class).
    """
    if not isinstance(path, str | bytes | os.PathLike):
        text = f"a {message_class.DESCRIPTOR.name} is read from a file: give the file's path, not {type(path).__name__}"
        is_message = hasattr(path, "DESCRIPTOR")
        raise TypeError(f"{text}; write the message to a file before, as str(message)" if is_message else text)
    name = os.fsdecode(path)
    if not name:
        raise FileError("Could not open file '': this is no file name")
    try:
        raw = Path(name).read_bytes()
    except OSError as error:
        # pycaffe's users look for these words.
        fault = FileError(f"Could not open file {name}: {error.strerror or error}")
        fault.file, fault.errno = name, error.errno
        raise fault from error
    return parse_text(_decoded(raw, name), message_class, name)


def _decoded(raw: bytes, file: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
        bad = text.find("\0")
    except UnicodeDecodeError as error:
        bad = error.start
    if bad >= 0:
        line = raw.count(b"\n", 0, bad) + 1
        raise FormatError("is no text file (UTF-8); a prototxt is expected here, not binary data", file=file, line=line)
    return text


def parse_text(text: str, message_class: Any, file: str = "") -> Parsed:
    """Read `text` as a message of `message_class`. file: what errors call it.

    Raises ParamError with file, line, column, layer and field.
    """
    parser = _Parser(text, message_class(), file)
    try:
        parser.scanner.advance()
        parser.fields("")
    except ScanError as error:
        parser.fail(str(error), start=error.start)
    return Parsed(parser.around[0], parser.lines, file)


class _Parser:
    """Recursive descent: fields, a field, its value. No message of the schema contains itself, so it cannot go deep.

    around, prefixes: the messages being read and their paths, from the outermost on.
    """

    def __init__(self, text: str, message: Any, file: str) -> None:
        self.scanner = Scanner(text)
        self.file = file
        self.lines: dict[str, int] = {}
        self.around = [message]
        self.prefixes = [""]

    def fields(self, closing: str) -> None:
        """Fields of the innermost message, up to `closing`; "" is the end of the text."""
        message, prefix = self.around[-1], self.prefixes[-1]
        known = schema.fields_of(message.DESCRIPTOR)
        while self.scanner.text != closing:
            self.field(message, prefix, known)
            self.scanner.take(";", ",")
        for field in known.values():
            if field.required and not message.HasField(field.name):
                self.fail(f"is missing; a {message.DESCRIPTOR.name} cannot do without", prefix + field.name)

    def field(self, message: Any, prefix: str, known: dict[str, schema.Field]) -> None:
        """One field with its value or values."""
        scanner = self.scanner
        name, start = scanner.text, scanner.start
        if scanner.kind != "word":
            self.no_field()
        field = known.get(name)
        if field is None:
            self.fail(hints.about_field(name, self.around), prefix + name)
        if prefix + name in self.lines:
            self.fail(f"is given twice, first in line {self.lines[prefix + name]}; keep one of them", prefix + name)
        scanner.advance()
        if not scanner.take(":") and (field.kind != "message" or scanner.text not in ("{", "<", "[")):
            self.fail("needs a colon and a value" if field.kind != "message" else "needs { ... }", prefix + name)
        if scanner.text != "[":
            self.value(message, prefix, field, start)
        elif field.repeated:
            self.list(message, prefix, field)
        else:
            self.fail("is one value, not a list; leave out the brackets", prefix + name)

    def list(self, message: Any, prefix: str, field: schema.Field) -> None:
        """[a, b, ...]: several values of a repeated field."""
        scanner = self.scanner
        scanner.advance()
        if scanner.take("]"):
            return
        self.value(message, prefix, field, scanner.start)
        while not scanner.take("]"):
            if not scanner.take(","):
                self.fail(f"is a list; after a value comes , or ], not {self.found()}", prefix + field.name)
            self.value(message, prefix, field, scanner.start)

    def value(self, message: Any, prefix: str, field: schema.Field, start: int) -> None:
        """One value, put into the message. start: where its line is taken."""
        path = prefix + field.name
        if field.repeated:
            values = getattr(message, field.name)
            path = f"{path}[{len(values)}]"
            if field.kind in literals.NUMBERS and len(values) >= MAX_LINES:
                values.append(self.scalar(field, path))
                return
        self.lines[path] = self.scanner.place(start)[0]
        if field.kind == "message":
            self.message(values.add() if field.repeated else getattr(message, field.name), path)
        elif field.repeated:
            values.append(self.scalar(field, path))
        else:
            setattr(message, field.name, self.scalar(field, path))

    def message(self, message: Any, path: str) -> None:
        """{ ... } or < ... >."""
        scanner = self.scanner
        if scanner.text not in ("{", "<"):
            self.fail(f"is {self.found()}, must be {{ ... }}", path)
        closing = "}" if scanner.text == "{" else ">"
        scanner.advance()
        message.SetInParent()
        self.around.append(message)
        self.prefixes.append(path + ".")
        self.fields(closing)
        self.around.pop()
        self.prefixes.pop()
        scanner.advance()

    def scalar(self, field: schema.Field, path: str) -> Any:
        """One value that is no message."""
        scanner = self.scanner
        text, start = scanner.text, scanner.start
        try:
            if field.kind in ("string", "bytes"):
                return self.string(field.kind)
            if scanner.take("-"):
                text += scanner.text
            if scanner.kind in ("mark", "end"):
                self.fail(f"has no value: {self.found()} follows", path)
            if field.kind == "enum":
                value = literals.enum(text, field.type)
            else:
                value = literals.NUMBERS[field.kind](text)
        except ScanError:
            raise
        except ValueError as error:
            self.fail(f"is {_shortened(text)}, {error}", path, start)
        scanner.advance()
        return value

    def string(self, kind: str) -> str | bytes:
        """Text in quotes; pieces one behind the other are joined."""
        scanner = self.scanner
        if scanner.kind != "string":
            word = scanner.text if scanner.kind in ("word", "number") else "..."
            raise ValueError(f'must be text in quotes: "{word}"')
        value = b""
        while scanner.kind == "string":
            value += literals.quoted(scanner.text)
            scanner.advance()
        return literals.text_of(value) if kind == "string" else value

    def no_field(self) -> NoReturn:
        """The next token begins no field."""
        scanner = self.scanner
        if scanner.kind == "end":
            path = self.prefixes[-1][:-1]
            self.fail(f"begins in line {self.lines[path]} and does not end; close it with }} or >", path)
        if scanner.text in ("}", ">"):
            self.fail(f"{scanner.text} does not belong here; remove it, or see whether an opening one is missing")
        self.fail(f"the name of a field is expected here, not {self.found()}")

    def found(self) -> str:
        """The next token, for an error."""
        return "the end of the text" if self.scanner.kind == "end" else _shortened(self.scanner.text)

    def fail(self, message: str, path: str = "", start: int | None = None) -> NoReturn:
        """Raise ParamError at offset `start`, else at the next token; with the layer's name, if it has been read."""
        line, column = self.scanner.place(self.scanner.start if start is None else start)
        name = type_name = ""
        for around, prefix in zip(reversed(self.around), reversed(self.prefixes), strict=True):
            if around.DESCRIPTOR.name in ("LayerParameter", "V0LayerParameter", "V1LayerParameter") and around.name:
                name, path = around.name, path.removeprefix(prefix)
                type_name = around.type if isinstance(around.type, str) else ""
                break
        raise ParamError(
            message, file=self.file, line=line, column=column, layer=name, layer_type=type_name, field=path
        )


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
