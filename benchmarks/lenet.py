"""A LeNet training step on the CPU, batch 64, the whole loop with the LMDB Data layer.

    python benchmarks/lenet.py                 milliseconds a step, resident memory
    python benchmarks/lenet.py --vs torch      the same beside PyTorch in one run, and the ratio
    python benchmarks/lenet.py --profile       milliseconds per layer, forward and backward

PyTorch gets the same images from memory, ready as float tensors, and the same weights; before anything is
timed, the losses of both over the first steps are compared.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from side_by_side import HERE, Worker, compare, milliseconds, need, report, serve

ROOT = HERE.parent
TRAIN_DATABASE = ROOT / "examples/mnist/mnist_train_lmdb"
CHECKED_STEPS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vs", choices=["torch"], help="time this peer in the same run")
    parser.add_argument("--profile", action="store_true", help="print milliseconds per layer")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=50, help="steps a round")
    parser.add_argument("--worker", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(Path(options.worker))
        return 0
    if options.vs:
        need(options.vs, "torch==2.13.0")
    with tempfile.TemporaryDirectory() as folder:
        database(Path(folder))
        if options.profile:
            print_profile(Path(folder), options.rounds * options.steps)
        elif options.vs:
            side_by_side(folder, options)
        else:
            alone(folder, options)
    return 0


def alone(folder: str, options: argparse.Namespace) -> None:
    worker = Worker("lenet.py", "--worker", folder)
    worker.ask(do="run", steps=options.steps)
    rounds = [worker.ask(do="run", steps=options.steps) / options.steps for _ in range(options.rounds)]
    print(f"LeNet, batch 64: median {statistics.median(rounds):.2f} ms a step, min {min(rounds):.2f}")
    print(f"resident memory: {worker.ask(do='memory'):.0f} MB")
    worker.close()


def side_by_side(folder: str, options: argparse.Namespace) -> None:
    ours = Worker("lenet.py", "--worker", folder)
    ours.ask(do="weights")
    theirs = Worker("torch_lenet.py", folder)
    losses = [worker.ask(do="losses", steps=CHECKED_STEPS) for worker in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-3, err_msg="the two do not compute the same")
    print(f"losses of the first {CHECKED_STEPS} steps agree: {', '.join(f'{loss:.5f}' for loss in losses[0])}")
    our_times, their_times = compare(ours, theirs, options.rounds, options.steps)
    report("minicaffe", our_times, "torch", their_times)
    print(f"resident memory of minicaffe: {ours.ask(do='memory'):.0f} MB")
    ours.close()
    theirs.close()


# --- the worker ---------------------------------------------------------------------------------


def work(folder: Path) -> None:
    solver = make_solver(folder)

    def losses(steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            solver.step(1)
            found.append(float(solver.net.blobs["loss"].data))
        return found

    def weights() -> None:
        blobs = {f"{layer}.{i}": b.data for layer, bs in solver.net.params.items() for i, b in enumerate(bs)}
        np.savez(folder / "weights.npz", **blobs)

    serve(
        run=lambda steps: milliseconds(lambda: solver.step(steps)),
        losses=losses,
        weights=weights,
        memory=lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def make_solver(folder: Path):
    from minicaffe import Solver, log

    log.set_level(log.WARNING)
    net = (ROOT / "examples/mnist/lenet_train_test.prototxt").read_text()
    (folder / "net.prototxt").write_text(net.replace("examples/mnist/mnist_train_lmdb", str(database(folder))))
    settings = 'base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "inv" gamma: 0.0001 power: 0.75'
    (folder / "solver.prototxt").write_text(
        f'net: "{folder}/net.prototxt" {settings} max_iter: 10000 random_seed: 1 snapshot_after_train: false'
    )
    return Solver(str(folder / "solver.prototxt"))


def database(folder: Path) -> Path:
    """The tutorial's database if it has been made, else one of generated digits."""
    if TRAIN_DATABASE.is_dir():
        return TRAIN_DATABASE
    made = folder / "mnist_train_lmdb"
    if not made.is_dir():
        from minicaffe.io.database import create_database
        from minicaffe.tools.convert_mnist_data import records
        from minicaffe.tools.digits import draw

        print("examples/mnist/mnist_train_lmdb is not there: using generated digits", file=sys.stderr)
        images, labels = draw(6400, 1, "benchmark")
        with create_database(made, "lmdb") as writer:
            for key, value in records(images, labels):
                writer.put(key, value)
    return made


def print_profile(folder: Path, steps: int) -> None:
    """Medians over the steps of each layer's forward and backward."""
    solver = make_solver(folder)
    net, times, begun = solver.net, {}, [0.0]

    def begin(_: int) -> None:
        begun[0] = time.perf_counter()

    def end(direction: str):
        def note(i: int) -> None:
            times.setdefault((net.layer_names[i], direction), []).append(1e3 * (time.perf_counter() - begun[0]))

        return note

    solver.step(10)
    net.before_forward(begin)
    net.after_forward(end("forward"))
    net.before_backward(begin)
    net.after_backward(end("backward"))
    step = statistics.median(milliseconds(lambda: solver.step(1)) for _ in range(steps))
    print(f"{'layer':10s} {'forward':>10s} {'backward':>10s}   ms, medians of {steps} steps")
    total = 0.0
    for name in net.layer_names:
        forward, backward = (statistics.median(times[name, way]) for way in ("forward", "backward"))
        total += forward + backward
        print(f"{name:10s} {forward:10.3f} {backward:10.3f}")
    print(f"{'update, driver':21s} {step - total:10.3f}")
    print(f"{'whole step':21s} {step:10.3f}")


if __name__ == "__main__":
    sys.exit(main())
