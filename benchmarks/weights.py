"""Loading and saving 244 MB of weights, the shapes of CaffeNet, binary and in HDF5, from and into the page cache.

    python benchmarks/weights.py                 GB/s, and the memory that it takes beyond the net's own
    python benchmarks/weights.py --folder PATH   on the disk of that folder

A save ends when the file is on the disk (fsync); a hashed one, as in a snapshot, when its SHA-256 is known too. What
the system takes for each of these parts alone is printed beside them, as are plain reads of the file. What was saved is
read back and compared before anything is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Worker, serve

# name, inputs as (C, H, W), outputs, kernel (0: InnerProduct), group
LAYERS = [
    ("conv1", (3, 11, 11), 96, 11, 1),
    ("conv2", (96, 5, 5), 256, 5, 2),
    ("conv3", (256, 3, 3), 384, 3, 1),
    ("conv4", (384, 3, 3), 384, 3, 2),
    ("conv5", (384, 3, 3), 256, 3, 2),
    ("fc6", (256, 6, 6), 4096, 0, 1),
    ("fc7", (4096, 1, 1), 4096, 0, 1),
    ("fc8", (4096, 1, 1), 1000, 0, 1),
]
FORMATS = {"binary": ("w.caffemodel", "save", "copy_from"), "HDF5": ("w.caffemodel.h5", "save_hdf5", "load_hdf5")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", help="where to save; by default a temporary folder")
    parser.add_argument("--worker", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(Path(options.worker))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        worker = Worker("weights.py", "--worker", folder)
        sizes = worker.ask(do="check")
        print(f"weights read back are those that were saved; {sizes['binary'] / 1e6:.0f} MB, {options.rounds} rounds")
        measure(worker, sizes, options.rounds)
        worker.close()
        for form in FORMATS:
            # A process each: what one run left behind could serve the next.
            worker = Worker("weights.py", "--worker", folder)
            for direction in ("load", "save"):
                extra = worker.ask(do="memory", form=form, direction=direction) / sizes[form]
                print(f"memory of {direction} {form:6s} beyond the net's own: {extra:.2f} x the file")
            worker.close()
    return 0


def measure(worker: Worker, sizes: dict[str, int], rounds: int) -> None:
    """All parts in turn, round by round, so that a machine whose speed drifts drifts for all."""
    parts = [(name, form) for form in FORMATS for name in ("load", "save", "hashed save")]
    parts += [(name, "binary") for name in ("read", "hash", "write", "write and fsync")]
    times: dict[tuple[str, str], list[tuple[float, float]]] = {part: [] for part in parts}
    for _ in range(rounds):
        for name, form in parts:
            times[name, form].append(worker.ask(do="run", name=name, form=form))
    print(f"{'':22s} {'median':>9s}             {'best':>9s}   processor time, of all threads")
    for (name, form), pairs in times.items():
        seconds, processor = zip(*pairs, strict=True)
        middle, best = (sizes[form] / 1e9 / take(seconds) for take in (statistics.median, min))
        label = f"{name} {form}" if "load" in name or "save" in name else f"{name} alone"
        text = f"{1e3 * statistics.median(seconds):6.0f} ms  {middle:5.2f} GB/s  {best:5.2f} GB/s"
        print(f"{label:22s} {text}   {1e3 * statistics.median(processor):4.0f} ms")


# --- the worker ---------------------------------------------------------------------------------


def work(folder: Path) -> None:
    net, values = make_net(), np.random.default_rng(1).standard_normal(60_965_224, np.float32)
    fill(net, values)
    other = make_net()

    def check() -> dict[str, int]:
        sizes = {}
        for form, (name, _, load) in FORMATS.items():
            fill(other, 0)
            written = hashed_save(form)(net, folder / name)
            getattr(other, load)(folder / name)
            for mine, its in zip(net.learnable_params, other.learnable_params, strict=True):
                np.testing.assert_array_equal(mine.data, its.data)
            data = (folder / name).read_bytes()
            assert (written.size, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            sizes[form] = len(data)
        return sizes

    def call(name: str, form: str) -> Callable[[], object]:
        file, save, load = FORMATS[form]
        path = folder / file
        calls: dict[str, Callable[[], object]] = {
            "load": lambda: getattr(other, load)(path),
            "save": lambda: getattr(net, save)(folder / "saved"),
            "hashed save": lambda: hashed_save(form)(net, folder / "saved"),
            "read": lambda: read(path),
            "hash": lambda: hashlib.sha256(values.data.cast("B")),
            "write": lambda: write(folder / "plain", values, False),
            "write and fsync": lambda: write(folder / "plain", values, True),
        }
        return calls[name]

    def run(name: str, form: str) -> tuple[float, float]:
        action = call(name, form)
        begun, worked = time.perf_counter(), time.process_time()
        action()
        seconds = time.perf_counter() - begun, time.process_time() - worked
        # What a write left to do is not the next one's, nor is it to remove an older file.
        for left in ("saved", "plain"):
            (folder / left).unlink(missing_ok=True)
        os.sync()
        return seconds

    serve(check=check, run=run, memory=lambda form, direction: peak(call(direction, form)))


def hashed_save(form: str) -> Callable[..., Any]:
    from minicaffe.net import weights, weights_hdf5

    return weights.save if form == "binary" else weights_hdf5.save_hdf5


def make_net():
    from minicaffe import TEST, Net, log

    log.set_level(log.WARNING)
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write("".join(layer(*row) for row in LAYERS))
        file.flush()
        return Net(file.name, TEST)


def layer(name: str, shape: tuple[int, int, int], outputs: int, kernel: int, group: int) -> str:
    """A layer of these weights with an input of its own, as small as they allow: nothing is computed here."""
    dims = " ".join(f"dim: {size}" for size in (1, *shape))
    settings = f"inner_product_param {{ num_output: {outputs} }}"
    if kernel:
        settings = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} group: {group} }}"
    return (
        f'layer {{ name: "in_{name}" type: "Input" top: "in_{name}" input_param {{ shape {{ {dims} }} }} }}\n'
        f'layer {{ name: "{name}" type: "{"Convolution" if kernel else "InnerProduct"}" '
        f'bottom: "in_{name}" top: "{name}" {settings} }}\n'
    )


def fill(net, values) -> None:
    """The same values into the blobs of each such net; 0 into all, to touch their memory."""
    at = 0
    for blob in net.learnable_params:
        blob.data[...] = values if np.isscalar(values) else values[at : at + blob.count].reshape(blob.shape)
        at += blob.count


def read(path: Path) -> None:
    array = np.empty(path.stat().st_size, np.uint8)
    with open(path, "rb", buffering=0) as file:
        file.readinto(array.data)


def write(path: Path, values: np.ndarray, flush: bool) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(values.data)
        if flush:
            os.fsync(file.fileno())


def peak(action: Callable[[], object]) -> float:
    """Bytes of memory that a call takes at its highest, beyond what was in use before. Linux only."""
    # 5: forget the highest mark.
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    action()
    return status("VmHWM") - before


def status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


if __name__ == "__main__":
    sys.exit(main())
