"""What benchmarks/layers.py times: every layer type that computes, at a training size; and the same in PyTorch.

bottoms: shapes for normally distributed values, or functions of a generator.  peer: a function of
(torch, F, bottoms, blobs) that gives the top, or None where PyTorch has no such operation; bottoms and blobs are
tensors of the same values, the blobs in Caffe's order and shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAPS = (64, 64, 32, 32)  # the usual bottom: batch, channels, height, width
WIDE = (64, 64, 56, 56)
POINTS = (64 * 32 * 32,)


@dataclass(frozen=True)
class Case:
    """One layer and its peer.  tops: how many.  backward: the indices of the bottoms that get a gradient."""

    type: str
    settings: str = ""
    bottoms: tuple = (MAPS,)
    peer: Callable[..., Any] | None = None
    tops: int = 1
    backward: tuple[int, ...] = (0,)


def labels(*shape: int, classes: int = 10) -> Callable:
    return lambda rng: rng.integers(0, classes, shape)


def positive(*shape: int) -> Callable:
    return lambda rng: rng.uniform(0.5, 2, shape)


def flags(*shape: int) -> Callable:
    return lambda rng: rng.integers(0, 2, shape)


def simplex(*shape: int) -> Callable:
    """Probabilities along axis 1."""

    def draw(rng):
        values = rng.uniform(0.1, 1, shape)
        return values / values.sum(axis=1, keepdims=True)

    return draw


def continued(steps: int, streams: int) -> Callable:
    """cont of a recurrent layer: every stream goes on from the first step."""

    def draw(rng):
        values = np.ones((steps, streams))
        values[0] = 0
        return values

    return draw


FILLED = 'weight_filler { type: "xavier" }'


def convolution(settings: str, kind: str = "Convolution", bottom: tuple = WIDE, **options: Any) -> Case:
    function = "conv2d" if kind == "Convolution" else "conv_transpose2d"
    return Case(
        kind,
        f"convolution_param {{ {settings} {FILLED} }}",
        (bottom,),
        lambda torch, F, x, w: getattr(F, function)(x[0], w[0], w[1], **options),
    )


def recurrent(torch: Any, F: Any, x: list, w: list, kind: str, rows: int) -> Any:
    """PyTorch's own layer with Caffe's weights: its gates go i, f, g, o; Caffe's i, f, o, g."""
    module = getattr(torch.nn, kind)(x[0].shape[2], rows)
    order = [0, 1, 3, 2] if kind == "LSTM" else [0]
    with torch.no_grad():
        for name, blob in (("weight_ih_l0", w[0]), ("weight_hh_l0", w[2]), ("bias_ih_l0", w[1])):
            parts = blob.detach().chunk(len(order))
            getattr(module, name).copy_(torch.cat([parts[i] for i in order]))
        module.bias_hh_l0.zero_()
    return module


def lstm(torch: Any, F: Any, x: list, w: list) -> Callable:
    module = recurrent(torch, F, x, w, "LSTM", w[2].shape[1])
    return lambda: module(x[0])[0]


def rnn(torch: Any, F: Any, x: list, w: list) -> Callable:
    module = recurrent(torch, F, x, w, "RNN", w[2].shape[1])
    return lambda: F.linear(module(x[0])[0], w[3], w[4]).tanh()


def lstm_unit(torch: Any, F: Any, x: list, w: list) -> Any:
    i, f, o, g = x[1].chunk(4, dim=2)
    c = x[2][..., None] * f.sigmoid() * x[0] + i.sigmoid() * g.tanh()
    return torch.cat([c, o.sigmoid() * c.tanh()])


def hinge(torch: Any, F: Any, x: list, w: list) -> Any:
    sign = 1 - 2 * F.one_hot(x[1].long(), x[0].shape[1])
    return (1 + sign * x[0]).clamp(min=0).sum() / len(x[0])


def contrastive(torch: Any, F: Any, x: list, w: list) -> Any:
    square = (x[0] - x[1]).square().sum(dim=1)
    apart = (1 - square.sqrt()).clamp(min=0).square()
    return torch.where(x[2] > 0, square, apart).sum() / (2 * len(x[0]))


def mvn(torch: Any, F: Any, x: list, w: list) -> Any:
    return F.instance_norm(x[0], eps=1e-18)


def pyramid(torch: Any, F: Any, x: list, w: list) -> Any:
    levels = [F.max_pool2d(x[0], x[0].shape[2] >> level).flatten(1) for level in range(3)]
    return torch.cat(levels, dim=1)


CASES = {
    "AbsVal": Case("AbsVal", peer=lambda torch, F, x, w: x[0].abs()),
    "Accuracy": Case(
        "Accuracy",
        bottoms=((64, 1000), labels(64)),
        peer=lambda torch, F, x, w: (x[0].argmax(1) == x[1]).float().mean(),
        backward=(),
    ),
    "ArgMax": Case(
        "ArgMax",
        "argmax_param { axis: 1 }",
        peer=lambda torch, F, x, w: x[0].argmax(1, keepdim=True).float(),
        backward=(),
    ),
    "BNLL": Case("BNLL", peer=lambda torch, F, x, w: F.softplus(x[0])),
    "BatchNorm": Case("BatchNorm", peer=lambda torch, F, x, w: F.batch_norm(x[0], None, None, training=True)),
    "BatchReindex": Case(
        "BatchReindex", bottoms=(MAPS, labels(96, classes=64)), peer=lambda torch, F, x, w: x[0][x[1].long()]
    ),
    "Bias": Case(
        "Bias", 'bias_param { filler { type: "gaussian" } }', peer=lambda torch, F, x, w: x[0] + w[0][:, None, None]
    ),
    "Clip": Case("Clip", "clip_param { min: -1 max: 1 }", peer=lambda torch, F, x, w: x[0].clamp(-1, 1)),
    "Concat": Case(
        "Concat", bottoms=(MAPS, MAPS), peer=lambda torch, F, x, w: torch.cat([x[0], x[1]], 1), backward=(0, 1)
    ),
    "ContrastiveLoss": Case(
        "ContrastiveLoss", bottoms=((64, 1000), (64, 1000), flags(64)), peer=contrastive, backward=(0, 1)
    ),
    "Convolution 3x3": convolution("num_output: 64 kernel_size: 3 pad: 1", padding=1),
    "Convolution 3x3 stride 2": convolution("num_output: 64 kernel_size: 3 pad: 1 stride: 2", padding=1, stride=2),
    "Convolution 1x1": convolution("num_output: 64 kernel_size: 1"),
    "Convolution 5x5": convolution("num_output: 32 kernel_size: 5 pad: 2", bottom=(64, 32, 32, 32), padding=2),
    "Convolution dilated": convolution("num_output: 64 kernel_size: 3 pad: 2 dilation: 2", padding=2, dilation=2),
    "Convolution group 2": convolution("num_output: 64 kernel_size: 3 pad: 1 group: 2", padding=1, groups=2),
    "Convolution depthwise": convolution("num_output: 64 kernel_size: 3 pad: 1 group: 64", padding=1, groups=64),
    "Convolution depthwise stride 2": convolution(
        "num_output: 64 kernel_size: 3 pad: 1 stride: 2 group: 64", padding=1, stride=2, groups=64
    ),
    "Crop": Case(
        "Crop",
        "crop_param { offset: 2 }",
        (MAPS, (64, 64, 28, 28)),
        lambda torch, F, x, w: x[0][:, :, 2:30, 2:30].contiguous(),
    ),
    "Deconvolution": convolution(
        "num_output: 32 kernel_size: 4 pad: 1 stride: 2", "Deconvolution", (64, 64, 16, 16), padding=1, stride=2
    ),
    "Dropout": Case("Dropout", peer=lambda torch, F, x, w: F.dropout(x[0], 0.5)),
    "ELU": Case("ELU", peer=lambda torch, F, x, w: F.elu(x[0])),
    "Eltwise SUM": Case("Eltwise", bottoms=(MAPS, MAPS), peer=lambda torch, F, x, w: x[0] + x[1], backward=(0, 1)),
    "Eltwise PROD": Case(
        "Eltwise",
        "eltwise_param { operation: PROD }",
        (MAPS, MAPS),
        lambda torch, F, x, w: x[0] * x[1],
        backward=(0, 1),
    ),
    "Eltwise MAX": Case(
        "Eltwise",
        "eltwise_param { operation: MAX }",
        (MAPS, MAPS),
        lambda torch, F, x, w: torch.maximum(x[0], x[1]),
        backward=(0, 1),
    ),
    "Embed": Case(
        "Embed",
        'embed_param { num_output: 256 input_dim: 10000 weight_filler { type: "gaussian" } bias_term: false }',
        (labels(64, 50, classes=10000),),
        lambda torch, F, x, w: F.embedding(x[0].long(), w[0]),
        backward=(),
    ),
    "EuclideanLoss": Case(
        "EuclideanLoss",
        bottoms=(MAPS, MAPS),
        peer=lambda torch, F, x, w: F.mse_loss(x[0], x[1], reduction="sum") / (2 * len(x[0])),
        backward=(0, 1),
    ),
    "Exp": Case("Exp", peer=lambda torch, F, x, w: x[0].exp()),
    "Filter": Case("Filter", bottoms=(MAPS, flags(64)), peer=lambda torch, F, x, w: x[0][x[1] > 0]),
    "Flatten": Case("Flatten"),
    "HingeLoss": Case("HingeLoss", bottoms=((64, 1000), labels(64)), peer=hinge),
    "Im2col": Case(
        "Im2col",
        "convolution_param { kernel_size: 3 pad: 1 }",
        ((64, 16, 32, 32),),
        lambda torch, F, x, w: F.unfold(x[0], 3, padding=1).view(64, 144, 32, 32),
    ),
    "InfogainLoss": Case(
        "InfogainLoss",
        bottoms=((64, 1000), labels(64), (1, 1, 1000, 1000)),
        peer=lambda torch, F, x, w: -(x[2][0, 0][x[1].long()] * F.log_softmax(x[0], 1)).sum() / len(x[0]),
    ),
    "InnerProduct": Case(
        "InnerProduct",
        f"inner_product_param {{ num_output: 512 {FILLED} }}",
        ((64, 64, 8, 8),),
        lambda torch, F, x, w: F.linear(x[0].flatten(1), w[0], w[1]),
    ),
    "LRN": Case(
        "LRN",
        "lrn_param { local_size: 5 alpha: 0.0001 }",
        peer=lambda torch, F, x, w: F.local_response_norm(x[0], 5, alpha=1e-4),
    ),
    "LRN within": Case("LRN", "lrn_param { local_size: 3 alpha: 0.0001 norm_region: WITHIN_CHANNEL }"),
    "LSTM": Case(
        "LSTM",
        f"recurrent_param {{ num_output: 256 {FILLED} }}",
        ((20, 64, 256), continued(20, 64)),
        lstm,
    ),
    "LSTMUnit": Case(
        "LSTMUnit",
        bottoms=((1, 64, 1024), (1, 64, 4096), flags(1, 64)),
        peer=lstm_unit,
        tops=2,
        backward=(0, 1),
    ),
    "Log": Case("Log", bottoms=(positive(*MAPS),), peer=lambda torch, F, x, w: x[0].log()),
    "MVN": Case("MVN", peer=mvn),
    "MultinomialLogisticLoss": Case(
        "MultinomialLogisticLoss",
        bottoms=(simplex(64, 1000), labels(64)),
        peer=lambda torch, F, x, w: F.nll_loss(x[0].log(), x[1].long()),
    ),
    "PReLU": Case("PReLU", peer=lambda torch, F, x, w: F.prelu(x[0], w[0])),
    "Pooling MAX 2x2": Case(
        "Pooling",
        "pooling_param { kernel_size: 2 stride: 2 }",
        (WIDE,),
        lambda torch, F, x, w: F.max_pool2d(x[0], 2, 2, ceil_mode=True),
    ),
    "Pooling MAX 3x3": Case(
        "Pooling",
        "pooling_param { kernel_size: 3 stride: 2 }",
        (WIDE,),
        lambda torch, F, x, w: F.max_pool2d(x[0], 3, 2, ceil_mode=True),
    ),
    "Pooling AVE 3x3": Case(
        "Pooling",
        "pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
        ((64, 64, 57, 57),),
        lambda torch, F, x, w: F.avg_pool2d(x[0], 3, 2, ceil_mode=True),
    ),
    "Pooling AVE global": Case(
        "Pooling",
        "pooling_param { pool: AVE global_pooling: true }",
        peer=lambda torch, F, x, w: x[0].mean(dim=(2, 3), keepdim=True),
    ),
    "Power": Case(
        "Power",
        "power_param { power: 2 scale: 0.5 shift: 1 }",
        peer=lambda torch, F, x, w: (1 + 0.5 * x[0]).square(),
    ),
    "RNN": Case("RNN", f"recurrent_param {{ num_output: 256 {FILLED} }}", ((20, 64, 256), continued(20, 64)), rnn),
    "ReLU": Case("ReLU", peer=lambda torch, F, x, w: x[0].relu()),
    "ReLU leaky": Case(
        "ReLU", "relu_param { negative_slope: 0.1 }", peer=lambda torch, F, x, w: F.leaky_relu(x[0], 0.1)
    ),
    "Reduction": Case("Reduction", "reduction_param { axis: 1 }", peer=lambda torch, F, x, w: x[0].sum(dim=(1, 2, 3))),
    "Reshape": Case("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"),
    "SPP": Case("SPP", "spp_param { pyramid_height: 3 }", peer=pyramid),
    "Scale": Case(
        "Scale",
        "scale_param { bias_term: true }",
        peer=lambda torch, F, x, w: x[0] * w[0][:, None, None] + w[1][:, None, None],
    ),
    "Sigmoid": Case("Sigmoid", peer=lambda torch, F, x, w: x[0].sigmoid()),
    "SigmoidCrossEntropyLoss": Case(
        "SigmoidCrossEntropyLoss",
        bottoms=(MAPS, flags(*MAPS)),
        peer=lambda torch, F, x, w: F.binary_cross_entropy_with_logits(x[0], x[1], reduction="sum") / len(x[0]),
    ),
    "Slice": Case(
        "Slice", peer=lambda torch, F, x, w: torch.cat([part.contiguous() for part in x[0].chunk(2, 1)], 1), tops=2
    ),
    "Softmax": Case("Softmax", peer=lambda torch, F, x, w: x[0].softmax(1)),
    "Softmax 1000": Case("Softmax", bottoms=((64, 1000),), peer=lambda torch, F, x, w: x[0].softmax(1)),
    "SoftmaxWithLoss": Case(
        "SoftmaxWithLoss",
        bottoms=((64, 21, 32, 32), labels(64, 32, 32, classes=21)),
        peer=lambda torch, F, x, w: F.cross_entropy(x[0], x[1].long()),
    ),
    "Split": Case("Split", tops=2),
    "Swish": Case("Swish", peer=lambda torch, F, x, w: F.silu(x[0])),
    "TanH": Case("TanH", peer=lambda torch, F, x, w: x[0].tanh()),
    "Threshold": Case("Threshold", peer=lambda torch, F, x, w: (x[0] > 0).float(), backward=()),
    "Tile": Case("Tile", "tile_param { tiles: 2 }", peer=lambda torch, F, x, w: x[0].repeat(1, 2, 1, 1)),
}
# Beside these: layers that only read or write files, hand on memory, or run the user's own code.
NOT_TIMED = {
    *("Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "Input", "MemoryData", "WindowData"),
    *("Parameter", "Python", "Silence"),
}


def values(case: Case) -> list[np.ndarray]:
    """The bottoms' values, the same in both workers."""
    rng = np.random.default_rng(1701)
    drawn = [bottom(rng) if callable(bottom) else rng.normal(size=bottom) for bottom in case.bottoms]
    return [np.asarray(array, np.float32) for array in drawn]


def top_gradient(shape: tuple[int, ...]) -> np.ndarray:
    """dy, the same in both workers."""
    return np.asarray(np.random.default_rng(7).normal(size=shape), np.float32)
