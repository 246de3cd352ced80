"""Passes over arrays of any length: as if each batch had been run by hand."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net

from minicaffe.errors import MinicaffeError, ShapeError

BATCH = 4


@pytest.fixture
def net():
    text = inputs("x", shape=(BATCH, 5)) + inner_product("ip", "x", "y", 3) + layer("p", "TestPower", "y", "z")
    return make_net("force_backward: true " + text)


@pytest.mark.parametrize("items", [1, 3, 4, 5, 8, 11])
def test_forward_all(net, rng, items):
    x = rng.normal(size=(items, 5))
    found = net.forward_all(blobs=["y"], x=x)
    assert set(found) == {"z", "y"}
    expected = x @ net.params["ip"][0].data.T
    for array in found.values():
        assert array.shape == (items, 3) and array.dtype == np.float32
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-6)
    assert not np.shares_memory(found["z"], net.blobs["z"].data)


@pytest.mark.parametrize("items", [1, 4, 7])
def test_forward_backward_all(net, rng, items):
    x, dz = rng.normal(size=(items, 5)), rng.normal(size=(items, 3))
    found, gradients = net.forward_backward_all(blobs=["y"], diffs=["y"], x=x, z=dz)
    weight = net.params["ip"][0].data
    assert set(found) == {"z", "y"} and set(gradients) == {"x", "y"}
    np.testing.assert_allclose(found["z"], x @ weight.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradients["y"], dz, rtol=1e-6)
    np.testing.assert_allclose(gradients["x"], dz @ weight, rtol=1e-4, atol=1e-6)
    # The padding adds nothing: its gradients are zero.
    np.testing.assert_allclose(net.params["ip"][0].diff, dz.T @ x, rtol=1e-3, atol=1e-5)


def test_a_side_that_is_left_out_runs_on_what_is_there(net, rng):
    x, dz = rng.normal(size=(BATCH, 5)), rng.normal(size=(2 * BATCH, 3))
    net.blobs["x"].data[...] = x
    found, gradients = net.forward_backward_all(z=dz)
    weight = net.params["ip"][0].data
    np.testing.assert_allclose(found["z"], np.concatenate([x, x]) @ weight.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradients["x"], dz @ weight, rtol=1e-4, atol=1e-6)
    net.blobs["z"].diff[...] = 1
    gradients = net.forward_backward_all(x=rng.normal(size=(5, 5)))[1]
    np.testing.assert_allclose(gradients["x"], np.ones((5, 3)) @ weight, rtol=1e-4, atol=1e-6)


def test_the_last_batch_is_padded_with_zeros(net, rng):
    seen = []
    net.before_forward(lambda i: i == 0 and seen.append(np.array(net.blobs["x"].data)))
    net.forward_all(x=np.ones((6, 5)))
    assert len(seen) == 2 and (seen[0] == 1).all()
    assert (seen[1][:2] == 1).all() and not seen[1][2:].any()


def test_the_batches_alone(net):
    batches = [batch["x"] for batch in net._batch({"x": np.arange(30).reshape(6, 5)})]
    assert [batch.shape for batch in batches] == [(4, 5), (4, 5)]
    np.testing.assert_array_equal(np.concatenate(batches)[:6].ravel(), np.arange(30))
    assert not batches[1][2:].any()


def test_lists_are_arrays_too(net):
    assert net.forward_all(x=[[1, 2, 3, 4, 5]] * 3)["z"].shape == (3, 3)


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({}, "there is nothing to run"),
        ({"x": np.zeros((0, 5))}, "there is nothing to run"),
        ({"x": np.zeros((3, 5)), "w": np.zeros((2, 5))}, "of one length: 'x' has 3, 'w' has 2 items"),
    ],
)
def test_what_makes_no_batches(net, arrays, words):
    for run in (net.forward_all, net.forward_backward_all):
        with pytest.raises(MinicaffeError) as caught:
            run(**arrays)
        assert words in str(caught.value)


def test_unknown_names(net):
    with pytest.raises(MinicaffeError, match="Input blob arguments do not match net inputs"):
        net.forward_all(w=np.zeros((2, 5)))
    with pytest.raises(MinicaffeError, match="neither inputs nor outputs of this net: w"):
        net.forward_backward_all(x=np.zeros((2, 5)), w=np.zeros((2, 5)))


def test_results_without_a_batch_axis():
    net = make_net(inputs("x") + layer("s", "TestSumOfSquares", "x", "s"))
    with pytest.raises(ShapeError, match="'s' has no batch axis"):
        net.forward_all(x=np.zeros((4, 3)))


def test_a_first_blob_without_a_batch_axis():
    scalar = layer("d", "Input", "", "d", "input_param { shape { } }")
    net = make_net(scalar + inputs("x"))
    with pytest.raises(ShapeError, match="first blob, and 'd' has shape"):
        net.forward_all(x=np.zeros((2, 3)), d=np.zeros((2,)))
