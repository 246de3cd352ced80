# %% [markdown]
# # Digits as points of the plane
#
# A siamese net sees two digits at a time, with the same weights, and puts each on a point of the plane. The contrastive
# loss knows one thing about a pair, whether both are the same digit: then it draws the points together, else it pushes
# them apart until they are 1 away. What a digit is called it never hears.
#
# As a script: `python examples/siamese/embed_digits.py`. It needs MNIST and the pairs
# (`./data/mnist/get_mnist.sh && ./examples/siamese/create_mnist_siamese.sh`).

# %%
import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from google.protobuf import text_format

import minicaffe as caffe
from minicaffe.proto import caffe_pb2
from minicaffe.tools.mnist_arrays import load_mnist

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
ROOT = HERE.parents[1]
parser = argparse.ArgumentParser(description="Train the siamese net for a short while, and look at what it does.")
parser.add_argument("--iterations", type=int, default=2000, help="how long to train (default: %(default)s)")
parser.add_argument(
    "--pairs", type=Path, default=HERE, help="folder with mnist_siamese_{train,test}_lmdb (default: %(default)s)"
)
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: 40 iterations, 1,000 test digits")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)
iterations, count = (40, 1000) if options.quick else (options.iterations, 10000)

caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_random_seed(1)
images, labels = load_mnist("test", ROOT / "data/mnist")
images, labels = images[:count, np.newaxis] / np.float32(256), labels[:count]  # (count, 1, 28, 28), as it is trained

# %% [markdown]
# ## The net and its pairs
#
# `mnist_siamese_train_test.prototxt` is read, and its two databases are named by their whole paths, so that this runs
# in any folder; the same with the solver's file. A file of Caffe's is a protobuf message, which a script may change.

# %%
net_param = text_format.Parse((HERE / "mnist_siamese_train_test.prototxt").read_text(), caffe_pb2.NetParameter())
for layer in net_param.layer:
    if layer.type == "Data":
        pairs = options.pairs / Path(layer.data_param.source).name
        if not pairs.is_dir():
            sys.exit(f"{pairs} is missing: run ./examples/siamese/create_mnist_siamese.sh first")
        layer.data_param.source = str(pairs)
net_file = options.out / "net.prototxt"
net_file.write_text(str(net_param))

solver_param = text_format.Parse((HERE / "mnist_siamese_solver.prototxt").read_text(), caffe_pb2.SolverParameter())
solver_param.net = str(net_file)
solver_param.snapshot_prefix = str(options.out / "siamese")
solver_param.max_iter = iterations
solver_param.ClearField("test_iter")  # this script looks by itself
solver_param.ClearField("test_interval")
solver_file = options.out / "solver.prototxt"
solver_file.write_text(str(solver_param))
solver = caffe.get_solver(str(solver_file))

# %% [markdown]
# A pair is one image of two channels, which a Slice layer parts. Both halves name the same parameters (`conv1_w`), so
# that there is one set of weights: writing into one half's changes the other's.

# %%
solver.net.forward()
pair_data, same = solver.net.blobs["pair_data"].data, solver.net.blobs["sim"].data
figure, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for column, pair, is_same in zip(axes.T, pair_data, same, strict=False):
    for axis, picture in zip(column, pair, strict=True):
        axis.imshow(picture, cmap="gray_r")
        axis.axis("off")
    column[0].set_title("same" if is_same else "different", fontsize=9)
figure.savefig(options.out / "pairs.png")
print("one blob:", np.shares_memory(solver.net.params["conv1"][0].data, solver.net.params["conv1_p"][0].data))

# %% [markdown]
# ## What the digits' points say
#
# `mnist_siamese.prototxt` is one half alone: digits in, points out. `share_with` gives it the weights of the net that
# is trained; `forward_all` takes all digits, a batch at a time. Three numbers tell how good the points are: the mean
# distance of two same and of two different digits, and how often the nearest other digit is the same one.

# %%
half = caffe.Net(str(HERE / "mnist_siamese.prototxt"), caffe.TEST)
half.share_with(solver.net)


def embed():
    return half.forward_all(data=images)["feat"]  # (count, 2)


def measure(points, names):
    """Mean distance of same digits, of different digits, and the part of digits whose nearest other is the same."""
    distance = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    np.fill_diagonal(distance, np.inf)  # nobody is his own neighbour
    nearest_is_same = names[distance.argmin(axis=1)] == names
    is_same = names[:, np.newaxis] == names
    others = np.isfinite(distance)
    return distance[is_same & others].mean(), distance[~is_same].mean(), nearest_is_same.mean()


def report(moment, points):
    within, between, nearest = measure(points[:1000], labels[:1000])
    print(f"{moment:8} same digit {within:.3f}  different digits {between:.3f}  nearest is the same {nearest:.3f}")


before = embed()
report("before", before)

# %% [markdown]
# ## Training

# %%
losses = np.zeros(iterations)
for i in range(iterations):
    solver.step(1)
    losses[i] = solver.net.blobs["loss"].data

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.semilogy(np.convolve(losses, np.ones(20) / 20, "valid"))
axis.set(xlabel="iteration", ylabel="loss, mean of 20 batches")
figure.savefig(options.out / "loss.png")

# %%
after = embed()
report("after", after)

# %% [markdown]
# Before training the digits lie in one heap. Afterwards each has its place, and where two places touch, digits mix.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
for axis, points, title in ((axes[0], before, "before training"), (axes[1], after, f"after {iterations} iterations")):
    for digit in range(10):
        x, y = points[labels == digit].T
        axis.plot(x, y, ".", markersize=2, color=f"C{digit}")
        axis.text(np.median(x), np.median(y), str(digit), fontsize=12, fontweight="bold")
    axis.set(title=title, aspect="equal")
figure.savefig(options.out / "points.png")
