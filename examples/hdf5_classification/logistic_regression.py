# %% [markdown]
# # Logistic regression, by hand and with Caffe
#
# Ten thousand samples of two classes lie in HDF5 files. Logistic regression finds the straight line that parts them
# best; here NumPy computes it, and a net with one layer learns it: both end with the same weights. But each class lies
# in two heaps, and no straight line can part them. A net with a hidden layer finds lines that bend.
#
# As a script: `python examples/hdf5_classification/logistic_regression.py`. It makes its own data.

# %%
import argparse
import sys
from pathlib import Path

import h5py
import make_data
import matplotlib.pyplot as plt
import numpy as np

import minicaffe as caffe
from minicaffe import layers as L
from minicaffe.proto import caffe_pb2

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
parser = argparse.ArgumentParser(description="Logistic regression with NumPy and with Caffe, and a hidden layer.")
parser.add_argument("--iterations", type=int, default=4000, help="how long to train (default: %(default)s)")
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: 800 iterations")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)
iterations = 800 if options.quick else options.iterations

caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_random_seed(1)

# %% [markdown]
# ## The data
#
# `make_data.py` draws the samples, so one can tell what the best possible answer is. Of the four features the last two
# are noise.


# %%
def read(*names):
    """Features (count, 4) and labels (count,) of HDF5 files."""
    parts = []
    for name in names:
        with h5py.File(data / f"{name}.h5") as file:
            parts.append((file["data"][:], file["label"][:]))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


data = options.out / "data"
best_possible = make_data.make(data)
x, y = read("train_1", "train_2")
test_x, test_y = read("test")

figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
for label in (0, 1):
    axis.plot(*x[y == label][:1000, :2].T, ".", markersize=3, label=f"class {label}")
axis.set(xlabel="feature 0", ylabel="feature 1", aspect="equal")
axis.legend()
figure.savefig(options.out / "data.png")

# %% [markdown]
# ## By hand
#
# The probability of class 1 is p = 1 / (1 + exp(-w x)), with a feature that is always 1 for the bias. Newton's method
# finds the w of the highest likelihood: gradient X^T (p - y), Hessian X^T diag(p (1 - p)) X.


# %%
def with_one(x):
    return np.column_stack([x, np.ones(len(x))])


X = with_one(x)
w = np.zeros(X.shape[1])
for step in range(8):
    p = 1 / (1 + np.exp(-X @ w))
    change = np.linalg.solve((X.T * (p * (1 - p))) @ X, X.T @ (p - y))
    w -= change
    print(f"step {step}: w changes by {np.abs(change).max():.1e}")
accuracy = {"by hand": np.mean((with_one(test_x) @ w > 0) == test_y)}

# %% [markdown]
# ## With Caffe
#
# An HDF5Data layer finds its tops by name in the files that a list names. One InnerProduct layer with two outputs and
# SoftmaxWithLoss make logistic regression: the probability of class 1 depends on the difference of the two outputs.


# %%
def linear(net, x):
    net.score = L.InnerProduct(x, num_output=2, weight_filler={"type": "xavier"})


def hidden(net, x):
    net.ip1 = L.InnerProduct(x, num_output=40, weight_filler={"type": "xavier"})
    net.relu1 = L.ReLU(net.ip1, in_place=True)
    net.score = L.InnerProduct(net.relu1, num_output=2, weight_filler={"type": "xavier"})


def from_files(body, part, batch_size):
    """The net with data and loss, to train (part "train") and to test."""
    net = caffe.NetSpec()
    net.data, net.label = L.HDF5Data(source=str(data / f"{part}.txt"), batch_size=batch_size, ntop=2)
    body(net, net.data)
    net.accuracy = L.Accuracy(net.score, net.label)
    net.loss = L.SoftmaxWithLoss(net.score, net.label)
    return net.to_proto()


def write(name, message):
    """A net or solver as a file; returns its name."""
    (options.out / name).write_text(str(message))
    return str(options.out / name)


def train(name, body):
    """A solver that has trained the net."""
    param = caffe_pb2.SolverParameter(
        train_net=write(f"{body.__name__}_train.prototxt", from_files(body, "train", 50)),
        test_net=[write(f"{body.__name__}_test.prototxt", from_files(body, "test", 250))],
        test_iter=[10],  # of 250: all test samples
        test_interval=10**6,  # this script tests by itself
        type="SGD",
        base_lr=0.1,
        momentum=0.9,
        lr_policy="step",
        gamma=0.1,
        stepsize=iterations // 3 + 1,
    )
    solver = caffe.get_solver(write(f"{body.__name__}_solver.prototxt", param))
    solver.step(iterations)
    # What forward gives are views, which the next pass overwrites: float() makes a number of its own.
    accuracy[name] = np.mean([float(solver.test_nets[0].forward()["accuracy"]) for _ in range(10)])
    return solver


print(from_files(linear, "train", 50))
line = train("one layer", linear)

# %% [markdown]
# The same line? The difference of the two rows of weights is what w is above.

# %%
weights, bias = (blob.data for blob in line.net.params["score"])
learned = np.append(weights[1] - weights[0], bias[1] - bias[0])
print("          feature 0       1       2       3    bias")
for name, numbers in (("by hand", w), ("Caffe", learned)):
    print(f"{name:11}", " ".join(f"{number:7.3f}" for number in numbers))

# %% [markdown]
# ## With a hidden layer
#
# Forty lines instead of one, which the second layer puts together.

# %%
bend = train("hidden layer", hidden)
accuracy["best possible"] = best_possible
for name, part in accuracy.items():
    print(f"{name:13} {part:.3f}")

# %% [markdown]
# What both nets say of each place of the plane. A net that reads from an Input layer gets the trained weights by
# `share_with`, which looks for layers of the same names.


# %%
def probability(body, solver, points):
    """Of class 1, at points (n, 2) of the first two features, the others being 0."""
    net = caffe.NetSpec()
    net.data = L.Input(shape={"dim": [len(points), 4]})
    body(net, net.data)
    net.prob = L.Softmax(net.score)
    net = caffe.Net(write(f"{body.__name__}_deploy.prototxt", net.to_proto()), caffe.TEST)
    net.share_with(solver.net)
    return net.forward(data=np.pad(points, ((0, 0), (0, 2))))["prob"][:, 1]


side = np.linspace(-3.5, 3.5, 141)
points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for axis, name, body, solver in ((axes[0], "one layer", linear, line), (axes[1], "hidden layer", hidden, bend)):
    p = probability(body, solver, points).reshape(len(side), len(side))
    shown = axis.contourf(side, side, p, levels=np.linspace(0, 1, 11), cmap="coolwarm")
    axis.contour(side, side, p, levels=[0.5], colors="black")
    for label in (0, 1):
        axis.plot(*test_x[test_y == label][:300, :2].T, ".", markersize=3, color=["navy", "darkred"][label])
    axis.set(title=f"{name}: accuracy {accuracy[name]:.3f}", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
figure.colorbar(shown, ax=axes, label="probability of class 1")
figure.savefig(options.out / "regions.png")
