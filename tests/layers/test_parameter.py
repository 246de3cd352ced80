"""Parameter: its top is its blob, its gradients add up."""

import numpy as np
from harness import run_layer
from net_kit import make_net
from numpy.testing import assert_array_equal

SHAPE = 'type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }'
NET = """
    layer { name: "w" type: "Parameter" top: "w" param { name: "shared" } parameter_param { shape { dim: 2 dim: 3 } } }
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { name: "shared" }
        inner_product_param { num_output: 2 bias_term: false } }
    layer { name: "squares" type: "Reduction" bottom: "w" top: "s" reduction_param { operation: SUMSQ } loss_weight: 1 }
    layer { name: "sum" type: "Reduction" bottom: "y" top: "t" loss_weight: 1 }
"""


def test_the_top_is_the_blob(backend):
    run = run_layer(SHAPE)
    assert_array_equal(run.blobs[0].data, np.zeros((2, 3)))
    run.blobs[0].data[1, 2] = 5
    run.forward()
    assert run.top[0].data[1, 2] == 5


def test_without_a_shape_it_is_one_number(backend):
    run = run_layer('type: "Parameter"')
    assert run.top[0].shape == () and run.top[0].data == 0


def test_gradients_of_several_passes_add_up(backend):
    run = run_layer(SHAPE)
    for passes in (1, 2, 3):
        run.top[0].diff[...] = 2
        run.backward([])
        assert_array_equal(run.blobs[0].diff, np.full((2, 3), 2 * passes))


def test_a_frozen_one_gets_none(backend):
    run = run_layer(SHAPE)
    run.layer.param_propagate_down[0] = False
    run.top[0].diff[...] = 2
    run.backward([])
    assert_array_equal(run.blobs[0].diff, np.zeros((2, 3)))


def test_a_blob_that_another_layer_shares(rng):
    """Its memory is settled after the layer is set up; both layers add to one gradient, which the top's reads as."""
    net = make_net(NET)
    w, x = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    net.params["w"][0].data[...] = w
    net.blobs["x"].data[...] = x
    net.forward()
    assert_array_equal(net.blobs["w"].data, w)
    np.testing.assert_allclose(net.blobs["s"].data, (w * w).sum(), rtol=1e-5)
    net.backward()
    expected = 2 * w + x.sum(axis=0)
    np.testing.assert_allclose(net.params["w"][0].diff, expected, rtol=1e-5)
    np.testing.assert_allclose(net.blobs["w"].diff, expected, rtol=1e-5)
