"""Reshape: how a shape is worked out."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal

# The examples of Caffe's own documentation, on (2, 8).
EXAMPLES = {
    "shape { dim: 0 dim: 2 dim: 4 }": (2, 2, 4),
    "shape { dim: 2 dim: -1 } axis: 1": (2, 2, 4),
    "shape { dim: 1 } axis: 1 num_axes: 0": (2, 1, 8),
    "shape { dim: 1 } axis: -1 num_axes: 0": (2, 8, 1),
    "shape { dim: -1 }": (16,),
    "shape { dim: 0 dim: 0 dim: -1 }": (2, 8, 1),
    "shape { dim: -1 dim: 0 }": (2, 8),
}


@pytest.mark.parametrize("settings", EXAMPLES)
def test_examples(backend, settings):
    x = np.arange(16.0).reshape(2, 8)
    run = run_layer(f'type: "Reshape" reshape_param {{ {settings} }}', x)
    assert run.top[0].shape == EXAMPLES[settings]
    assert_array_equal(run.top[0].data.ravel(), x.ravel())


def test_one_value_becomes_a_scalar(backend):
    run = run_layer('type: "Reshape" reshape_param { shape { } }', np.full((1, 1), 3.0))
    assert run.top[0].shape == () and run.top[0].data == 3


@pytest.mark.parametrize(
    "settings, shape",
    [
        ("shape { dim: 0 dim: -1 }", (0, 60)),
        ("shape { dim: -1 } axis: 1", (0, 60)),
        ("shape { dim: 0 dim: -1 dim: 6 }", (0, 10, 6)),
        ("shape { dim: -1 dim: 60 }", (0, 60)),
    ],
)
def test_an_empty_batch(backend, settings, shape):
    """Caffe divides by zero here."""
    assert run_layer(f'type: "Reshape" reshape_param {{ {settings} }}', (0, 3, 4, 5)).top[0].shape == shape


def test_an_inferred_size_follows_the_bottom(order, rng):
    run = make_layer('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 dim: 2 } }', (2, 3, 4))
    for shape in ((2, 3, 4), (5, 2, 1), (1, 8, 8)):
        assert run.feed(rng.normal(size=shape)).forward().top[0].shape == (shape[0], shape[1] * shape[2] // 2, 2)
