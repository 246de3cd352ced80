"""What solver tests share: small nets, a least-squares loss of their own, and the log's messages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from minicaffe.layers import registry
from minicaffe.layers.loss_layer import LossLayer

N, D = 8, 3  # samples, features


class SquaresLayer(LossLayer):
    """loss = sum of (bottom[0] - bottom[1])^2 / 2N: what least squares need, defined here in three lines."""

    type = "TestSquares"

    def forward(self, bottom, top):
        top[0].data[...] = ((bottom[0].data - bottom[1].data) ** 2).sum() / (2 * bottom[0].shape[0])

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = (bottom[0].data - bottom[1].data) * (top[0].diff / bottom[0].shape[0])


def register_squares(monkeypatch):
    """Make TestSquares known until the test ends, so that lists of all types stay as they are."""
    monkeypatch.setitem(registry._registry, "TestSquares", SquaresLayer)


def least_squares(batch=N, param="", phase=""):
    """y = X w + b with given X and targets."""
    return f"""
    name: "squares"
    {phase}
    layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: {batch} dim: {D} }} }} }}
    layer {{ name: "t" type: "Input" top: "t" input_param {{ shape {{ dim: {batch} dim: 1 }} }} }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "y" {param}
             inner_product_param {{ num_output: 1 weight_filler {{ type: "gaussian" std: 1 }}
                                    bias_filler {{ type: "constant" value: 0.5 }} }} }}
    layer {{ name: "loss" type: "TestSquares" bottom: "y" bottom: "t" top: "loss" }}
    """


# A net that feeds itself: the data are drawn anew for each pass, the label is always 1.
CLASSIFIER = """
name: "classifier"
layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 4 dim: 5 } shape { dim: 4 }
                           data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def write_solver(folder: Path, settings: str, net: str = CLASSIFIER, name: str = "solver.prototxt") -> str:
    """Write net.prototxt and a solver file that uses it; the solver file's path."""
    (folder / "net.prototxt").write_text(net)
    solver = folder / name
    solver.write_text(f'net: "{folder}/net.prototxt"\n{settings}\n')
    return str(solver)


def samples(rng, count=N):
    """Features (count, D) and targets (count, 1)."""
    return rng.normal(size=(count, D)), rng.normal(size=(count, 1))


def feed(net, x, t):
    """Let passes of a least_squares net take their batches from x and t, one after the other, round and round."""
    batch = net.blobs["x"].shape[0]
    position = [0]

    def fill(layer):
        if layer == 0:
            start = position[0] % len(x)
            net.blobs["x"].data[...] = x[start : start + batch]
            net.blobs["t"].data[...] = t[start : start + batch]
            position[0] += batch

    net.before_forward(fill)


def weights(net):
    """All parameters as one flat float64 array."""
    return np.concatenate([np.array(blob.data, np.float64).ravel() for blobs in net.params.values() for blob in blobs])


def history(solver):
    """All that the rule remembers, one flat array."""
    return np.concatenate([np.array(solver.net.backend.to_host(h)).ravel() for h in solver._updater.history])


def messages(capsys):
    """What was logged since the last call, without prefixes and without the building of nets."""
    text = capsys.readouterr().err
    return [match[1] for match in re.finditer(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] (.*)$", text, re.MULTILINE)]
