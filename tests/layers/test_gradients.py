"""One table of all layer types: each has its gradient checked, and each check is seen to fail on a wrong one."""

import numpy as np
import pytest
from harness import check_gradient

from minicaffe.layers import layer_type_list

SHAPE = (2, 3, 4, 5)
LABELS = np.arange(40).reshape(2, 4, 5) % 3

# type: (its settings, what bottoms it has beside x)
TABLE = {
    "Convolution": ("convolution_param { num_output: 4 kernel_size: 3 pad: 1 }", []),
    "InnerProduct": ("inner_product_param { num_output: 4 }", []),
    "Pooling": ("pooling_param { kernel_size: 2 }", []),
    "ReLU": ("", []),
    "Softmax": ("", []),
    "SoftmaxWithLoss": ("", [LABELS]),
    "Split": ("", []),
}
WITHOUT_GRADIENT = {
    "Accuracy",
    "Data",
    "DummyData",
    "HDF5Data",
    "HDF5Output",
    "ImageData",
    "Input",
    "MemoryData",
    "WindowData",
}


def test_no_type_is_missing():
    assert set(layer_type_list()) <= set(TABLE) | WITHOUT_GRADIENT


@pytest.mark.parametrize("layer_type", TABLE)
def test_gradient(order, rng, layer_type):
    settings, others = TABLE[layer_type]
    check_gradient(f'type: "{layer_type}" {settings}', rng.normal(size=SHAPE), *others)


@pytest.mark.parametrize("which", ["bottom", "blobs"])
@pytest.mark.parametrize("layer_type", TABLE)
def test_a_broken_gradient_is_caught(rng, layer_type, which):
    broken = []

    def break_it(run):
        for blob in getattr(run, which)[:1]:
            broken.append(blob)
            blob.diff[...] = blob.diff * (1 + 1e-5) + 1e-5

    settings, others = TABLE[layer_type]
    arguments = (f'type: "{layer_type}" {settings}', rng.normal(size=SHAPE), *others)
    if which == "blobs" and layer_type not in ("Convolution", "InnerProduct"):
        check_gradient(*arguments, break_it=break_it)
        assert not broken, f"{layer_type} has parameters now: take it into the list"
        return
    with pytest.raises(AssertionError, match="backward says"):
        check_gradient(*arguments, break_it=break_it)
