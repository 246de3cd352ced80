"""BatchNorm, Scale, LRN and MVN inside nets: what is trained, what may run in place."""

import numpy as np
import pytest
from net_kit import inputs, layer, make_net
from numpy.testing import assert_allclose

from minicaffe.errors import GraphError

CHAIN = (
    inputs("x", shape=(4, 3, 2, 5))
    + layer("norm", "BatchNorm", "x", "y")
    + layer("scale", "Scale", "y", "y", "scale_param { bias_term: true }")
    + layer("relu", "ReLU", "y", "y")
    + layer("sum", "Reduction", "y", "loss", "loss_weight: 1")
)


def test_statistics_are_parameters_that_are_not_trained(backend):
    net = make_net(CHAIN)
    assert net.params_lr == [0, 0, 0, 1, 1]


def test_batch_norm_scale_and_relu_on_one_blob(backend, rng):
    """The usual chain: each layer's gradient must not depend on what the next one has overwritten."""
    net = make_net("force_backward: true " + CHAIN)
    shape = net.blobs["x"].data.shape
    x = rng.normal(size=shape)
    net.blobs["x"].data[...] = x
    net.forward()
    net.backward()
    axes = (0, *range(2, x.ndim))
    deviation = np.sqrt(x.var(axis=axes, keepdims=True) + 1e-5)
    y = (x - x.mean(axis=axes, keepdims=True)) / deviation
    dy = (y > 0).astype(float)
    assert_allclose(net.params["scale"][0].diff, (dy * y).sum(axis=axes), rtol=1e-4, atol=1e-5)
    assert_allclose(net.params["scale"][1].diff, dy.sum(axis=axes), rtol=1e-5)
    dx = (dy - dy.mean(axis=axes, keepdims=True) - y * (dy * y).mean(axis=axes, keepdims=True)) / deviation
    assert_allclose(net.blobs["x"].diff, dx, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layer_type", ["BatchNorm", "MVN"])
def test_a_bottom_that_is_overwritten_later(rng, layer_type):
    """By a layer in place on another top of the Split: both are one memory, which the gradient must not need."""
    gradients = []
    x, dy = rng.normal(size=(2, 2, 3, 4, 5))
    for top in ("c", "b"):
        net = make_net(
            "force_backward: true "
            + inputs("x", shape=x.shape)
            + layer("split", "Split", "x", "a b")
            + layer("norm", layer_type, "a", "y")
            + layer("relu", "ReLU", "b", top)
        )
        net.blobs["x"].data[...] = x
        net.forward()
        net.blobs["y"].diff[...] = dy
        net.backward()
        gradients.append(np.array(net.blobs["x"].diff))
    assert np.abs(gradients[0]).max() > 0
    assert_allclose(gradients[1], gradients[0], rtol=1e-6)


def test_lrn_in_place_is_refused():
    with pytest.raises(GraphError, match=r'layer "lrn" \(LRN\)'):
        make_net(inputs("x") + layer("lrn", "LRN", "x", "x"))
