"""IDX, the format of MNIST's four files: a big-endian header, then one byte per pixel or label.

    images:  2051, count, rows, columns (uint32 each), then count * rows * columns bytes
    labels:  2049, count (uint32 each), then count bytes

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minicaffe.errors import FileError, FormatError

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
_KINDS = {IMAGES_MAGIC: "images", LABELS_MAGIC: "labels"}
_AXES = {IMAGES_MAGIC: 3, LABELS_MAGIC: 1}
_CHUNK = 1 << 20


def read_images(path: str | os.PathLike[str]) -> np.ndarray:
    """Images of a plain or gzipped IDX file: uint8 of shape (count, rows, columns).

    Raises FileError where the file cannot be opened, FormatError where its bytes are not images.
    """
    return _read(path, IMAGES_MAGIC)


def read_labels(path: str | os.PathLike[str]) -> np.ndarray:
    """Labels of a plain or gzipped IDX file: uint8 of shape (count,). Errors as in read_images."""
    return _read(path, LABELS_MAGIC)


def read_pair(
    images_path: str | os.PathLike[str], labels_path: str | os.PathLike[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Images and their labels; FormatError too where there are not as many of one as of the other."""
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise FormatError(
            f"holds {len(labels)} labels, but {images_path} holds {len(images)} images; give the two files of one set",
            file=str(labels_path),
        )
    return images, labels


def encode_images(images: np.ndarray) -> bytes:
    """The bytes of an IDX file of images, uint8 of shape (count, rows, columns)."""
    return _encode(images, IMAGES_MAGIC)


def encode_labels(labels: np.ndarray) -> bytes:
    """The bytes of an IDX file of labels, uint8 of shape (count,)."""
    return _encode(labels, LABELS_MAGIC)


def _encode(array: np.ndarray, magic: int) -> bytes:
    array = np.asarray(array)
    if array.dtype != np.uint8 or array.ndim != _AXES[magic]:
        raise FormatError(
            f"IDX {_KINDS[magic]} are uint8 with {_AXES[magic]} axes, got {array.dtype} of shape {array.shape}"
        )
    return np.array((magic, *array.shape), ">u4").tobytes() + array.tobytes()


def _read(path: str | os.PathLike[str], magic: int) -> np.ndarray:
    file = str(path)
    with _open(file) as stream:
        shape = _read_header(stream, magic, file)
        # Asked one byte too many, so that bytes behind the last item are seen.
        wanted = math.prod(shape)
        body = _read_at_most(stream, wanted + 1)
    what = "x".join(str(size) for size in shape)
    if len(body) < wanted:
        raise FormatError(
            f"is cut short: its header announces {what} {_KINDS[magic]} bytes ({wanted}), {len(body)} are there; "
            "fetch the file again",
            file=file,
        )
    if len(body) > wanted:
        raise FormatError(
            f"has bytes left over behind the {what} {_KINDS[magic]} bytes ({wanted}) that its header announces",
            file=file,
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_header(stream: BinaryIO, magic: int, file: str) -> tuple[int, ...]:
    size = 4 * (1 + _AXES[magic])
    head = _read_at_most(stream, size)
    found = int.from_bytes(head[:4], "big")
    if len(head) >= 4 and found != magic:
        other = f" (IDX {_KINDS[found]}: are the two files swapped?)" if found in _KINDS else ""
        raise FormatError(f"begins with the number {found}{other}, must be {magic} (IDX {_KINDS[magic]})", file=file)
    if len(head) < size:
        raise FormatError(
            f"is cut short: {len(head)} bytes, the header of IDX {_KINDS[magic]} alone takes {size}", file=file
        )
    return tuple(int(value) for value in np.frombuffer(head, ">u4", offset=4))


def _read_at_most(stream: BinaryIO, wanted: int) -> bytearray:
    """Up to `wanted` bytes, in chunks: a header may announce more than there is memory."""
    data = bytearray()
    while len(data) < wanted:
        chunk = stream.read(min(_CHUNK, wanted - len(data)))
        if not chunk:
            break
        data += chunk
    return data


@contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    """The unpacked bytes of a file; gzip is told by its first two bytes, not by the name."""
    try:
        with Path(file).open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[misc]
    # gzip's own errors first: BadGzipFile is an OSError too.
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"is a damaged gzip file ({error}); fetch the file again", file=file) from error
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=file) from error
