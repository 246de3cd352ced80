"""Runs that are stopped and resumed: small nets on every source of data, and all that one run shows of itself."""

import re

import numpy as np
from data_kit import picture, write_database
from hdf5_kit import write_file, write_list
from solver_kit import messages

from minicaffe import log, set_random_seed
from minicaffe.io.datum import make_datum
from minicaffe.solver import Solver
from minicaffe.solver.display import Progress

ITEMS, BATCH, LAST = 20, 3, 40
SOURCES = ("LMDB", "LevelDB", "HDF5", "ImageData")
FORMATS = ("BINARYPROTO", "HDF5")
SETTINGS = {
    "SGD": "base_lr: 0.1 momentum: 0.9",
    "Nesterov": "base_lr: 0.1 momentum: 0.9",
    "AdaGrad": "base_lr: 0.1",
    "RMSProp": "base_lr: 0.01 rms_decay: 0.9",
    "AdaDelta": "base_lr: 1 momentum: 0.9 delta: 1e-6",
    "Adam": "base_lr: 0.01 momentum: 0.9",
}
COMMON = """
weight_decay: 0.01 lr_policy: "multistep" gamma: 0.7 stepvalue: 5 stepvalue: 15 stepvalue: 30
iter_size: 2 average_loss: 5 display: 1 test_interval: 7 test_iter: 2 test_iter: 1
"""
TRANSFORM = "transform_param { crop_size: 5 mirror: true scale: 0.01 }"
BODY = """
layer { name: "hidden" type: "InnerProduct" bottom: "data" top: "hidden"
        inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "hidden" top: "hidden" }
layer { name: "scores" type: "InnerProduct" bottom: "hidden" top: "scores"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } }
"""


def write_sources(folder):
    """The same labelled images in every form; {source: prototxt of its data layer}."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (ITEMS, 3, 6, 7)).astype(np.uint8)
    labels = rng.integers(0, 3, ITEMS)
    records = [make_datum(image, int(label)) for image, label in zip(images, labels, strict=True)]
    databases = {
        source: f'type: "Data" data_param {{ {write_database(folder / kind, records, kind)} batch_size: {BATCH} }}'
        for source, kind in (("LMDB", "lmdb"), ("LevelDB", "leveldb"))
    }
    cuts = np.split(np.arange(ITEMS), [5, 12])
    files = [
        write_file(folder / f"{i}.h5", data=images[c].astype(np.float32) / 255, label=labels[c])
        for i, c in enumerate(cuts)
    ]
    rows = f'type: "HDF5Data" hdf5_data_param {{ source: "{write_list(folder, *files)}" batch_size: {BATCH}'
    for i, image in enumerate(images):
        picture(image).save(folder / f"{i}.png")
    (folder / "images.txt").write_text("".join(f"{folder}/{i}.png {label}\n" for i, label in enumerate(labels)))
    listed = f'type: "ImageData" image_data_param {{ source: "{folder}/images.txt" batch_size: {BATCH} shuffle: true }}'
    layers = {**databases, "HDF5": f"{rows} shuffle: true }}", "ImageData": listed}
    return {
        source: f'layer {{ name: "data" top: "data" top: "label" {text} {"" if source == "HDF5" else TRANSFORM} }}'
        for source, text in layers.items()
    }


def write_run(
    folder, data, kind="SGD", snapshot_format="BINARYPROTO", body=BODY, settings="snapshot_after_train: false"
):
    """A solver file for such a net; its path."""
    (folder / "net.prototxt").write_text(data + body)
    path = folder / "solver.prototxt"
    prefix = f'net: "{folder}/net.prototxt" snapshot_prefix: "{folder}/s" snapshot_format: {snapshot_format}'
    path.write_text(f'{prefix} type: "{kind}" {SETTINGS[kind]} max_iter: {LAST} {COMMON} {settings}')
    return path


class Run:
    """A solver of its own seed, which no other run has.

    seeds are drawn from the system unless a test sets one: a run that is resumed must not need the same.
    """

    seeds = 0

    def __init__(self, path, capsys, **options):
        Run.seeds += 1
        set_random_seed(Run.seeds)
        self.solver, self._capsys = Solver(path, **options), capsys
        self.solver.progress = Marks()
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.solver.close()

    def solve(self):
        """Run to the end, or to a stop; what was logged is in `lines`."""
        messages(self._capsys)
        Marks().advanced(self.solver.iter)
        self.solver.solve()
        self.lines = messages(self._capsys)

    def lines_after(self, iteration):
        """What was logged from the end of an update on, without what is a matter of time or of starting."""
        first = self.lines.index(f"mark {iteration}")
        passing = re.compile("mark |Solving |Learning Rate Policy|Waiting for data|Snapshotting ")
        kept = [line for line in self.lines[first:] if not passing.match(line)]
        return [re.sub(r" \(.* iter/s, .* iters\)", "", line) for line in kept]

    def values(self):
        """Everything that a run has become: parameters, history, place in the data, seeds and window."""
        solver = self.solver
        blobs = [np.array(blob.data) for blobs in solver.net.params.values() for blob in blobs]
        states = [net.state() for net in (solver.net, *solver.test_nets)]
        return [*blobs, *map(np.array, solver._updater.history)], [states, solver._window.state(), solver.iter]


class Marks(Progress):
    """Marks in the log after which update a line was written."""

    def advanced(self, iteration):
        log.info(f"mark {iteration}")


def assert_same_end(run, straight, iteration):
    """The run that was resumed at `iteration` ended as the straight one, bit for bit, and logged the same."""
    assert run.lines_after(iteration) == straight.lines_after(iteration)
    assert len(run.lines_after(iteration)) > 2 * (LAST - iteration)
    arrays, numbers = run.values()
    expected, others = straight.values()
    for found, wanted in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert numbers == others
