"""Window files, for WindowData: images, and boxes in them that overlap an object of some class more or less.

    # 0                              the image's number, from 0 on
    VOC2007/000005.jpg
    3 375 500                        channels, height, width
    2                                windows; each:
    9 0.85 263 211 324 339           class, overlap, x1, y1, x2, y2
    0 0.10 165 264 253 372

Any white space parts one value from the next. Corners are pixels, the last ones included.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import BinaryIO, TypeVar

import numpy as np

from minicaffe import log
from minicaffe.errors import DataError, FormatError, MinicaffeError
from minicaffe.io.decode import opened, path_text

Value = TypeVar("Value")
# A window as it is kept.
IMAGE, LABEL, X1, Y1, X2, Y2 = range(6)
# A window as it stands in the file.
_CLASS, _OVERLAP, _CORNERS = 0, 1, slice(2, 6)
_IMAGES_PER_LINE = 100
_LARGEST = 2**31 - 1
# Of a word that is out of place, how many bytes an error shows; of Python's own text, how many letters.
_SHOWN, _SHOWN_OF_ERROR = 20, 80


class WindowFile:
    """The images and windows of a window file.

    paths: of the images, root_folder put before each.  lines: where each image's record begins.
    channels: of the last image, which Caffe takes for all.
    foreground, background: windows that overlap an object by fg_threshold and more, and those by less than
    bg_threshold: int32, (count, 6): number of the image, label (0 in the background), x1, y1, x2, y2.
    crc32: of the windows, by which another file is told.

    Raises FileError where the file cannot be read, FormatError where it is no window file, DataError for a window of
    the foreground without a class.
    """

    def __init__(
        self, source: str, root_folder: str = "", fg_threshold: float = 0.5, bg_threshold: float = 0.5
    ) -> None:
        self.source = source
        self._root = os.fsencode(root_folder)
        self._thresholds = np.float32(fg_threshold), np.float32(bg_threshold)
        self.paths: list[bytes] = []
        self.lines: list[int] = []
        self.channels = 0
        # The line that was read last.
        self._line = 0
        found = self._read()
        none = np.empty((0, 6), np.int32)
        self.foreground, self.background = (np.concatenate([none, *kind]) for kind in zip(*found, strict=True))
        self.crc32 = zlib.crc32(self.background.data, zlib.crc32(self.foreground.data))

    @contextmanager
    def placed(self, image: int) -> Iterator[None]:
        """Give the place of an image's record to errors about it."""
        try:
            yield
        except MinicaffeError as error:
            text = str(error) if error.file else f"{path_text(self.paths[image])}: {error}"
            raise type(error)(text, file=self.source, line=self.lines[image]) from error

    def _read(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Foreground and background of each image."""
        with opened(self.source) as file:
            # Of many millions of words none goes through a function of Python's.
            words = chain.from_iterable(map(bytes.split, self._counted(file)))
            found = [self._read_image(word, words) for word in words]
        if not found:
            raise self._wrong("the window file is empty, it must begin with # 0")
        return found

    def _counted(self, file: BinaryIO) -> Iterator[bytes]:
        for line in file:
            self._line += 1
            yield line

    def _read_image(self, hashtag: bytes, words: Iterator[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """One record, of which the first word has been read."""
        if hashtag != b"#":
            raise self._wrong(
                f'"{path_text(hashtag[:_SHOWN])}" stands where a record must begin, with # and its number'
            )
        number = len(self.lines)
        self.lines.append(self._line)
        given = self._next(words, int, "the image's number")
        if given != number:
            raise self._wrong(f"its number is {given}; number the records from 0 on, without gaps")
        self.paths.append(self._root + self._next(words, bytes, "the image's path"))
        self.channels, height, width = (self._next(words, int, what) for what in ("channels", "height", "width"))
        count = self._next(words, int, "the number of windows")
        if not 0 <= count <= _LARGEST:
            raise self._wrong(f"the number of windows is {count}, must lie between 0 and {_LARGEST}")
        windows = self._read_windows(words, count)
        if number % _IMAGES_PER_LINE == 0:
            sizes = f"{self.channels} {height} {width}"
            log.info(f"num: {number} {path_text(self.paths[-1])} {sizes} windows to process: {count}")
        return self._sort(number, windows)

    def _next(self, words: Iterator[bytes], kind: Callable[[bytes], Value], what: str) -> Value:
        word = next(words, None)
        if word is None:
            raise self._cut_short(what)
        try:
            return kind(word)
        except ValueError:
            raise self._wrong(f'"{path_text(word[:_SHOWN])}" stands where {what} must be, a whole number') from None

    def _read_windows(self, words: Iterator[bytes], count: int) -> np.ndarray:
        """The windows of one image as they stand in the file, float64 (count, 6)."""
        taken = map(float, islice(words, 6 * count))
        try:
            # Not told how many: the file may promise more than it has.
            values = np.fromiter(taken, np.float64)
        except ValueError as error:
            text = f"each of its {count} windows must be six numbers, class overlap x1 y1 x2 y2"
            raise self._wrong(f"{text}: {str(error)[:_SHOWN_OF_ERROR]}") from None
        if len(values) < 6 * count:
            raise self._cut_short(f"window {len(values) // 6 + 1} of {count}")
        windows = values.reshape(count, 6)
        self._check_numbers(windows)
        return windows

    def _check_numbers(self, windows: np.ndarray) -> None:
        whole = np.delete(windows, _OVERLAP, axis=1)
        fits = (np.abs(whole) <= _LARGEST) & (whole == np.trunc(whole))
        wrong = np.flatnonzero(~fits.all(axis=1) | np.isnan(windows[:, _OVERLAP]))
        if len(wrong):
            values = " ".join(f"{value:.15g}" for value in windows[wrong[0]])
            text = f"window {wrong[0] + 1} is {values}: class and corners must be whole numbers up to {_LARGEST},"
            raise self._wrong(f"{text} the overlap a number")

    def _sort(self, image: int, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Foreground and background of one image, in the form that is kept."""
        with np.errstate(over="ignore"):
            overlap = windows[:, _OVERLAP].astype(np.float32)
        kept = np.empty(windows.shape, np.int32)
        kept[:, IMAGE], kept[:, LABEL], kept[:, X1:] = image, windows[:, _CLASS], windows[:, _CORNERS]
        in_front = overlap >= self._thresholds[0]
        behind = ~in_front & (overlap < self._thresholds[1])
        foreground, background = kept[in_front], kept[behind]
        if (foreground[:, LABEL] <= 0).any():
            place = int(np.flatnonzero(in_front & (kept[:, LABEL] <= 0))[0])
            text = f"window {place + 1} has class {kept[place, LABEL]} and overlap {overlap[place]:g}: a window of the"
            text += f" foreground (fg_threshold {self._thresholds[0]:g}) must have a class from 1 on"
            raise DataError(self._of_record(text), file=self.source, line=self.lines[-1])
        background[:, LABEL] = 0
        return foreground, background

    def _cut_short(self, what: str) -> FormatError:
        return self._wrong(f"the file is cut short: {what} is missing")

    def _wrong(self, what: str) -> FormatError:
        return FormatError(self._of_record(what), file=self.source, line=self._line)

    def _of_record(self, what: str) -> str:
        return f"record # {len(self.lines) - 1}: {what}" if self.lines else what
