"""Cut a prototxt into words, numbers, strings and marks, each with its place."""

from __future__ import annotations

import bisect
import re

_TOKEN = re.compile(
    r"""
      (?P<blank> [ \t\r\n\f\v]+ | \#[^\n]* )
    | (?P<word> [A-Za-z_]\w* )
    | (?P<number> \.?[0-9] (?: [eE][+-] | [\w.] )* )   # taken wide; literals.py says which are numbers
    | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<mark> [{}<>\[\]:;,-] )
    | (?P<bad> . )
    """,
    re.VERBOSE | re.ASCII,
)


class ScanError(ValueError):
    """Text that no prototxt can contain, beginning at offset `start`."""

    def __init__(self, message: str, start: int) -> None:
        super().__init__(message)
        self.start = start


class Scanner:
    """One token at a time, the first after one advance().

    kind: word, number, string or mark; end behind the last.  text: as written.  start: its offset.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.finditer(text)
        self._size = len(text)
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.kind = self.text = ""
        self.start = 0

    def advance(self) -> None:
        """Go on to the next token. Raises ScanError where there is none, but not the end either."""
        for token in self._tokens:
            self.kind = token.lastgroup or ""
            if self.kind != "blank":
                self.text, self.start = token.group(), token.start()
                if self.kind == "bad":
                    raise ScanError(_fault(self.text), self.start)
                return
        self.kind, self.text, self.start = "end", "", self._size

    def take(self, *texts: str) -> bool:
        """Go past the token if it is one of `texts`."""
        found = self.text in texts
        if found:
            self.advance()
        return found

    def place(self, start: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset."""
        line = bisect.bisect_right(self._line_starts, start)
        return line, start - self._line_starts[line - 1] + 1


def _fault(character: str) -> str:
    if character in "\"'":
        return f"text begins with {character} and does not end in this line; close it with {character}"
    if character == "/":
        return "/ means nothing here; a comment begins with #"
    return f"{character!r} means nothing here; remove it"
