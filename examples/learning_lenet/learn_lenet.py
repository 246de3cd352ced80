# %% [markdown]
# # Learning LeNet
#
# A net and its solver are written in Python, and then trained step by step, with a look inside between the steps: what
# goes in, what the filters become, how loss and accuracy move, how sure the net is of eight digits. At the end another
# net and another solver take their places.
#
# As a script: `python examples/learning_lenet/learn_lenet.py`. It needs MNIST's databases: `./data/mnist/get_mnist.sh`,
# then `./examples/mnist/create_mnist.sh`.

# %%
import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minicaffe as caffe
from minicaffe import layers as L, params as P
from minicaffe.proto import caffe_pb2

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
ROOT = HERE.parents[1]
parser = argparse.ArgumentParser(description="Write LeNet in Python, train it step by step, and look inside.")
parser.add_argument(
    "--data",
    type=Path,
    default=ROOT / "examples/mnist",
    help="folder of mnist_train_lmdb and mnist_test_lmdb (default: %(default)s)",
)
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: fewer iterations and smaller tests")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)
if not (options.data / "mnist_train_lmdb").exists():
    sys.exit(f"{options.data}/mnist_train_lmdb is missing: run ./examples/mnist/create_mnist.sh first")

ITERATIONS, TEST_EVERY, TEST_BATCHES = (40, 10, 3) if options.quick else (200, 25, 100)
caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_mode_cpu()

# %% [markdown]
# ## The net
#
# `L.Convolution(bottom, settings...)` adds a layer and stands for what it puts out; what is assigned to a name of the
# `NetSpec` gets that name. Layers read a database (`Data`), find features (`Convolution`, `Pooling`), and score the ten
# digits (`InnerProduct`). The loss says how wrong the scores are.


# %%
def lenet(database, batch_size):
    net = caffe.NetSpec()
    xavier = {"type": "xavier"}
    net.data, net.label = L.Data(
        source=str(options.data / database),
        backend=P.Data.LMDB,
        batch_size=batch_size,
        transform_param={"scale": 1 / 256},  # pixels in [0, 1)
        ntop=2,
    )
    net.conv1 = L.Convolution(net.data, kernel_size=5, num_output=20, weight_filler=xavier)
    net.pool1 = L.Pooling(net.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    net.conv2 = L.Convolution(net.pool1, kernel_size=5, num_output=50, weight_filler=xavier)
    net.pool2 = L.Pooling(net.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    net.fc1 = L.InnerProduct(net.pool2, num_output=500, weight_filler=xavier)
    net.relu1 = L.ReLU(net.fc1, in_place=True)
    net.score = L.InnerProduct(net.relu1, num_output=10, weight_filler=xavier)
    net.loss = L.SoftmaxWithLoss(net.score, net.label)
    return net.to_proto()


(options.out / "lenet_train.prototxt").write_text(str(lenet("mnist_train_lmdb", 64)))
(options.out / "lenet_test.prototxt").write_text(str(lenet("mnist_test_lmdb", 100)))
print(lenet("mnist_train_lmdb", 64).layer[1])

# %% [markdown]
# ## The solver
#
# Its settings are a message too, and its file is that message as text; it could as well be written by hand, as
# `examples/mnist/lenet_solver.prototxt` is.


# %%
def solver_file(name, **settings):
    """Write a solver for the nets of this name; returns the path."""
    solver = caffe_pb2.SolverParameter(
        train_net=str(options.out / f"{name}_train.prototxt"),
        test_net=[str(options.out / f"{name}_test.prototxt")],
        test_iter=[TEST_BATCHES],
        test_interval=10**9,  # tests are run by hand, below
        test_initialization=False,
        weight_decay=0.0005,
        lr_policy="inv",  # base_lr * (1 + gamma * iteration) ^ -power
        gamma=0.0001,
        power=0.75,
        random_seed=1,
        **settings,
    )
    path = options.out / f"{name}_solver.prototxt"
    path.write_text(str(solver))
    return str(path)


solver = caffe.get_solver(solver_file("lenet", type="SGD", base_lr=0.01, momentum=0.9))
net, test_net = solver.net, solver.test_nets[0]
# The solver does so itself, but not before its first test.
test_net.share_with(net)

# %% [markdown]
# What is in the net: its blobs, (batch, channels, height, width), and the parameters of its layers, weights and biases.

# %%
for name, blob in net.blobs.items():
    print(f"{name:8} {tuple(blob.data.shape)}")
for name, blobs in net.params.items():
    print(f"{name:8} weights {tuple(blobs[0].data.shape)}, biases {tuple(blobs[1].data.shape)}")

# %% [markdown]
# ## One step
#
# A forward pass fills the blobs: eight digits, and their labels. With random weights the loss is about that of a guess,
# log(10) = 2.30.

# %%
net.forward()
test_net.forward()
first_loss = float(net.blobs["loss"].data)
print(f"loss of the first batch: {first_loss:.3f}")


def draw_row(pictures, titles, file):
    figure, axes = plt.subplots(1, len(pictures), figsize=(len(pictures), 1.4), layout="constrained")
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        axis.imshow(picture, cmap="gray")
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(options.out / file, dpi=60)


eight = test_net.blobs["data"].data[:8, 0].copy()
eight_labels = test_net.blobs["label"].data[:8].astype(int)
draw_row(net.blobs["data"].data[:8, 0], net.blobs["label"].data[:8].astype(int), "train_digits.png")
draw_row(eight, eight_labels, "test_digits.png")

# %% [markdown]
# `step(1)` goes forward, backward, and updates the weights. After it, `diff` of a parameter holds the update that was
# made: what the first step does to the twenty filters of `conv1`.


# %%
def draw_filters(filters, file):
    """A picture of (20, 5, 5) numbers, in four rows, grey being zero."""
    tiles = np.pad(filters.reshape(4, 5, 5, 5), ((0, 0), (0, 0), (0, 1), (0, 1)))
    largest = np.abs(tiles).max()
    figure, axis = plt.subplots(figsize=(3.6, 3), layout="constrained")
    axis.imshow(tiles.transpose(0, 2, 1, 3).reshape(24, 30), cmap="gray", vmin=-largest, vmax=largest)
    axis.axis("off")
    figure.savefig(options.out / file, dpi=60)


solver.step(1)
draw_filters(net.params["conv1"][0].diff[:, 0], "first_update.png")

# %% [markdown]
# ## The loop
#
# All else is steps. What is worth keeping is copied as it goes: the loss of each training batch, the accuracy on test
# digits now and then, and the scores of the eight digits. `forward(start="conv1")` leaves the data layer out, so that
# the digits put into `data` stay there.


# %%
def test_accuracy(test_net):
    """The part of the test digits whose highest score is the right one."""
    right = 0
    for _ in range(TEST_BATCHES):
        test_net.forward()
        right += np.sum(test_net.blobs["score"].data.argmax(axis=1) == test_net.blobs["label"].data)
    return right / (TEST_BATCHES * 100)


def scores_of(test_net, digits):
    """(digits, 10)"""
    test_net.blobs["data"].data[: len(digits), 0] = digits
    test_net.forward(start="conv1")
    return test_net.blobs["score"].data[: len(digits)].copy()


losses, scores, accuracies = [], [], {}
for iteration in range(ITERATIONS):
    solver.step(1)
    losses.append(float(net.blobs["loss"].data))
    scores.append(scores_of(test_net, eight))
    if (iteration + 1) % TEST_EVERY == 0:
        accuracies[iteration + 1] = test_accuracy(test_net)
        print(f"iteration {iteration + 1}: loss {losses[-1]:.3f}, test accuracy {accuracies[iteration + 1]:.4f}")


# %%
def draw_curves(runs, file):
    """runs: {name: (losses, accuracies)}"""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for name, (losses, accuracies) in runs.items():
        left.plot(losses, label=name, linewidth=1)
        right.plot(accuracies.keys(), [100 * value for value in accuracies.values()], marker="o", label=name)
    left.set(xlabel="iteration", ylabel="loss of the training batch")
    right.set(xlabel="iteration", ylabel="test digits read, %")
    right.legend(loc="lower right")
    figure.savefig(options.out / file, dpi=60)


draw_curves({"LeNet, SGD": (losses, accuracies)}, "loss_and_accuracy.png")
draw_filters(net.params["conv1"][0].data[:, 0], "filters.png")

# %% [markdown]
# How the eight digits are read, from the first iteration (left) to the last: each column holds the probabilities of 0
# to 9, from the scores by a softmax.


# %%
def probabilities(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


history = probabilities(np.array(scores))  # (iterations, digits, 10)
figure, axes = plt.subplots(4, 4, figsize=(10, 6), width_ratios=[1, 3, 1, 3], layout="constrained")
for i, (picture, read) in enumerate(axes.reshape(8, 2)):
    picture.imshow(eight[i], cmap="gray")
    picture.axis("off")
    read.imshow(history[:, i].T, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    read.set_yticks([0, 3, 6, 9])
    read.tick_params(labelsize=8)
    read.axhline(eight_labels[i] - 0.5, color="tab:orange", linewidth=0.8)
    read.axhline(eight_labels[i] + 0.5, color="tab:orange", linewidth=0.8)
figure.savefig(options.out / "eight_digits.png", dpi=60)

# %% [markdown]
# ## Experiments
#
# Now change the net, the solver, or both, and compare. Here a net with dropout and a leaky ReLU is trained by Adam,
# which wants a lower rate. Dropout acts in training alone: in a net of phase TEST it passes all on.


# %%
def my_net(database, batch_size):
    net = caffe.NetSpec()
    msra = {"type": "msra"}
    net.data, net.label = L.Data(
        source=str(options.data / database),
        backend=P.Data.LMDB,
        batch_size=batch_size,
        transform_param={"scale": 1 / 256},
        ntop=2,
    )
    net.conv1 = L.Convolution(net.data, kernel_size=5, num_output=32, weight_filler=msra)
    net.relu1 = L.ReLU(net.conv1, in_place=True, negative_slope=0.01)
    net.pool1 = L.Pooling(net.relu1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    net.conv2 = L.Convolution(net.pool1, kernel_size=5, num_output=32, weight_filler=msra)
    net.relu2 = L.ReLU(net.conv2, in_place=True, negative_slope=0.01)
    net.pool2 = L.Pooling(net.relu2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    net.drop = L.Dropout(net.pool2, in_place=True, dropout_ratio=0.3)
    net.score = L.InnerProduct(net.drop, num_output=10, weight_filler=msra)
    net.loss = L.SoftmaxWithLoss(net.score, net.label)
    return net.to_proto()


(options.out / "mine_train.prototxt").write_text(str(my_net("mnist_train_lmdb", 64)))
(options.out / "mine_test.prototxt").write_text(str(my_net("mnist_test_lmdb", 100)))
my_solver = caffe.get_solver(solver_file("mine", type="Adam", base_lr=0.002, momentum=0.9, momentum2=0.999))
my_solver.test_nets[0].share_with(my_solver.net)

my_losses, my_accuracies = [], {}
for iteration in range(ITERATIONS):
    my_solver.step(1)
    my_losses.append(float(my_solver.net.blobs["loss"].data))
    if (iteration + 1) % TEST_EVERY == 0:
        my_accuracies[iteration + 1] = test_accuracy(my_solver.test_nets[0])


# %%
def parameters(net):
    return sum(blob.count for blobs in net.params.values() for blob in blobs)


runs = {"LeNet, SGD": (losses, accuracies), "dropout, Adam": (my_losses, my_accuracies)}
draw_curves(runs, "experiment.png")
for (name, (_, found)), trained in zip(runs.items(), (net, my_solver.net), strict=True):
    print(f"{name}: {parameters(trained):,} parameters; test digits read, in percent, after iterations")
    print("  " + ", ".join(f"{iteration}: {100 * value:.1f}" for iteration, value in found.items()))

# %% [markdown]
# More to try: `base_lr` ten times higher and lower; "AdaGrad", "Nesterov", "RMSProp" as the type; no hidden layer at
# all; and more iterations: the tutorial's 10,000 end at 0.99.
