"""Kept: gradients where blobs are overwritten before backward reads them."""

import numpy as np
import pytest
from net_kit import make_net
from numpy.testing import assert_allclose

# Types whose backward reads their top, or their bottom and their top.
TYPES = ["Sigmoid", "TanH", "Exp", "ELU", "Power", "Swish", "BNLL", "Softmax", "LRN", "MVN"]
SETTINGS = {"Power": "power_param { power: 3 shift: 4 }"}


def net_of(layer_type, in_place):
    """A layer, and a Power layer behind it, in place or not."""
    top = "y" if in_place else "z"
    return make_net(
        f"""
        force_backward: true
        layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 dim: 4 dim: 5 }} }} }}
        layer {{ name: "one" type: "{layer_type}" bottom: "x" top: "y" {SETTINGS.get(layer_type, "")} }}
        layer {{ name: "two" type: "Power" bottom: "y" top: "{top}" power_param {{ power: 3 shift: 1 }} }}
        """
    )


@pytest.mark.parametrize("layer_type", TYPES)
def test_a_layer_in_place_behind_does_not_spoil_the_gradient(rng, layer_type):
    gradients = []
    x, dy = rng.normal(size=(2, 2, 3, 4, 5))
    for in_place in (False, True):
        net = net_of(layer_type, in_place)
        net.blobs["x"].data[...] = x
        net.forward()
        net.blobs[net.outputs[0]].diff[...] = dy
        net.backward()
        gradients.append(np.array(net.blobs["x"].diff))
    assert np.abs(gradients[0]).max() > 0
    assert_allclose(gradients[1], gradients[0], rtol=1e-6)
