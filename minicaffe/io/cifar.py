"""CIFAR-10's binary files: records one behind the other, each a label byte and 3072 bytes of pixels.

    label, 0 to 9    32 x 32 bytes of red, row by row    32 x 32 of green    32 x 32 of blue

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import os

import numpy as np

from minicaffe.errors import FormatError
from minicaffe.io.decode import opened, path_text

TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
RECORDS = 10000  # of each file
CLASSES = 10
SHAPE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32


def read_batch(path: str | os.PathLike[str], count: int = RECORDS) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a file of `count` records: uint8 of shape (count, 3, 32, 32), RGB, and (count,).

    Raises FileError where the file cannot be read, FormatError where it holds something else.
    """
    wanted = count * _RECORD_BYTES
    with opened(path) as stream:
        # Asked one byte too many, so that bytes behind the last record are seen.
        data = stream.read(wanted + 1)
    if len(data) != wanted:
        found = f"is cut short: it has {len(data)} bytes" if len(data) < wanted else f"has more than {wanted} bytes"
        text = f"{found}, {count} records of CIFAR-10 take {wanted}; unpack cifar-10-binary.tar.gz again"
        raise FormatError(text, file=path_text(path))
    records = np.frombuffer(data, np.uint8).reshape(count, _RECORD_BYTES)
    labels = records[:, 0]
    if labels.max(initial=0) >= CLASSES:
        index = int(np.argmax(labels >= CLASSES))
        text = f"record {index} has the label {labels[index]}, must be 0 to {CLASSES - 1}; give CIFAR-10's binary files"
        raise FormatError(text, file=path_text(path))
    return records[:, 1:].reshape(count, *SHAPE), labels
