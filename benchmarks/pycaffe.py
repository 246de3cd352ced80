"""What a pycaffe script waits for, against the bars that minicaffe sets itself.

    python benchmarks/pycaffe.py                 medians, and their ratio to the bar

net.forward() of LeNet on one image: 1.0 ms. caffe.Net() of GoogLeNet's deploy.prototxt: 0.5 s. `import minicaffe`:
0.15 s more than `import numpy`, in processes of their own, the two in turn. Checked before it is timed: LeNet's
probabilities against their own arithmetic in NumPy, GoogLeNet's blobs, and that an import loads nothing heavy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import HERE, Worker, milliseconds, serve

EXAMPLES = HERE.parent / "examples"
# milliseconds
FORWARD_BAR, BUILD_BAR, IMPORT_BAR = 1.0, 500.0, 150.0
HEAVY = ("PIL", "h5py", "scipy", "matplotlib", "tqdm", "cupy", "skimage", "pandas")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--worker", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(Path(options.worker))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker("pycaffe.py", "--worker", folder)
        print(f"checked: {worker.ask(do='check')}")
        forward = statistics.median(worker.ask(do="forward", steps=200) for _ in range(options.rounds))
        build = statistics.median(worker.ask(do="build") for _ in range(options.rounds))
        worker.close()
        import_of("minicaffe", folder)  # writes the compiled files, as an installation does
        imports = [(import_of("numpy", folder), import_of("minicaffe", folder)) for _ in range(options.rounds)]
    beyond = statistics.median(ours - numpys for numpys, ours in imports)
    show("net.forward(), LeNet, batch 1", forward, FORWARD_BAR)
    show("caffe.Net(), GoogLeNet", build, BUILD_BAR)
    show("import minicaffe, beyond numpy's", beyond, IMPORT_BAR)
    return 0


def show(what: str, found: float, bar: float) -> None:
    print(f"{what:34} {found:8.3f} ms   bar {bar:6.1f} ms   ratio {found / bar:.2f}")


def import_of(module: str, cache: str) -> float:
    """Milliseconds that the import takes in a new process, whose start does not count; cache: of compiled files."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    environment = dict(os.environ, PYTHONPATH=str(HERE.parent), PYTHONPYCACHEPREFIX=cache)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return 1e3 * float(subprocess.check_output([sys.executable, "-c", code], env=environment))


def work(folder: Path) -> None:
    """The process that is measured."""
    import minicaffe as caffe

    loaded = [name for name in HEAVY if name in sys.modules]
    caffe.init_log(3)
    lenet = make_lenet(folder)

    def forward(steps: int) -> float:
        return statistics.median(milliseconds(lenet.forward) for _ in range(steps))

    def build() -> float:
        start = time.perf_counter()
        net = caffe.Net(str(EXAMPLES / "models/googlenet/deploy.prototxt"), caffe.TEST)
        took = 1e3 * (time.perf_counter() - start)
        assert net.blobs["prob"].shape == (10, 1000)
        return took

    def check() -> str:
        assert not loaded, f"import minicaffe loads {', '.join(loaded)}"
        prob = lenet.forward()["prob"]
        assert np.allclose(prob, probabilities(lenet), rtol=1e-4, atol=1e-6), "LeNet's probabilities are wrong"
        build()
        return "probabilities, shapes, a light import"

    serve(check=check, forward=forward, build=build)


def make_lenet(folder: Path) -> Any:
    """examples/mnist/lenet.prototxt for one image, with a random image in it."""
    import minicaffe as caffe

    text = (EXAMPLES / "mnist/lenet.prototxt").read_text()
    assert text.count("dim: 64 ") == 1
    (folder / "lenet.prototxt").write_text(text.replace("dim: 64 ", "dim: 1 "))
    net = caffe.Net(str(folder / "lenet.prototxt"), caffe.TEST)
    net.blobs["data"].data[...] = np.random.default_rng(1).uniform(size=(1, 1, 28, 28))
    return net


def probabilities(net: Any) -> np.ndarray:
    """LeNet's output from its weights and its input, written out."""
    weights = {name: [blob.data for blob in blobs] for name, blobs in net.params.items()}
    x = net.blobs["data"].data[0]
    for name in ("conv1", "conv2"):
        w, b = weights[name]
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))
        y = np.einsum("chwij,kcij->khw", windows, w) + b[:, None, None]
        x = y.reshape(len(y), y.shape[1] // 2, 2, y.shape[2] // 2, 2).max(axis=(2, 4))
    for name in ("ip1", "ip2"):
        w, b = weights[name]
        x = w @ x.ravel() + b
        x = np.maximum(x, 0) if name == "ip1" else np.exp(x - x.max())
    return x / x.sum()


if __name__ == "__main__":
    sys.exit(main())
