"""Flags as Caffe's programs have them: -name value, -name=value, --name value, in any place.

Boolean ones are -name, -noname and -name=false; -flagfile F reads more of them from a file, one a line.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

from minicaffe import log
from minicaffe.errors import FileError, ParamError, reason_of
from minicaffe.layers import consent
from minicaffe.proto.hints import nearest
from minicaffe.version import __version__

# Flags of glog, which all of Caffe's programs have. The log is on stderr whatever they say; minloglevel is obeyed.
_GLOGS_BOOLEANS = ("logtostderr", "alsologtostderr", "colorlogtostderr")
_GLOGS_NUMBERS = ("minloglevel", "stderrthreshold", "v")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


class Parser(argparse.ArgumentParser):
    """A parser of one command's flags and arguments; what it cannot read is a ParamError."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"minicaffe {command}", description=description, allow_abbrev=False)
        # These two are argparse's own.
        self._booleans = ["help", "version"]
        self.add_argument("--version", action="version", version=f"minicaffe version {__version__}")
        self.add_boolean("debug", help="show the traceback of an error")
        for name in _GLOGS_BOOLEANS:
            self.add_boolean(name, help=argparse.SUPPRESS)
        for name in _GLOGS_NUMBERS:
            self.add(name, type=int32, help=argparse.SUPPRESS)

    def add(self, name: str, **settings: Any) -> None:
        """A flag with a value. One dash or two: `read` makes them two."""
        self.add_argument(f"--{name}", **settings)

    def add_boolean(self, name: str, **settings: Any) -> None:
        self._booleans.append(name)
        self.add(name, action="store_true", **settings)

    def add_python_layer(self) -> None:
        """--python-layer, of commands that build nets: modules that a prototxt may name (layers/consent.py)."""
        what = "modules whose layers of type Python the net may run; may be given several times"
        spellings = (consent.FLAG, "--python_layer")
        self.add_argument(*spellings, metavar="MODULE[,MODULE]", action="append", default=[], type=names, help=what)

    def read(self, argv: list[str]) -> argparse.Namespace:
        """The flags in argv. Raises ParamError for what is none of them, or has a value that cannot be."""
        words = [self._plain(word) for word in with_flag_files(argv)]
        self._check_known([word for word in words if word is not None])
        # Intermixed: an argument that may be left out would not be found behind a flag otherwise.
        # An empty word is a value: of -stage "$STAGE" in a script that has none.
        flags, unknown = self.parse_known_intermixed_args([word for word in words if word is not None])
        if unknown:
            self._refuse(unknown[0])
        if flags.minloglevel is not None:
            log.set_level(flags.minloglevel)
        return flags

    def error(self, message: str) -> NoReturn:
        raise ParamError(f"{message}; {self.prog} -help lists all flags")

    def _plain(self, word: str) -> str | None:
        """A flag with two dashes; a boolean one, in any of its forms, as --name, or None where it is off."""
        if word == "-h" or not re.match("--?[a-zA-Z]", word):
            return word
        name, _, value = word.lstrip("-").partition("=")
        off = name.startswith("no") and name[2:] in self._booleans
        if name not in self._booleans and not off:
            return f"--{word.lstrip('-')}"
        if value.lower() not in ("", *_TRUE, *_FALSE):
            self.error(f"illegal value '{value}' for the flag '{name}', which is true or false")
        is_true = value.lower() not in _FALSE
        return None if off or not is_true else f"--{name}"

    def _check_known(self, words: list[str]) -> None:
        """Before arguments are counted: a misspelt flag is the reason, where one seems to be missing."""
        # With a blank before any "=" a word is a value, to argparse too.
        shape = re.compile(r"--[a-zA-Z][^\s=]*(=.*)?", re.DOTALL)
        for word in filter(shape.fullmatch, itertools.takewhile(lambda word: word != "--", words)):
            if word.partition("=")[0] not in self._option_string_actions:
                self._refuse(word)

    def _refuse(self, word: str) -> NoReturn:
        name = word.lstrip("-").partition("=")[0]
        if not word.startswith("-"):
            self.error(f"one argument too many: '{word}'")
        known = [option.lstrip("-") for option in self._option_string_actions]
        # log_dir is glog's: a folder for files with names of glog's own.
        near = "log_file" if name == "log_dir" and "log_file" in known else nearest(name, known)
        hint = f"; do you mean --{near}?" if near else ""
        self.error(f"unknown command line flag '{name}'{hint}")


def consent_of(flags: argparse.Namespace) -> AbstractContextManager[None]:
    """What --python-layer has allowed, for the length of a `with`. Layers of pycaffe's time say `import caffe`."""
    if flags.python_layer or os.environ.get(consent.ENVIRONMENT):
        # Nets and solvers come with it, which most tools do without.
        from minicaffe.pycaffe.alias import install_as_caffe

        install_as_caffe()
    return consent.naming_modules(itertools.chain.from_iterable(flags.python_layer))


def int32(text: str) -> int:
    """A flag's value that Caffe keeps in 32 bits. Raises ValueError for what is none."""
    value = int(text)
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{text} has more than 32 bits")
    return value


def utf8(text: str) -> str:
    """A flag's value that goes into a message. Raises ValueError for bytes that are no text."""
    text.encode()
    return text


def names(text: str | None) -> list[str]:
    """The entries of a list with commas; none for an empty one."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def with_flag_files(argv: list[str], inside: tuple[str, ...] = ()) -> list[str]:
    """argv with every -flagfile F replaced by the flags in F; a line that begins with # is a comment.

    inside: the files that these words come from, the outermost first.
    Raises FileError, ParamError where no file is named.
    """
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        name, given, path = word.lstrip("-").partition("=")
        if name != "flagfile" or not word.startswith("-"):
            words.append(word)
            continue
        file = path if given else next(rest, None)
        if file is None:
            raise ParamError("argument --flagfile: expected one argument, a file of flags, one a line")
        if file in inside:
            raise FileError("is a file of flags that names itself with -flagfile; take that line out", file=file)
        # An empty word is that of a script that has none.
        words += with_flag_files(_words_of(file), (*inside, file)) if file else []
    return words


def _words_of(path: str) -> list[str]:
    """The words in a file of flags, quoted as in a shell."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FileError("cannot be read as a file of flags: is no text (UTF-8)", file=path) from error
    except OSError as error:
        raise FileError(f"cannot be read as a file of flags: {reason_of(error)}", file=path) from error
    words = []
    for number, line in enumerate(lines, 1):
        if not line.strip().startswith("#"):
            try:
                words += shlex.split(line)
            except ValueError as error:
                text = f"{error}; where a quote is part of a value, put a backslash before it"
                raise FileError(text, file=path, line=number) from error
    return words
