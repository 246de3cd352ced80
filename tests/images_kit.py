"""What tests of Classifier and Detector share: a small net with weights, and what it says of an input, by hand."""

from __future__ import annotations

import numpy as np

from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TEST

NET = """
layer {{ name: "in" type: "Input" top: "in" input_param {{ shape {{ dim: 4 dim: {} dim: {} dim: {} }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "in" top: "y" inner_product_param {{ num_output: 5
  weight_filler {{ type: "gaussian" std: 0.1 }} bias_filler {{ type: "gaussian" }} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "y" top: "prob" }}
"""


def write_net(folder, channels=3, height=6, width=6):
    """(prototxt, weights) of a net whose batches are of 4."""
    model, weights = folder / "net.prototxt", folder / "net.caffemodel"
    model.write_text(NET.format(channels, height, width))
    Net(model, TEST).save(weights)
    return model, weights


def expected_output(net, blob):
    """(5,) for one input (C, H, W)."""
    w, b = (np.array(param.data, np.float64) for param in net.params["ip"])
    y = w @ np.asarray(blob, np.float64).ravel() + b
    return np.exp(y) / np.exp(y).sum()
