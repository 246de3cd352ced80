"""Kept: gradients where blobs are overwritten before backward reads them."""

import numpy as np
import pytest
from net_kit import make_net
from numpy.testing import assert_allclose

# Types whose backward reads their top, or their bottom and their top.
TYPES = ["Sigmoid", "TanH", "Exp", "ELU", "Power", "Swish", "BNLL", "Softmax", "LRN", "MVN"]
# Types that may run in place themselves, several of them on one blob.
CHAINED = [*TYPES, "ReLU", "ReLU leaky", "PReLU", "Clip", "Log", "Dropout", "Scale", "BatchNorm", "Bias"]
CHAINED.remove("LRN")
SETTINGS = {
    "Power": "power_param { power: 3 shift: 4 }",
    "ReLU leaky": "relu_param { negative_slope: 0.1 }",
    "Clip": "clip_param { min: -0.3 max: 0.8 }",
    "Log": "log_param { shift: 9 }",
}


def net_of(layer_type, *blobs):
    """A Power layer, the layer at hand, and another Power layer; blobs: the tops of the last two."""
    one, two = blobs
    return make_net(
        f"""
        force_backward: true
        layer {{ name: "in" type: "Input" top: "in" input_param {{ shape {{ dim: 2 dim: 3 dim: 4 dim: 5 }} }} }}
        layer {{ name: "zero" type: "Power" bottom: "in" top: "x" power_param {{ scale: 2 }} }}
        layer {{ name: "one" type: "{layer_type.split()[0]}" bottom: "x" top: "{one}" {SETTINGS.get(layer_type, "")} }}
        layer {{ name: "two" type: "Power" bottom: "{one}" top: "{two}" power_param {{ power: 3 shift: 1 }} }}
        """,
        seed=3,
    )


@pytest.mark.parametrize(
    "layer_type, tops", [(t, "yy") for t in TYPES] + [(t, "xx") for t in CHAINED], ids=lambda param: param
)
def test_a_layer_in_place_behind_does_not_spoil_the_gradient(backend, rng, layer_type, tops):
    gradients = []
    x, dy = rng.normal(size=(2, 2, 3, 4, 5))
    for names in ("yz", tops):
        net = net_of(layer_type, *names)
        net.blobs["in"].data[...] = x
        net.forward()
        net.blobs[net.outputs[0]].diff[...] = dy
        net.backward()
        gradients.append(np.array(net.blobs["in"].diff))
    assert np.abs(gradients[0]).max() > 0
    assert_allclose(gradients[1], gradients[0], rtol=1e-6)
