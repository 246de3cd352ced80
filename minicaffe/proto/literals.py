"""Values as a prototxt writes them: from the text of a token to a Python value.

Each function raises ValueError with what the value must be; who calls it knows the place.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from minicaffe.proto.hints import nearest

_WHOLE = re.compile(r"-?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
# 010 is 8 to some readers and 10 to others, so no reader should meet it.
_REAL = re.compile(r"-?(?!0[0-9]+\Z)([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fF]?")
_UNBOUNDED = re.compile(r"-?(inf(inity)?|nan)", re.IGNORECASE)


def whole(text: str, low: int, high: int) -> int:
    """An integer: decimal, octal (017) or hexadecimal (0xf)."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a whole number" + (", 0 or more" if low == 0 else ""))
    digits = text.removeprefix("-")
    # The largest, 2^64 - 1, has 22 octal digits; longer ones are slow to convert and too large anyway.
    value = high + 1 if len(digits) > 22 else int(digits, 8 if digits.startswith("0") and digits.isdigit() else 0)
    value = -value if text.startswith("-") else value
    if not low <= value <= high:
        raise ValueError(f"must be a whole number from {low} to {high}")
    return value


def real(text: str) -> float:
    """A float: 1, -1.5, .5, 1.f, 1e-3, inf, nan. A number too large for its type becomes infinite, as in Caffe."""
    if not (_REAL.fullmatch(text) or _UNBOUNDED.fullmatch(text)):
        raise ValueError("must be a number")
    return float(text.rstrip("fF") if _REAL.fullmatch(text) else text)


def boolean(text: str) -> bool:
    """true, t, 1 or false, f, 0; the words may begin with a capital."""
    if text in ("true", "True", "t", "1"):
        return True
    if text in ("false", "False", "f", "0"):
        return False
    raise ValueError("must be true or false")


def enum(text: str, descriptor: Any) -> int:
    """The number of an enum's value, from its name or from the number itself."""
    if text in descriptor.values_by_name:
        return descriptor.values_by_name[text].number
    if _WHOLE.fullmatch(text) and (number := whole(text, -(2**31), 2**31 - 1)) in descriptor.values_by_number:
        return number
    names = list(descriptor.values_by_name)
    bare = " without quotes" if text[0] in "\"'" else ""
    if len(names) <= 8:
        raise ValueError(f"must be {', '.join(names[:-1])} or {names[-1]}{bare}")
    close = nearest(text.strip("\"'"), names)
    raise ValueError(f"must be a {descriptor.name}{bare}" + (f"; did you mean {close}?" if close else ""))


_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_LETTERS = dict(zip(b"abfnrtv\\?'\"", b"\a\b\f\n\r\t\v\\?'\"", strict=True))


def quoted(text: str) -> bytes:
    """The bytes that a string in quotes, of either sort, stands for."""
    body = text[1:-1].encode()
    return _ESCAPE.sub(_unescape, body) if b"\\" in body else body


def _unescape(found: re.Match[bytes]) -> bytes:
    octal, byte, short, long, letter = found.groups()
    if letter is not None:
        if letter[0] not in _LETTERS:
            raise ValueError(f"has an unknown escape, {found.group().decode(errors='replace')}; write \\\\ for \\")
        return bytes([_LETTERS[letter[0]]])
    number = int(octal, 8) if octal else int(byte or short or long, 16)
    if octal or byte:
        if number > 255:
            raise ValueError(f"has the escape \\{octal.decode()}, must be \\377 at most")
        return bytes([number])
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise ValueError(f"has the escape {found.group().decode()}, which is no character")
    return chr(number).encode()


def text_of(value: bytes) -> str:
    """A string field's value; it must be UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8; its escapes stand for other bytes") from None


# From the text of one token, by kind of field; enums and strings need more than the text.
NUMBERS: dict[str, Callable[[str], Any]] = {
    "int32": functools.partial(whole, low=-(2**31), high=2**31 - 1),
    "int64": functools.partial(whole, low=-(2**63), high=2**63 - 1),
    "uint32": functools.partial(whole, low=0, high=2**32 - 1),
    "uint64": functools.partial(whole, low=0, high=2**64 - 1),
    "float": real,
    "double": real,
    "bool": boolean,
}
