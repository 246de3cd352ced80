"""How wide text is, and what of it can be shown."""

from __future__ import annotations

import unicodedata

# Advance widths of Helvetica (and of Arial, Liberation Sans and others made to match) for the characters from blank
# to tilde, in thousandths of the size. Source: Adobe's font metrics.
_WIDTHS = [
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556),
    *(1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556),
    *(333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556),
    *(556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
]
FAMILY = "Helvetica, Arial, Liberation Sans, sans-serif"
ELLIPSIS = "..."  # three dots: few fonts lack those


def text_width(text: str, size: float) -> float:
    """Width of a line of text in a sans-serif font of `size`, in pixels. Beyond ASCII it is estimated from above."""
    return sum(map(_width, text)) * size / 1000


def _width(character: str) -> int:
    code = ord(character) - 32
    if 0 <= code < len(_WIDTHS):
        return _WIDTHS[code]
    if unicodedata.combining(character):
        return 0
    return 1000 if unicodedata.east_asian_width(character) in "WF" else 700


def shown(text: str, longest: int = 40) -> str:
    """A name in one line of at most `longest` characters, its middle left out. What no file may hold becomes ?."""
    text = printable(text)
    if len(text) <= longest:
        return text
    kept = longest - len(ELLIPSIS)
    return text[: kept - kept // 2] + ELLIPSIS + text[len(text) - kept // 2 :]


def printable(text: str) -> str:
    """Text without control characters and others that XML forbids; breaks of lines stay as blanks."""
    return "".join(" " if c in "\n\t\r" else c if _is_printable(c) else "?" for c in text)


def _is_printable(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn", "Co")
