# %% [markdown]
# # Layers written in Python
#
# A layer of type `Python` is a class of your own. Here are two:
#
# 1. `digit_layer.py` feeds a net with digits and with the answers to three yes-or-no questions about each, in batches
#    of varying size;
# 2. `euclidean_loss.py` is a loss with its gradient, which is compared with Caffe's own.
#
# As a script: `python examples/python_data_layer/train_digits.py`. It needs MNIST (`./data/mnist/get_mnist.sh`).

# %%
import argparse
import json
import sys
from pathlib import Path

import digit_layer  # a net may run the layers of a module that the program has imported
import euclidean_loss  # noqa: F401
import matplotlib.pyplot as plt
import numpy as np

import minicaffe as caffe
from minicaffe import layers as L, params as P
from minicaffe.proto import caffe_pb2

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
ROOT = HERE.parents[1]
parser = argparse.ArgumentParser(description="Train a net whose data layer and whose loss are written in Python.")
parser.add_argument("--iterations", type=int, default=1000, help="how long to train (default: %(default)s)")
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: 150 iterations, and a tenth of the test digits")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)
iterations, test_batches = (150, 10) if options.quick else (options.iterations, 100)

caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_random_seed(1)

# %% [markdown]
# ## 1. A net that is fed by a Python layer
#
# `param_str` is the one thing that a net's file hands to a Python layer: a string, in which this layer finds a
# dictionary. The layer has three tops: pictures, labels, and the answers to three questions. Two losses train one net:
# which digit is it (one of ten, softmax), and the questions (each yes or no by itself, sigmoid).


# %%
def digit_net(part, batch_size):
    settings = {"mnist": str(ROOT / "data/mnist"), "part": part, "batch_size": batch_size, "shuffle": part == "train"}
    filler = {"type": "xavier"}
    net = caffe.NetSpec()
    net.data, net.label, net.answers = L.Python(
        module="digit_layer", layer="DigitLayer", param_str=json.dumps(settings), ntop=3
    )
    net.conv1 = L.Convolution(net.data, num_output=12, kernel_size=5, weight_filler=filler)
    net.pool1 = L.Pooling(net.conv1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    net.ip1 = L.InnerProduct(net.pool1, num_output=64, weight_filler=filler)
    net.relu1 = L.ReLU(net.ip1, in_place=True)
    net.digit = L.InnerProduct(net.relu1, num_output=10, weight_filler=filler)
    net.digit_loss = L.SoftmaxWithLoss(net.digit, net.label)
    net.yes = L.InnerProduct(net.relu1, num_output=len(digit_layer.QUESTIONS), weight_filler=filler)
    net.yes_loss = L.SigmoidCrossEntropyLoss(net.yes, net.answers)
    return net.to_proto()


train_file, test_file = options.out / "train.prototxt", options.out / "test.prototxt"
train_file.write_text(str(digit_net("train", batch_size=[64, 32, 16])))
test_file.write_text(str(digit_net("test", batch_size=100)))
print(train_file.read_text()[:360])

# %% [markdown]
# What the layer gives. A Python layer's `reshape` runs before every forward, so its batches may differ in size: here
# 64, 32 and 16 digits take turns, and all blobs above follow.

# %%
net = caffe.Net(str(train_file), caffe.TRAIN)
for _ in range(4):
    net.forward()
    print({name: list(net.blobs[name].shape) for name in ("data", "answers", "conv1", "yes")})

figure, axes = plt.subplots(2, 6, figsize=(9, 4), layout="constrained")
for axis, picture, answers in zip(axes.flat, net.blobs["data"].data, net.blobs["answers"].data, strict=False):
    axis.imshow(picture[0], cmap="gray_r")
    axis.set_title("\n".join(q for q, yes in zip(digit_layer.QUESTIONS, answers, strict=True) if yes), fontsize=9)
    axis.axis("off")
figure.savefig(options.out / "digits.png")

# %% [markdown]
# ## 2. Training, one step at a time

# %%
solver_param = caffe_pb2.SolverParameter(
    train_net=str(train_file),
    test_net=[str(test_file)],
    test_iter=[test_batches],
    test_interval=10**6,  # this script tests by itself
    type="SGD",
    base_lr=0.02,
    momentum=0.9,
    lr_policy="inv",
    gamma=0.001,
    power=0.75,
    max_iter=iterations,
    snapshot_prefix=str(options.out / "digits"),
)
solver_file = options.out / "solver.prototxt"
solver_file.write_text(str(solver_param))
solver = caffe.get_solver(str(solver_file))
losses = np.zeros((iterations, 2))
for i in range(iterations):
    solver.step(1)
    losses[i] = solver.net.blobs["digit_loss"].data, solver.net.blobs["yes_loss"].data

smooth = np.column_stack([np.convolve(column, np.ones(30) / 30, "valid") for column in losses.T])
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
axis.semilogy(smooth, label=["which digit (softmax)", "three questions (sigmoid)"])
axis.set(xlabel="iteration", ylabel="loss, mean of 30 batches")
axis.legend()
figure.savefig(options.out / "losses.png")

# %% [markdown]
# How often is it right, on digits that it has not seen? A question is answered with yes where its score is above 0.

# %%
test_net = solver.test_nets[0]
right = []
for _ in range(test_batches):
    test_net.forward()
    digit_is_right = test_net.blobs["digit"].data.argmax(axis=1) == test_net.blobs["label"].data
    answer_is_right = (test_net.blobs["yes"].data > 0) == test_net.blobs["answers"].data
    right.append(np.column_stack([digit_is_right, answer_is_right]))
accuracy = dict(zip(("which digit", *digit_layer.QUESTIONS), np.concatenate(right).mean(axis=0), strict=True))
for question, part in accuracy.items():
    print(f"{question:12} {part:.3f}")

# %% [markdown]
# ## 3. Going on after an interruption
#
# A snapshot asks the layer for its `state()`, and a solver that resumes hands it to `restore()`. So the run goes on
# with the digits that would have come next, and ends with the same weights, bit for bit.

# %%
solver.snapshot()
state_file = options.out / f"digits_iter_{solver.iter}.solverstate"
solver.step(10)

resumed = caffe.get_solver(str(solver_file))
resumed.restore(str(state_file))
resumed.step(10)
difference = max(
    np.abs(one.data - other.data).max()
    for name, blobs in solver.net.params.items()
    for one, other in zip(blobs, resumed.net.params[name], strict=True)
)
print(f"{solver.iter} iterations in one go, and in two: the weights differ by {difference}")

# %% [markdown]
# ## 4. A loss with its gradient
#
# `euclidean_loss.py` computes what Caffe's `EuclideanLoss` does. On the same numbers, both give the same loss and the
# same gradients.


# %%
def distance_net(loss, **settings):
    net = caffe.NetSpec()
    net.x = L.Input(shape={"dim": [8, 3]})
    net.t = L.Input(shape={"dim": [8, 3]})
    net.loss = loss(net.x, net.t, **settings)
    proto = net.to_proto()
    proto.force_backward = True  # a gradient down to the inputs, although nothing is learned
    file = options.out / "distance.prototxt"
    file.write_text(str(proto))
    return caffe.Net(str(file), caffe.TRAIN)


ours = distance_net(L.Python, module="euclidean_loss", layer="EuclideanLoss", loss_weight=1)
built_in = distance_net(L.EuclideanLoss)
x, t = np.random.default_rng(0).normal(size=(2, 8, 3))
for net in (ours, built_in):
    net.forward(x=x, t=t)
    net.backward()
    print(f"loss {float(net.blobs['loss'].data):.6f}, first row of its gradient {net.blobs['x'].diff[0]}")
