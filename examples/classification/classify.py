# %% [markdown]
# # Classification, step by step
#
# A trained net is loaded, given pictures, and asked what they show; then we look at what it has learned and at what it
# sees. The net is the tutorial's LeNet and the pictures are MNIST's test digits, but any net that ends in probabilities
# and any picture will do:
#
#     python examples/classification/classify.py --model deploy.prototxt --weights caffenet.caffemodel \
#         --mean ilsvrc_2012_mean.npy --raw-scale 255 --labels synset_words.txt --image cat.jpg
#
# Without options it needs MNIST (`./data/mnist/get_mnist.sh`) and a trained LeNet (`./examples/mnist/train_lenet.sh`,
# some minutes).

# %%
import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import minicaffe as caffe
from minicaffe.proto import caffe_pb2
from minicaffe.tools.mnist_arrays import load_mnist

in_notebook = "ipykernel" in sys.modules  # where there is no command line, and the kernel runs in the notebook's folder
HERE = Path.cwd() if in_notebook else Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MNIST = ROOT / "examples/mnist"
parser = argparse.ArgumentParser(description="Classify pictures, and look at what the net sees.")
parser.add_argument("--model", type=Path, default=MNIST / "lenet.prototxt", help="deploy file (default: %(default)s)")
parser.add_argument(
    "--weights", type=Path, default=MNIST / "lenet_iter_10000.caffemodel", help="(default: %(default)s)"
)
parser.add_argument("--mean", type=Path, help="of the training pictures, .npy or .binaryproto (default: none)")
parser.add_argument("--raw-scale", type=float, default=255 / 256, help="factor for pixels in [0, 1]; CaffeNet: 255")
parser.add_argument("--labels", type=Path, help="text file, the name of a class in each line (default: numbers)")
parser.add_argument("--image", type=Path, help="a picture of your own (default: test digits of MNIST)")
parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for pictures (default: %(default)s)")
parser.add_argument("--quick", action="store_true", help="a short run: fewer digits")
options = parser.parse_args([] if in_notebook else None)
options.out.mkdir(parents=True, exist_ok=True)
if not options.weights.exists():
    sys.exit(f"{options.weights} is missing: run ./examples/mnist/train_lenet.sh first, or name a file with --weights")

# %% [markdown]
# ## 1. Load the net
#
# The deploy file says what the layers are, the weights file what they have learned. `caffe.TEST` is the phase: the net
# as it is used, not as it is trained.

# %%
caffe.init_log(1)  # warnings, and no pages about each net
caffe.set_mode_cpu()  # or set_mode_gpu()
net = caffe.Net(str(options.model), caffe.TEST, weights=str(options.weights))

# %% [markdown]
# Blobs hold what flows through the net, (batch, channels, height, width); parameters what it has learned, weights and
# biases of each layer.

# %%
for name, blob in net.blobs.items():
    print(f"{name:12} {tuple(blob.data.shape)}")
for name, blobs in net.params.items():
    print(f"{name:12} " + ", ".join(str(tuple(blob.data.shape)) for blob in blobs))

# %% [markdown]
# ## 2. Bring the pictures into form
#
# A picture is an array (height, width, channels) of numbers from 0 to 1, RGB if it has colours: so does
# `caffe.io.load_image` give it. The net wants what it was trained on. A Transformer turns one into the other: channels
# first, BGR instead of RGB, pixels scaled (LeNet: by 1/256 of what the file says; CaffeNet: 0 to 255), less the mean.

# %%
data, prob = net.inputs[0], net.outputs[0]
channels, height, width = net.blobs[data].data.shape[1:]
mean = None
if options.mean and options.mean.suffix == ".npy":
    mean = np.load(options.mean)
elif options.mean:
    mean = caffe.io.blobproto_to_array(caffe_pb2.BlobProto.FromString(options.mean.read_bytes()))[0]
if mean is not None and mean.ndim == 3:
    mean = mean.mean(axis=(1, 2))  # one number a channel, for pictures of any size

transformer = caffe.io.Transformer({data: net.blobs[data].data.shape})
transformer.set_transpose(data, (2, 0, 1))
transformer.set_raw_scale(data, options.raw_scale)
if channels == 3:
    transformer.set_channel_swap(data, (2, 1, 0))
if mean is not None:
    transformer.set_mean(data, mean)

# %%
if options.image:
    pictures, truths = [caffe.io.load_image(str(options.image), color=channels == 3)], None
else:
    pixels, truths = load_mnist("test", ROOT / "data/mnist")
    pictures = pixels[: 500 if options.quick else None, :, :, np.newaxis] / 255
names = options.labels.read_text().splitlines() if options.labels else [str(i) for i in range(10**4)]
print(f"{len(pictures)} pictures of shape {pictures[0].shape}")

# %% [markdown]
# ## 3. Classify a batch
#
# The input takes the size of the batch, and of nothing else. `forward` returns what comes out: here a probability for
# each class. It is a view of the blob, and the next pass overwrites it: copy what is to stay.

# %%
batch = pictures[:50]
net.blobs[data].reshape(len(batch), channels, height, width)
net.blobs[data].data[...] = [transformer.preprocess(data, picture) for picture in batch]
probabilities = net.forward()[prob].copy().reshape(len(batch), -1)
for number, row in enumerate(probabilities[:3]):
    top5 = row.argsort()[::-1][:5]
    truth = "" if truths is None else f", in truth {truths[number]}"
    print(f"picture {number}{truth}: " + ", ".join(f"{names[label]} {row[label]:.4f}" for label in top5))

# %% [markdown]
# Any number of pictures goes through `forward_all`, batch by batch.

# %%
prepared = np.array([transformer.preprocess(data, picture) for picture in pictures])
answers = net.forward_all(**{data: prepared})[prob].reshape(len(prepared), -1)
accuracy = None
if truths is not None:
    accuracy = np.mean(answers.argmax(axis=1) == truths[: len(answers)])
    print(f"of {len(answers)} test digits {100 * accuracy:.2f} % are read rightly")

# %% [markdown]
# ## 4. What the net has learned
#
# The filters of the first convolution, as little pictures. Later layers have as many channels as the layer before has
# filters, and are no pictures any more.


# %%
def tiles(maps):
    """Maps (count, height, width), or (count, height, width, 3) in colours, put into rows, with lines between."""
    across = int(np.ceil(np.sqrt(len(maps))))
    down = int(np.ceil(len(maps) / across))
    maps = (maps - maps.min()) / max(maps.max() - maps.min(), 1e-12)
    frame = [(0, across * down - len(maps)), (0, 1), (0, 1), (0, 0)][: maps.ndim]
    maps = np.pad(maps, frame, constant_values=1)
    rows, columns = maps.shape[1:3]
    return (
        maps.reshape(down, across, *maps.shape[1:])
        .swapaxes(1, 2)
        .reshape(down * rows, across * columns, *maps.shape[3:])
    )


def draw_tiles(maps, title, file):
    figure, axis = plt.subplots(figsize=(4, 4.3), layout="constrained")
    axis.imshow(tiles(maps), cmap="gray")
    axis.set_title(title)
    axis.axis("off")
    figure.savefig(options.out / file, dpi=60)


convolutions = [name for name, layer in net.layer_dict.items() if layer.type == "Convolution"]
first = convolutions[0]
filters = net.params[first][0].data
draw_tiles(
    filters.transpose(0, 2, 3, 1)[..., ::-1] if channels == 3 else filters[:, 0], f"{first}: filters", "filters.png"
)

# %% [markdown]
# ## 5. What the net sees
#
# Every blob still holds what the last pass put there. Of the first picture: what goes in, and what each convolution
# makes of it.

# %%
net.blobs[data].data[...] = [transformer.preprocess(data, picture) for picture in batch]
net.forward()
seen = np.clip(transformer.deprocess(data, net.blobs[data].data[0]), 0, 1)
figure, axis = plt.subplots(figsize=(2, 2), layout="constrained")
axis.imshow(seen.squeeze(), cmap="gray")
axis.axis("off")
figure.savefig(options.out / "input.png", dpi=60)
for name in convolutions[:2]:
    top = net.top_names[name][0]
    draw_tiles(net.blobs[top].data[0], f"{top}: responses", f"{top.replace('/', '_')}.png")

# %% [markdown]
# The last blobs are numbers without a place: a score for each class, and what the softmax makes of the scores.

# %%
score = net.bottom_names[list(net.layer_dict)[-1]][0]
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
for axis, name in zip(axes, (score, prob), strict=True):
    values = net.blobs[name].data[0].ravel()
    axis.bar(range(len(values)), values)
    axis.set(xlabel="class", title=name)
figure.savefig(options.out / "scores.png", dpi=60)

# %% [markdown]
# ## 6. A picture of your own
#
# `caffe.Classifier` does all of the above in one call, and resizes. It is given a picture of another size here: a digit
# four times as large, from a PNG file. For LeNet, yours should be white on black, with some room around, as MNIST's.

# %%
mine = options.image
if mine is None:
    mine = options.out / "my_digit.png"
    Image.fromarray(pixels[0]).resize((112, 112), Image.Resampling.BICUBIC).save(mine)
classifier = caffe.Classifier(
    str(options.model),
    str(options.weights),
    mean=mean,
    raw_scale=options.raw_scale,
    channel_swap=(2, 1, 0) if channels == 3 else None,
)
own = caffe.io.load_image(str(mine), color=channels == 3)
answer = classifier.predict([own], oversample=False)[0].ravel()
print(f"{mine.name}, {own.shape[1]}x{own.shape[0]}: {names[answer.argmax()]}, with probability {answer.max():.4f}")

# %% [markdown]
# ## 7. How long a pass takes
#
# One picture alone, and pictures in a batch. The first pass at a new size prepares, and is not counted.

# %%
milliseconds = {}
for count in (1, 50):
    net.blobs[data].reshape(count, channels, height, width)
    net.reshape()
    net.forward()
    timer, passes = caffe.Timer(), 2 if options.quick or count > 1 else 20
    timer.start()
    for _ in range(passes):
        net.forward()
    timer.stop()
    milliseconds[count] = timer.ms / passes
    print(f"batch of {count}: {milliseconds[count]:.2f} ms, {milliseconds[count] / count:.3f} ms a picture")
