# %% [markdown]
# # Fine-tuning
#
# A net that was trained on much data has learned to see. Taught further, it tells new classes apart from a few pictures
# of each, where a net that begins with random weights cannot.
#
# Here LeNet is trained on thousands of the digits 0 to 4, and then fine-tuned to read 5 to 9 from 20 pictures of each.
# The digits are shifted at random, so that there is something to see: a stroke is a stroke wherever it is, which takes
# many pictures to learn.
#
# As a script: `python examples/fine_tuning/fine_tune.py`. It needs MNIST (`./data/mnist/get_mnist.sh`).

# %%
import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minicaffe as caffe
from minicaffe import layers as L, params as P
from minicaffe.proto import caffe_pb2
from minicaffe.tools.mnist_arrays import load_mnist

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
ROOT = HERE.parents[1]
parser = argparse.ArgumentParser(description="Fine-tune LeNet to digits that it has not seen, from a few of each.")
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: fewer iterations, one seed")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)

if options.quick:
    FIRST, ITERATIONS, COUNTS, SEEDS, TESTED = 100, 30, [20], [0], 500
else:
    FIRST, ITERATIONS, COUNTS, SEEDS, TESTED = 1000, 150, [5, 20, 50], [0, 1, 2], 1000
# FIRST: iterations on the digits 0 to 4.  ITERATIONS: on 5 to 9, with COUNTS pictures of each.  TESTED: test digits.
caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_mode_cpu()

# %% [markdown]
# ## The data
#
# A digit of MNIST lies in the middle of its 28x28 pixels. It is moved by up to 4 pixels each way; what leaves the
# picture is cut off, which is rarely more than the tip of a stroke.


# %%
def load_shifted(part, wanted, seed):
    """Digits of these classes: images (count, 1, 28, 28) in [0, 1), and labels, 0 for the first class wanted."""
    images, labels = load_mnist(part, ROOT / "data/mnist")
    chosen = np.isin(labels, wanted)
    images, labels = images[chosen], labels[chosen] - wanted[0]
    down, right = np.random.default_rng(seed).integers(0, 9, (2, len(images), 1))
    rows, columns = np.arange(28) + down, np.arange(28) + right  # of the part of the wider picture that is taken
    wider = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    shifted = wider[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted[:, np.newaxis] / np.float32(256), labels.astype(np.float32)


OLD, NEW = range(5), range(5, 10)
old_images, old_labels = load_shifted("train", OLD, seed=1)
new_images, new_labels = load_shifted("train", NEW, seed=2)
test_old, test_new = ([array[:TESTED] for array in load_shifted("test", wanted, seed=3)] for wanted in (OLD, NEW))
print(f"{len(old_images)} digits 0 to 4; {len(new_images)} digits 5 to 9, of which only a few will be used")

# %%
figure, axes = plt.subplots(2, 8, figsize=(8, 2.2), layout="constrained")
for axis, image in zip(axes.flat, [*old_images[:8, 0], *new_images[:8, 0]], strict=True):
    axis.imshow(image, cmap="gray")
    axis.axis("off")
figure.savefig(options.out / "digits.png", dpi=60)

# %% [markdown]
# ## The net
#
# LeNet, from the arrays that `set_input_arrays` gives it (MemoryData) to a score for each of five classes. Two
# arguments make all the difference:
#
# - `score`, the name of the last layer. Weights are loaded by the names of layers: a layer with a name that the file
#   does not have keeps its random start, which is what the new classes need.
# - `lower`, the learning rate of all layers below it, as a factor (`lr_mult`): 1 as the solver says, 0.1 more careful,
#   0 frozen. Below the lowest layer that learns, there is no backward pass at all.


# %%
def lenet(batch, score, lower):
    net = caffe.NetSpec()

    def learning(factor):
        """How a layer's weights begin, and the factors of the learning rate, for weights and biases."""
        return {"weight_filler": {"type": "xavier"}, "param": [{"lr_mult": factor}, {"lr_mult": 2 * factor}]}

    net.data, net.label = L.MemoryData(batch_size=batch, channels=1, height=28, width=28, ntop=2)
    net.conv1 = L.Convolution(net.data, num_output=20, kernel_size=5, **learning(lower))
    net.pool1 = L.Pooling(net.conv1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    net.conv2 = L.Convolution(net.pool1, num_output=50, kernel_size=5, **learning(lower))
    net.pool2 = L.Pooling(net.conv2, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    net.ip1 = L.InnerProduct(net.pool2, num_output=500, **learning(lower))
    net.relu1 = L.ReLU(net.ip1, in_place=True)
    net[score] = L.InnerProduct(net.relu1, num_output=5, **learning(1))
    net.loss = L.SoftmaxWithLoss(net[score], net.label)
    net.accuracy = L.Accuracy(net[score], net.label)
    return net.to_proto()


def make_solver(name, batch, score, lower=1, seed=0):
    """A solver whose test net has the train net's weights; its files lie in the output folder."""
    files = {part: str(options.out / f"{name}_{part}.prototxt") for part in ("train", "test", "solver")}
    solver = caffe_pb2.SolverParameter(
        train_net=files["train"],
        test_net=[files["test"]],
        test_iter=[TESTED // 100],
        test_interval=10**9,  # tests are run by hand, below
        test_initialization=False,
        base_lr=0.01,
        lr_policy="fixed",
        momentum=0.9,
        weight_decay=0.0005,
        random_seed=seed,
    )
    Path(files["train"]).write_text(str(lenet(batch, score, lower)))
    Path(files["test"]).write_text(str(lenet(100, score, lower)))
    Path(files["solver"]).write_text(str(solver))
    made = caffe.get_solver(files["solver"])
    # The solver does so itself, but not before its first test.
    made.test_nets[0].share_with(made.net)
    return made


def accuracy(solver):
    """Of the test digits, the part that is read rightly."""
    # float: what forward returns is a view, and the next pass overwrites it.
    return np.mean([float(solver.test_nets[0].forward()["accuracy"]) for _ in range(TESTED // 100)])


# %% [markdown]
# ## First: many digits 0 to 4

# %%
solver = make_solver("old", 64, "score_0_to_4")
whole = len(old_images) // 64 * 64  # MemoryData takes whole batches
solver.net.set_input_arrays(old_images[:whole], old_labels[:whole])
solver.test_nets[0].set_input_arrays(*test_old)
solver.step(FIRST)
old_accuracy = accuracy(solver)
trained = str(options.out / "lenet_0_to_4.caffemodel")
solver.net.save(trained)
print(f"digits 0 to 4 after {FIRST} iterations: {100 * old_accuracy:.1f} % of the test digits are read")

# %% [markdown]
# ## Then: a few digits 5 to 9
#
# Four ways to use the same few pictures: from scratch; with all layers loaded and learning; with the loaded layers
# learning at a tenth of the rate; with the loaded layers frozen. `copy_from` tells what it loaded: `score_5_to_9` is
# not in the file.

# %%
WAYS = {"from scratch": 1, "all layers learn": 1, "lower layers at 0.1": 0.1, "lower layers frozen": 0}
solver = make_solver("new", 25, "score_5_to_9")
print(solver.net.copy_from(trained))


# %%
def few(count, seed):
    """Of each new class, `count` pictures, in random order."""
    rng = np.random.default_rng(seed)
    picked = [rng.choice(np.flatnonzero(new_labels == label), count, replace=False) for label in range(5)]
    picked = rng.permutation(np.concatenate(picked))
    return new_images[picked], new_labels[picked]


def learn(way, count, seed):
    """Accuracies on test digits 5 to 9 before, while and after learning from `count` of each, every 15 iterations."""
    solver = make_solver("new", 25, "score_5_to_9", WAYS[way], seed)
    if way != "from scratch":
        solver.net.copy_from(trained)
    solver.net.set_input_arrays(*few(count, seed))
    solver.test_nets[0].set_input_arrays(*test_new)
    curve = [accuracy(solver)]
    for _ in range(0, ITERATIONS, 15):
        solver.step(15)
        curve.append(accuracy(solver))
    return curve


# (seeds, points) for each way and number of pictures; a seed chooses the pictures and the random weights.
curves = {(way, count): np.array([learn(way, count, seed) for seed in SEEDS]) for way in WAYS for count in COUNTS}

# %% [markdown]
# The result, in percent of the test digits, as a mean over the seeds:

# %%
print(f"{'pictures of each digit':24}" + "".join(f"{count:8}" for count in COUNTS))
for way in WAYS:
    print(f"{way:24}" + "".join(f"{100 * curves[way, count][:, -1].mean():8.1f}" for count in COUNTS))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
iterations = np.arange(len(curves["from scratch", 20][0])) * 15
for way in WAYS:
    runs = 100 * curves[way, 20]
    (line,) = left.plot(iterations, runs.mean(axis=0), label=way)
    left.fill_between(iterations, runs.min(axis=0), runs.max(axis=0), color=line.get_color(), alpha=0.15)
    ends = [100 * curves[way, count][:, -1] for count in COUNTS]
    right.errorbar(
        COUNTS,
        [end.mean() for end in ends],
        yerr=[[end.mean() - end.min() for end in ends], [end.max() - end.mean() for end in ends]],
        capsize=3,
        marker="o",
    )
left.set(xlabel="iteration", ylabel="test digits read, %", title="20 pictures of each digit")
right.set(xlabel="pictures of each digit", title=f"after {ITERATIONS} iterations", xticks=COUNTS)
left.legend(loc="lower right")
figure.savefig(options.out / "fine_tuning.png", dpi=60)

# %% [markdown]
# The fine-tuned nets are far ahead of the net from scratch at once, and stay ahead. With few pictures, frozen lower
# layers do best by a little, and cost the least time: there is less that can be spoilt. With 50 of each, nets that
# learn in all layers have caught up.
