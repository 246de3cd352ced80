"""MNIST's digits as arrays, for scripts that feed a net by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from minicaffe.errors import FileError
from minicaffe.io import idx
from minicaffe.tools.command import say
from minicaffe.tools.mnist_files import FILES, note_of

_PREFIXES = {"train": "train", "test": "t10k"}


def load_mnist(part: str, folder: str | os.PathLike[str] = "data/mnist") -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 of shape (count, 28, 28), and their labels, uint8 of shape (count,), 0 to 9.

    part: "train" (60,000 digits) or "test" (10,000).
    folder: where the files lie, plain or .gz; where it lacks one, the folder that MINICAFFE_MNIST_DIR names is tried.
    Where generated digits lie in MNIST's place, that is said as a warning.
    Raises ValueError for another part, FileError where there are no files, FormatError where they are damaged.
    """
    if part not in _PREFIXES:
        raise ValueError(f'MNIST has the parts "train" and "test", not {part!r}')
    names = [file.name for file in FILES if file.name.startswith(_PREFIXES[part])]
    images, labels = _find(names, Path(folder))
    if note := note_of(images):
        say(f"{images}: WARNING: {note}")
    return idx.read_pair(images, labels)


def _find(names: list[str], folder: Path) -> list[Path]:
    """Where files of these names lie, all in one folder."""
    named = os.environ.get("MINICAFFE_MNIST_DIR")
    for place in (folder, Path(named)) if named else (folder,):
        found = [[path for path in (place / name, place / f"{name}.gz") if path.exists()] for name in names]
        if all(found):
            return [paths[0] for paths in found]
    raise FileError(
        f"lacks {' or '.join(names)}; run data/mnist/get_mnist.sh first, or let MINICAFFE_MNIST_DIR name a folder "
        "with MNIST's four files",
        file=str(folder),
    )
