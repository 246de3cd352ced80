"""Image lists, for ImageData and convert_imageset: one image file and its label a line.

    cats/1 fluffy.jpg 3     the file "cats/1 fluffy.jpg", label 3: split at the last blank

A label is read as C's atoi does: the whole number that it begins with, else 0. A line without a blank is both.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minicaffe.errors import DataError, FileError, MinicaffeError
from minicaffe.io.decode import load_image_file, path_text, read_bytes

_LINE_END = ord("\n")
# Finds something in any text: sign and digits, which may be none.
_ATOI = re.compile(rb"\s*([+-]?)0*([0-9]*)")
# Of an int32. More digits than it has are not looked at.
_LARGEST, _DIGITS = 2**31 - 1, 10


class ImageList:
    """The lines of an image list, counted from 0 here and from 1 in errors.

    root_folder: put before each name, with nothing in between.  crc32: of the list's bytes, by which another is told.
    The file is kept as it is, and where each line ends: the 1.28 million lines of ImageNet in 56 MB.
    Raises FileError where the list cannot be read, DataError where it has no line.
    """

    def __init__(self, source: str, root_folder: str = "") -> None:
        self.source = source
        self._root = os.fsencode(root_folder)
        self._bytes = read_bytes(source)
        self._ends = np.flatnonzero(np.frombuffer(self._bytes, np.uint8) == _LINE_END)
        if self._bytes and not self._bytes.endswith(b"\n"):
            self._ends = np.append(self._ends, len(self._bytes))
        if not len(self._ends):
            raise DataError("is empty; write a line for each image: its file, a blank, its label", file=source)
        self.crc32 = zlib.crc32(self._bytes)

    def __len__(self) -> int:
        return len(self._ends)

    def entry(self, line: int) -> bytes:
        """The image file of a line, as the list names it."""
        return self._split(line)[0]

    def path(self, line: int) -> bytes:
        """The image file of a line."""
        return self._root + self.entry(line)

    def label(self, line: int) -> int:
        """The label of a line. Raises DataError for one that an int32 does not hold."""
        sign, digits = _ATOI.match(self._split(line)[1]).groups()  # type: ignore[union-attr]
        label = int(sign + digits[: _DIGITS + 1]) if digits else 0
        if not -_LARGEST - 1 <= label <= _LARGEST:
            number = (sign + digits[: 2 * _DIGITS]).decode()
            text = f"has the label {number}, must lie between -2147483648 and 2147483647"
            raise DataError(text, file=self.source, line=line + 1)
        return label

    def load(self, line: int, color: bool = True, new_height: int = 0, new_width: int = 0) -> np.ndarray:
        """load_image_file of a line's image; errors name the line too."""
        with self.placing_errors(line):
            return load_image_file(self.path(line), color, new_height, new_width)

    @contextmanager
    def placing_errors(self, line: int) -> Iterator[None]:
        """Where a line's image is read: errors name the line too. Raises DataError where the line names no image."""
        if not self.entry(line):
            raise DataError("names no image; take the line out", file=self.source, line=line + 1)
        try:
            yield
        except MinicaffeError as error:
            hint = self._hint(line) if isinstance(error, FileError) else ""
            raise type(error)(f"{error}{hint}", file=self.source, line=line + 1) from error

    def name(self, line: int) -> str:
        """The image of a line and where it stands: "img/1.png (list.txt:1)"."""
        return f"{path_text(self.path(line))} ({self.source}:{line + 1})"

    def _hint(self, line: int) -> str:
        """Why the name of a line may be another one than it seems."""
        text, (name, label) = self._text(line), self._split(line)
        if b" " not in text:
            return "; no blank parts a label from this name: write one before the label"
        if name.endswith(b" ") or not label.strip():
            return "; the last blank of a line parts name and label: write one alone, and none behind the label"
        return ""

    def _split(self, line: int) -> tuple[bytes, bytes]:
        """Name and label of a line, as they stand there."""
        text = self._text(line)
        name, blank, label = text.rpartition(b" ")
        return (name, label) if blank else (text, text)

    def _text(self, line: int) -> bytes:
        start = self._ends[line - 1] + 1 if line else 0
        return self._bytes[start : self._ends[line]]
