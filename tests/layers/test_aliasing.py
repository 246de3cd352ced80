"""Tops that are their bottom in another shape: shared memory where its order allows it, copies where it does not."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from net_kit import make_net
from numpy.testing import assert_array_equal

from minicaffe.blob import DATA, DIFF

SHAPE = (2, 3, 4, 5)
RESHAPE = 'type: "Reshape" reshape_param {{ shape {{ {} }} }}'

# prototxt: the top's shape for SHAPE, whether the batch stays in front
ALIASES = {
    'type: "Flatten"': ((2, 60), True),
    'type: "Flatten" flatten_param { axis: 0 end_axis: 1 }': ((6, 4, 5), False),
    RESHAPE.format("dim: 0 dim: -1 dim: 5"): ((2, 12, 5), True),
    RESHAPE.format("dim: -1 dim: 5"): ((24, 5), False),
    RESHAPE.format("dim: 4 dim: 3 dim: 2 dim: 5"): ((4, 3, 2, 5), False),
    'type: "Concat"': (SHAPE, True),
    'type: "Slice"': (SHAPE, True),
}


def shared(run, which):
    return run.inner_top[0].storage(which) is run.inner_bottom[0].storage(which)


@pytest.mark.parametrize("prototxt", ALIASES)
def test_the_top_is_the_bottom_wherever_it_can_be(backend, order, rng, prototxt):
    shape, batch_stays = ALIASES[prototxt]
    x = rng.normal(size=SHAPE).astype(np.float32)
    run = run_layer(prototxt, x)
    assert_array_equal(run.top[0].data, x.reshape(shape))
    can = batch_stays or run.inner_bottom[0].order == "C"
    assert shared(run, DATA) == shared(run, DIFF) == can
    run.top[0].diff[...] = rng.normal(size=shape)
    assert_array_equal(run.backward().bottom[0].diff.ravel(), run.top[0].diff.ravel())


@pytest.mark.parametrize("prototxt", [prototxt for prototxt in ALIASES if "dim: 4" not in prototxt])
def test_both_ways_when_the_order_changes_on_the_way(rng, prototxt):
    """A net may go from few images, in C order, to many, whose batch lies innermost, and back."""
    run, seen = make_layer(prototxt, SHAPE, order="auto"), []
    for batch in (2, 16, 4, 32):
        x = rng.normal(size=(batch, *SHAPE[1:])).astype(np.float32)
        assert_array_equal(run.feed(x).forward().top[0].data.ravel(), x.ravel())
        run.top[0].diff[...] = rng.normal(size=run.top[0].shape)
        assert_array_equal(run.backward().bottom[0].diff.ravel(), run.top[0].diff.ravel())
        seen.append(shared(run, DATA))
    assert seen == [True, ALIASES[prototxt][1]] * 2


def test_a_loss_weight_is_not_overwritten_by_a_layer_in_place_below():
    """The seed of the gradient is the top's own, or the second pass would begin with what ReLU left in it."""
    net = make_net(
        """
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param {
            num_output: 2 weight_filler { type: "constant" value: 1 } } }
        layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }
        layer { name: "flat" type: "Flatten" bottom: "y" top: "z" loss_weight: 3 }
        """
    )
    for sign in (-1, 1):
        net.blobs["x"].data[...] = sign
        net.forward()
        net.backward()
        assert_array_equal(net.blobs["y"].diff, np.full((2, 2), 3.0 * (sign > 0)))
