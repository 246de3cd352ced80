"""Every layer type that computes, forward and backward, at a training size on the CPU.

    python benchmarks/layers.py                       milliseconds, bytes a second, and both against a copy
    python benchmarks/layers.py --vs torch            the same beside PyTorch in one run, and the ratio
    python benchmarks/layers.py --vs torch Pooling    only the cases whose name holds a word

Bytes moved: what a pass must read and write at least (forward bottoms and tops, backward the tops' gradient, the
bottoms and their gradients), each once; "copy" is the time they take against a plain copy of as many bytes. Before
anything is timed, results and gradients of both are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from layer_cases import CASES, Case, top_gradient, values
from side_by_side import Worker, milliseconds, need, serve, usual

# What is random, or rounded otherwise, or laid out otherwise: compared by its own tests.
NOT_COMPARED = {"Dropout", "LSTMUnit", "Slice"}
# Where the peer's definition differs in the gradient (ties, masks), or it keeps none.
LIMITS = {
    "Pooling": 2.5,
    "LRN": 2.5,
    "BatchNorm": 2.5,
    "Scale": 2.5,
    "Softmax": 2.5,
    "ReLU": 2,
    "Eltwise": 2,
    "Concat": 2,
}
USUAL_LIMIT = 4
# Seconds in which the other one's threads stop looking for work.
PAUSE = 0.3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only cases whose name holds one of these")
    parser.add_argument("--vs", choices=["torch"], help="time this peer in the same run")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--worker", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(Path(options.worker))
        return 0
    if options.vs:
        need(options.vs, "torch==2.13.0")
    names = [name for name in CASES if not options.words or any(word in name for word in options.words)]
    with tempfile.TemporaryDirectory() as folder:
        ours = Worker("layers.py", "--worker", folder)
        theirs = Worker("torch_layers.py", folder) if options.vs else None
        print(f"{'':32s}{'forward':^33s} {'backward':^33s}")
        cells = f"{'ms':>9s}{'GB/s':>8s}{'copy':>8s}{'torch':>8s}"
        print(f"{'case':32s}{cells} {cells}")
        slow = [line for name in names for line in timed(name, ours, theirs, Path(folder), options.rounds)]
        for worker in filter(None, (ours, theirs)):
            worker.close()
    for line in slow:
        print(line)
    return 1 if slow else 0


def timed(name: str, ours: Worker, theirs: Worker | None, folder: Path, rounds: int) -> list[str]:
    """Print a case's line; returns what is slower than its limit."""
    peer = theirs if CASES[name].peer else None
    about = ours.ask(do="start", name=name)
    if peer:
        peer.ask(do="start", name=name)
        if name not in NOT_COMPARED:
            check(name, ours, peer, folder)
    cells, slow = [], []
    for way, moved in about.items():
        if not moved:
            cells.append(f"{'':33s}")
            continue
        steps = max(3, int(100 / ours.ask(do="run", name=name, way=way, steps=3)))
        their_steps = max(3, int(100 / peer.ask(do="run", name=name, way=way, steps=3))) if peer else 1
        times, copies, ratios = [], [], []
        for _ in range(rounds):
            time.sleep(PAUSE)
            times.append(ours.ask(do="run", name=name, way=way, steps=steps))
            copies.append(ours.ask(do="copy", moved=moved))
            if peer:
                time.sleep(PAUSE)
                ratios.append(times[-1] / peer.ask(do="run", name=name, way=way, steps=their_steps))
        ms, ratio = statistics.median(times), statistics.median(ratios) if ratios else None
        beside = f"{ratio:8.2f}" if ratio is not None else f"{'':8s}"
        cells.append(f"{ms:9.3f}{moved / ms / 1e6:8.1f}{ms / statistics.median(copies):8.2f}{beside}")
        limit = LIMITS.get(CASES[name].type, USUAL_LIMIT)
        if ratio is not None and ratio > limit:
            slow.append(f"{name}, {way}: {ratio:.2f} x PyTorch, above the limit of {limit}")
    print(f"{name:32s}{' '.join(cells)}", flush=True)
    return slow


def check(name: str, ours: Worker, theirs: Worker, folder: Path) -> None:
    """Both compute the same."""
    ours.ask(do="result", name=name)
    theirs.ask(do="result", name=name)
    found, expected = (np.load(folder / f"{who}.npz") for who in ("ours", "theirs"))
    for key in expected.files:
        a, b = found[key].ravel(), expected[key].ravel()
        scale = np.abs(b).max(initial=0)
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3 * scale, err_msg=f"{name}: {key} is not PyTorch's")


# --- the worker ---------------------------------------------------------------------------------


class Ours:
    """One case in a net of its own: inputs and the layer."""

    def __init__(self, case: Case, folder: Path) -> None:
        from minicaffe import TRAIN, Net

        self.case, self.arrays = case, values(case)
        lines = []
        for i, array in enumerate(self.arrays):
            dims = " ".join(f"dim: {size}" for size in array.shape)
            lines.append(f'layer {{ name: "in{i}" type: "Input" top: "x{i}" input_param {{ shape {{ {dims} }} }} }}')
        bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(self.arrays)))
        tops = " ".join(f'top: "y{i}"' for i in range(case.tops))
        lines.append(f'layer {{ name: "it" type: "{case.type}" {bottoms} {tops} {case.settings} }}')
        (folder / "net.prototxt").write_text("\n".join(lines))
        self.net = Net(str(folder / "net.prototxt"), TRAIN)
        for i, array in enumerate(self.arrays):
            self.net.blobs[f"x{i}"].data[...] = array
        self.net.forward()
        for i in range(case.tops):
            top = self.net.blobs[f"y{i}"]
            top.diff[...] = top_gradient(top.shape)
        graph = self.net.graph
        self.layer = graph.layers[-1]
        self.bottom, self.top = (graph.blobs_of(ids[-1]) for ids in (graph.bottom_ids, graph.top_ids))
        self.flags = [i in case.backward for i in range(len(self.arrays))]

    def forward(self) -> None:
        self.layer.run_forward(self.bottom, self.top)

    def backward(self) -> None:
        self.layer.run_backward(self.top, self.flags, self.bottom)

    def moved(self) -> dict[str, int]:
        """Bytes that each pass must move at least."""
        size = {"x": sum(array.nbytes for array in self.arrays)}
        size["y"] = sum(self.net.blobs[f"y{i}"].data.nbytes for i in range(self.case.tops))
        gradients = sum(self.arrays[i].nbytes for i in self.case.backward)
        learns = bool(self.net.params)
        backward = size["y"] + size["x"] + gradients if gradients or learns else 0
        return {"forward": size["x"] + size["y"], "backward": backward}


def work(folder: Path) -> None:
    from minicaffe import log

    log.set_level(log.WARNING)
    cases: dict[str, Ours] = {}
    memory = np.ones((2, 1 << 26), np.uint8)

    def start(name: str) -> dict[str, int]:
        cases.clear()
        cases[name] = Ours(CASES[name], folder)
        blobs = [blob.data for blobs in cases[name].net.params.values() for blob in blobs]
        np.savez(folder / "blobs.npz", *blobs)
        return cases[name].moved()

    def result(name: str) -> None:
        ours = cases[name]
        with ours.net.backend.at_work():
            ours.forward()
            if ours.moved()["backward"]:
                ours.backward()
        found = {"top": ours.net.blobs["y0"].data}
        if ours.moved()["backward"]:
            found |= {f"dx{i}": ours.net.blobs[f"x{i}"].diff for i in ours.case.backward}
        np.savez(folder / "ours.npz", **found)

    def run(name: str, way: str, steps: int) -> float:
        call = getattr(cases[name], way)
        # As a net does it, once for all its layers.
        with cases[name].net.backend.at_work():
            return usual(call, steps)

    def copy(moved: int) -> float:
        """Half of the bytes are read, half written."""
        half, times = max(1, moved // 2), 0.0
        for first in range(0, half, memory.shape[1]):
            part = slice(0, min(half - first, memory.shape[1]))
            times += milliseconds(lambda part=part: np.copyto(memory[1, part], memory[0, part]))
        return times

    serve(start=start, result=result, run=run, copy=copy)


if __name__ == "__main__":
    sys.exit(main())
