"""MNIST's four files: their names and checksums, and what lies under those names in a folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from minicaffe.errors import FileError


@dataclass(frozen=True)
class MnistFile:
    """One of the four: name, size in bytes and MD5 of the unpacked file."""

    name: str
    size: int
    md5: str


TRAIN_IMAGES = MnistFile("train-images-idx3-ubyte", 16 + 60000 * 784, "6bbc9ace898e44ae57da46a324031adb")
TRAIN_LABELS = MnistFile("train-labels-idx1-ubyte", 8 + 60000, "a25bea736e30d166cdddb491f175f624")
TEST_IMAGES = MnistFile("t10k-images-idx3-ubyte", 16 + 10000 * 784, "2646ac647ad5339dbf082846283269ea")
TEST_LABELS = MnistFile("t10k-labels-idx1-ubyte", 8 + 10000, "27ae3e4e09519cfbb04c329615203637")
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

# Lies beside files that the generator drew, names them with their MD5, and goes when the real ones come.
MARKER = "NOT_MNIST.txt"
NOTE = "generated digits, NOT MNIST: accuracies on them say nothing about MNIST"


class State(Enum):
    """What a folder holds under the name of one of the four files."""

    ABSENT = "absent"
    REAL = "MNIST"
    GENERATED = "generated digits"
    UNKNOWN = "unknown"


def md5(data: bytes) -> str:
    # Names a file, guards no secret: allowed where FIPS forbids MD5 for security.
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def state_of(folder: Path, file: MnistFile) -> State:
    """Told by the MD5 of the bytes; for generated digits, by the MD5 that the marker lists."""
    path = folder / file.name
    if not path.exists():
        return State.ABSENT
    found = md5(bytes_of(path))
    if found == file.md5:
        return State.REAL
    return State.GENERATED if read_marker(folder).get(file.name) == found else State.UNKNOWN


def read_marker(folder: Path) -> dict[str, str]:
    """MD5 of each generated file, by name; empty where there is no marker."""
    path = folder / MARKER
    if not path.exists():
        return {}
    words = [line.split() for line in bytes_of(path).decode("utf-8", "replace").splitlines()]
    return {pair[1]: pair[0] for pair in words if len(pair) == 2 and len(pair[0]) == 32}


def marker_text(contents: dict[str, bytes], seed: int) -> str:
    """The marker's text: what the files are, and lines that `md5sum -c` reads."""
    sums = "\n".join(f"{md5(data)}  {name}" for name, data in contents.items())
    return (
        f"The digits in this folder are NOT MNIST. minicaffe's generator drew them (seed {seed}),\n"
        "so that the tutorial runs where MNIST cannot be fetched. Accuracies on them say nothing about MNIST.\n"
        "data/mnist/get_mnist.sh puts the real files in their place as soon as it can reach them.\n\n"
        f"{sums}\n"
    )


def note_of(images_path: str | os.PathLike[str]) -> str:
    """The warning that a database made from this file has to carry; "" for files that no marker names."""
    path = Path(images_path)
    if path.name not in read_marker(path.parent):
        return ""
    # Somebody may have put the real files there by hand, and left the marker.
    return "" if md5(bytes_of(path)) in {file.md5 for file in FILES} else NOTE


def bytes_of(path: Path) -> bytes:
    """What is in the file. Raises FileError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
