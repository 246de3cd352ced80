"""Make this example's samples: two classes that no straight line parts, as HDF5 files.

    python examples/hdf5_classification/make_data.py [FOLDER]

FOLDER, by default examples/hdf5_classification/data, then holds train_1.h5, train_2.h5 and test.h5, and the lists of
them that HDF5Data layers read, train.txt and test.txt.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

FOLDER = "examples/hdf5_classification/data"
TRAIN, TEST = 7500, 2500  # samples
FEATURES = 4  # of which the first two tell something, and the others are noise
# Each class lies in two heaps, around these points of the plane; (class, heap, coordinate).
CENTRES = np.array([[[-1.5, -0.5], [1.2, 1.0]], [[0.0, 0.2], [1.0, -1.2]]])
SPREAD = 0.6  # standard deviation of a heap


def draw(count, rng):
    """Features (count, 4) and labels (count,), 0 or 1."""
    label, heap = rng.integers(2, size=(2, count))
    data = rng.normal(size=(count, FEATURES))
    data[:, :2] = CENTRES[label, heap] + SPREAD * data[:, :2]
    return data, label


def best_guess(data):
    """The likelier class of each sample, by one who knows how they were drawn: no net can do better."""
    away = ((data[:, None, None, :2] - CENTRES) ** 2).sum(axis=-1)  # (samples, classes, heaps)
    return np.exp(-away / (2 * SPREAD**2)).sum(axis=-1).argmax(axis=1)


def write(path, data, label):
    """A dataset for each top of the layer, under the top's name; compressed, which the layer need not know."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=data.astype(np.float32), compression="gzip")
        file.create_dataset("label", data=label.astype(np.float32), compression="gzip")


def make(folder, seed=0):
    """Write all files into `folder`, which is made if need be. Returns what the best guess reaches on the test set."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data, label = draw(TRAIN + TEST, np.random.default_rng(seed))
    half = TRAIN // 2
    parts = {"train_1": slice(half), "train_2": slice(half, TRAIN), "test": slice(TRAIN, None)}
    for name, part in parts.items():
        write(folder / f"{name}.h5", data[part], label[part])
    for phase in ("train", "test"):
        names = [f"{folder / name}.h5" for name in parts if name.startswith(phase)]
        (folder / f"{phase}.txt").write_text("\n".join(names) + "\n")
    return np.mean(best_guess(data[TRAIN:]) == label[TRAIN:])


if __name__ == "__main__":
    best = make(*sys.argv[1:] or [FOLDER])
    print(f"best possible accuracy on the test set: {best:.3f}")
