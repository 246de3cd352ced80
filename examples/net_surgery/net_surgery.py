# %% [markdown]
# # Net surgery
#
# The parameters of a net are arrays, and a script may write into them. Two operations:
#
# 1. filters of a convolution are set by hand, so that it blurs and finds edges;
# 2. the fully-connected layers of LeNet become convolutions with the same weights. The net then takes pictures of any
#    size, and answers with a map: what it would say of each part of the picture.
#
# As a script: `python examples/net_surgery/net_surgery.py`. It needs MNIST (`./data/mnist/get_mnist.sh`) and a trained
# LeNet (`./examples/mnist/train_lenet.sh`, some minutes).

# %%
import argparse
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minicaffe as caffe
from minicaffe.tools.mnist_arrays import load_mnist

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
ROOT = HERE.parents[1]
parser = argparse.ArgumentParser(description="Edit filters by hand, and turn LeNet into a net for any size.")
parser.add_argument(
    "--weights",
    type=Path,
    default=ROOT / "examples/mnist/lenet_iter_10000.caffemodel",
    help="of a trained LeNet (default: %(default)s)",
)
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: fewer windows are compared")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)
if not options.weights.exists():
    sys.exit(f"{options.weights} is missing: run ./examples/mnist/train_lenet.sh first, or name a file with --weights")

caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_mode_cpu()
images, labels = load_mnist("test", ROOT / "data/mnist")
images = images / np.float32(256)  # pixels in [0, 1), as the tutorial trains on

# %% [markdown]
# ## 1. Filters by hand
#
# `conv.prototxt` is a net of one convolution: a grey picture in, three feature maps out. Twelve digits side by side are
# our picture. A new net's filters are noise, and so is what it sees.

# %%
net = caffe.Net(str(HERE / "conv.prototxt"), caffe.TEST)
picture = images[:12].reshape(2, 6, 28, 28).transpose(0, 2, 1, 3).reshape(56, 168)
for name, blobs in net.params.items():
    print(name, [tuple(blob.data.shape) for blob in blobs])
net.forward(data=picture[np.newaxis, np.newaxis])
noise = net.blobs["conv"].data[0].copy()  # data is a view, which the next pass overwrites

# %% [markdown]
# `net.params["conv"][0]` holds the weights, (filters, channels, height, width), `[1]` the biases. Writing into `.data`
# writes into the net.

# %%
bell = np.exp(-(np.arange(-2, 3) ** 2) / 2)
slope = np.array([-1, -2, 0, 2, 1])
weights, bias = (blob.data for blob in net.params["conv"])
weights[0, 0] = np.outer(bell, bell) / bell.sum() ** 2  # blur: a Gaussian; its weights add up to 1
weights[1, 0] = np.outer(bell, slope)  # edges that stand: the picture's slope from left to right
weights[2, 0] = np.outer(slope, bell)  # edges that lie
net.forward(data=picture[np.newaxis, np.newaxis])
filtered = net.blobs["conv"].data[0].copy()


# %%
def draw_maps(maps, titles, file):
    figure, axes = plt.subplots(len(maps), 1, figsize=(7, 2.6 * len(maps)), layout="constrained")
    for axis, values, title in zip(axes, maps, titles, strict=True):
        axis.imshow(values, cmap="gray")
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(options.out / file, dpi=60)


draw_maps([picture, *noise], ["the picture", *(f"random filter {i}" for i in range(3))], "filters_random.png")
draw_maps([picture, *filtered], ["the picture", "blur", "standing edges", "lying edges"], "filters_by_hand.png")

# %% [markdown]
# A bias moves a whole map. The blurred map, 0.5 lower, is above zero just where there is much ink: a ReLU behind it
# would leave only that.

# %%
bias[0] = -0.5
net.forward()
moved = net.blobs["conv"].data[0, 0]
print(f"mean of the blurred map: {filtered[0].mean():.3f}, and with the bias: {moved.mean():.3f}")
print(f"part of it above zero: {np.mean(filtered[0] > 0):.2f}, and with the bias: {np.mean(moved > 0):.2f}")

# %% [markdown]
# ## 2. Fully-connected layers become convolutions
#
# LeNet's `ip1` takes all 50 x 4 x 4 numbers of `pool2`, each with a weight. A convolution with a kernel of 4x4 does
# the same sum, at each place where the kernel fits: for a digit of 28x28 there is one such place.
# `lenet_full_conv.prototxt` is LeNet with `ip1-conv` and `ip2-conv` in the place of `ip1` and `ip2`.

# %%
lenet = caffe.Net(str(ROOT / "examples/mnist/lenet.prototxt"), caffe.TEST, weights=str(options.weights))
full_conv = caffe.Net(str(HERE / "lenet_full_conv.prototxt"), caffe.TEST, weights=str(options.weights))
pairs = {"ip1": "ip1-conv", "ip2": "ip2-conv"}
for fc, conv in pairs.items():
    print(f"{fc:4} weights {lenet.params[fc][0].data.shape!s:12} biases {lenet.params[fc][1].data.shape}")
    print(f"{conv:9} weights {full_conv.params[conv][0].data.shape} biases {full_conv.params[conv][1].data.shape}")

# %% [markdown]
# `conv1` and `conv2` came from the file, by their names. The others are as many numbers in another shape, and they lie
# in the same order: the row of weights of an output, read as (channels, height, width), is its filter. `flat` is that
# order.

# %%
for fc, conv in pairs.items():
    for old, new in zip(lenet.params[fc], full_conv.params[conv], strict=True):
        new.data.flat = old.data.flat
full_conv.save(str(options.out / "lenet_full_conv.caffemodel"))  # to be loaded by name, as any other

# %% [markdown]
# On single digits both nets must say the same. Float32 sums that are taken in another order differ in the last digits.

# %%
digits = images[:64, np.newaxis]
full_conv.blobs["data"].reshape(*digits.shape)
by_lenet = lenet.forward(data=digits)["prob"].copy()
by_full_conv = full_conv.forward(data=digits)["prob"].copy()
difference = np.abs(by_full_conv[:, :, 0, 0] - by_lenet).max()
accuracy = np.mean(by_lenet.argmax(axis=1) == labels[:64])
print(f"shapes {by_lenet.shape} and {by_full_conv.shape}, largest difference {difference:.1e}, accuracy {accuracy:.3f}")

# %% [markdown]
# ## 3. A map of scores
#
# Digits are strewn over a canvas. Reshape the input, and the net has a place in its map for every 4 pixels (two
# poolings with stride 2): (height - 28) / 4 + 1 rows.

# %%
SIZE, STRIDE = 140, 4
spots = {(4, 8): 0, (0, 64): 1, (12, 108): 2, (56, 0): 3, (60, 44): 4, (52, 92): 5, (112, 20): 6, (104, 68): 7}
canvas = np.zeros((SIZE, SIZE), np.float32)
for (row, column), i in spots.items():
    canvas[row : row + 28, column : column + 28] = images[i]

full_conv.blobs["data"].reshape(1, 1, SIZE, SIZE)
full_conv.reshape()
scores = full_conv.forward(data=canvas[np.newaxis, np.newaxis])["prob"][0].copy()
started = time.perf_counter()
full_conv.forward()  # again, for the time: the first pass at a new size has more to do
pass_ms = 1000 * (time.perf_counter() - started)
found = {spot: scores[:, spot[0] // STRIDE, spot[1] // STRIDE].argmax() for spot in spots}
print(f"scores {scores.shape}; of {len(spots)} digits read rightly: {sum(found[s] == labels[spots[s]] for s in spots)}")

# %% [markdown]
# Each place of the map is what LeNet says of the window of 28x28 that begins there. Ask it, window by window: the same
# answers, and a long time, since windows overlap and all that they share is computed anew.

# %%
places = [(row, column) for row in range(scores.shape[1]) for column in range(scores.shape[2])]
places = places[:: 10 if options.quick else 1]
windows = np.stack([canvas[STRIDE * r : STRIDE * r + 28, STRIDE * c : STRIDE * c + 28] for r, c in places])
started = time.perf_counter()
by_window = lenet.forward_all(data=windows[:, np.newaxis])["prob"]
windows_ms = 1000 * (time.perf_counter() - started)
map_difference = np.abs(by_window - np.array([scores[:, r, c] for r, c in places])).max()
print(f"{len(places)} windows: largest difference {map_difference:.1e}")
print(f"one pass over the canvas: {pass_ms:.1f} ms; window by window: {windows_ms:.1f} ms")

# %% [markdown]
# The picture: the canvas, the likeliest digit of each window, and how sure the net is of it. The net was never shown
# an empty window or half a digit, and has no answer "nothing": it names a digit everywhere. Around each true position
# there is an island of the right one; a detector would be trained with an eleventh class for all else.

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
axes[0].imshow(canvas, cmap="gray")
axes[0].set_title("canvas")
digit_map = axes[1].imshow(scores.argmax(axis=0), cmap="tab10", vmin=-0.5, vmax=9.5)
axes[1].set_title("likeliest digit of the window that begins here")
figure.colorbar(digit_map, ax=axes[1], ticks=range(10), shrink=0.8)
sure_map = axes[2].imshow(scores.max(axis=0), cmap="gray", vmin=0, vmax=1)
axes[2].set_title("its probability")
figure.colorbar(sure_map, ax=axes[2], shrink=0.8)
for (row, column), i in spots.items():
    axes[1].text(column / STRIDE, row / STRIDE, labels[i], ha="center", va="center", weight="bold")
    axes[0].add_patch(plt.Rectangle((column, row), 27, 27, fill=False, edgecolor="tab:orange"))
figure.savefig(options.out / "score_map.png", dpi=60)
