"""What tests of nets share: nets from a few lines of prototxt, and small layers that this version may not have yet.

net = make_net(inputs("x") + layer("p", "TestPower", "x", "y", "power_param { scale: 2 }"))
"""

from __future__ import annotations

import re

import pytest

from minicaffe import log
from minicaffe.layers import registry
from minicaffe.layers.base import TRAIN, Layer
from minicaffe.layers.loss_layer import LossLayer
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import parse_net


class PowerLayer(NeuronLayer):
    """y = (scale * x + shift)^power; in place with power 1 only."""

    type, in_place = "TestPower", True

    def setup(self, bottom, top):
        param = self.layer_param.power_param
        self.power, self.scale, self.shift = param.power, param.scale, param.shift

    def forward(self, bottom, top):
        top[0].data[...] = (self.scale * bottom[0].data + self.shift) ** self.power

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            slope = self.power * self.scale * (self.scale * bottom[0].data + self.shift) ** (self.power - 1)
            bottom[0].diff[...] = slope * top[0].diff


class SquaresLayer(Layer):
    """y = sum of x^2: Reduction's SUMSQ over all axes."""

    type = "TestSumOfSquares"
    exact_bottom = exact_top = 1

    def reshape(self, bottom, top):
        top[0].reshape()

    def forward(self, bottom, top):
        top[0].data[...] = (bottom[0].data ** 2).sum()

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = 2 * top[0].diff * bottom[0].data


class EuclideanLayer(LossLayer):
    """loss = sum of (a - b)^2 / 2N; both bottoms may be asked for a gradient."""

    type = "TestEuclidean"
    not_forced, no_gradient = (), {}

    def forward(self, bottom, top):
        top[0].data[...] = ((bottom[0].data - bottom[1].data) ** 2).sum() / (2 * bottom[0].shape[0])

    def backward(self, top, propagate_down, bottom):
        for sign, wanted, blob in zip((1, -1), propagate_down, bottom, strict=True):
            if wanted:
                blob.diff[...] = (sign / blob.shape[0]) * top[0].diff * (bottom[0].data - bottom[1].data)


class LabelledLayer(LossLayer):
    """loss = mean of bottom[0], whatever bottom[1] says; no gradient to bottom[1], as of most losses."""

    type = "TestLabelled"

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data.mean()

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff / bottom[0].count


class SilenceLayer(Layer):
    """Reads its bottoms, and that is all; their gradient is 0."""

    type, min_bottom, exact_top = "TestSilence", 1, 0

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        for wanted, blob in zip(propagate_down, bottom, strict=True):
            if wanted:
                blob.diff[...] = 0


class SumLayer(Layer):
    """y = sum of the bottoms, of one shape: Eltwise."""

    type, min_bottom, exact_top = "TestSum", 1, 1

    def reshape(self, bottom, top):
        top[0].reshape_like(bottom[0])

    def forward(self, bottom, top):
        top[0].data[...] = sum(blob.data for blob in bottom)

    def backward(self, top, propagate_down, bottom):
        for wanted, blob in zip(propagate_down, bottom, strict=True):
            if wanted:
                blob.diff[...] = top[0].diff


class HalvesLayer(Layer):
    """y_i = the i-th run of the rows of x: Slice along the first axis."""

    type, exact_bottom, min_top = "TestHalves", 1, 1

    def reshape(self, bottom, top):
        rows = bottom[0].shape[0] // len(top)
        for blob in top:
            blob.reshape(rows, *bottom[0].shape[1:])

    def forward(self, bottom, top):
        rows = top[0].shape[0]
        for i, blob in enumerate(top):
            blob.data[...] = bottom[0].data[i * rows : (i + 1) * rows]

    def backward(self, top, propagate_down, bottom):
        rows = top[0].shape[0]
        if propagate_down[0]:
            for i, blob in enumerate(top):
                bottom[0].diff[i * rows : (i + 1) * rows] = blob.diff


class ScaledLayer(NeuronLayer):
    """y = w * x with one learnable number, whose rate it puts to 0 itself, as BatchNorm does with its statistics."""

    type = "TestScaled"

    def setup(self, bottom, top):
        filler = caffe_pb2.FillerParameter(value=2)
        self.add_parameter((1,), filler)
        if not self.layer_param.param:
            self.layer_param.param.add(lr_mult=0, decay_mult=0)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if self.param_propagate_down[0]:
            self.blobs[0].diff[...] += (top[0].diff * bottom[0].data).sum()
        if propagate_down[0]:
            bottom[0].diff[...] = self.blobs[0].data * top[0].diff


class UserCodeLayer(NeuronLayer):
    """Code of the user's, which counts on C order."""

    type, c_order = "TestUserCode", True

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data


KINDS = [
    PowerLayer,
    SquaresLayer,
    EuclideanLayer,
    LabelledLayer,
    SilenceLayer,
    SumLayer,
    HalvesLayer,
    ScaledLayer,
    UserCodeLayer,
]


@pytest.fixture
def kit(monkeypatch):
    """The layers above are known until the test ends, and everything is logged."""
    for kind in KINDS:
        monkeypatch.setitem(registry._registry, kind.type, kind)
    before = log.set_level(log.INFO)
    yield
    log.set_level(before)


@pytest.fixture
def logged(capsys):
    """Call it for the messages logged since the last call, without glog's prefix."""
    pattern = re.compile(r"[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ")
    return lambda: [pattern.sub("", line) for line in capsys.readouterr().err.splitlines()]


def inputs(*names, shape=(2, 3)):
    """An Input layer for each name, of one shape."""
    dims = " ".join(f"dim: {dim}" for dim in shape)
    return "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'
        for name in names
    )


def layer(name, kind, bottom="", top="", more=""):
    """A layer on one line; bottoms and tops are words."""
    bottoms = " ".join(f'bottom: "{blob}"' for blob in bottom.split())
    tops = " ".join(f'top: "{blob}"' for blob in top.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {more} }}\n'


def inner_product(name, bottom, top, outputs=4, more=""):
    settings = f'inner_product_param {{ num_output: {outputs} weight_filler {{ type: "gaussian" std: 1 }} }} {more}'
    return layer(name, "InnerProduct", bottom, top, settings)


def make_net(text, phase=TRAIN, level=0, stages=(), file="net.prototxt", **options):
    """A net from text, with a seed of its own unless one is given."""
    state = caffe_pb2.NetState(phase=phase, level=level, stage=stages)
    return Net.from_source(parse_net(text, file), state, **{"seed": 1, **options})


def set_blobs(net, rng, *names):
    """Normal random values into these blobs, or all inputs; what was set, by name."""
    values = {name: rng.normal(size=net.blobs[name].shape) for name in names or net.inputs}
    for name, array in values.items():
        net.blobs[name].data[...] = array
    return values


def refused(kind, text, *words, **options):
    """The net must be refused by an error of `kind` whose text holds all words. Returns the error."""
    with pytest.raises(kind) as caught:
        make_net(text, **options)
    assert type(caught.value) is kind, repr(caught.value)
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"
    return caught.value
