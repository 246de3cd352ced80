"""The harness itself: it must find what is wrong."""

import numpy as np
import pytest
from harness import check_gradient, check_rejected, run_layer

from minicaffe.errors import ParamError, ShapeError

INNER_PRODUCT = 'type: "InnerProduct" inner_product_param { num_output: 3 }'


def scale_bottom(run):
    run.bottom[0].diff[...] *= 1 + 1e-6


def add_to_bottom(run):
    run.bottom[0].diff[...] += 7


def scale_weight(run):
    run.blobs[0].diff[...] = 3 + (run.blobs[0].diff - 3) * (1 + 1e-5)


def overwrite_weight(run):
    run.blobs[0].diff[...] -= 3


def one_element(run):
    run.bottom[0].diff[1, 2] += 1e-3


@pytest.mark.parametrize("fault", [scale_bottom, add_to_bottom, scale_weight, overwrite_weight, one_element])
def test_a_wrong_gradient_is_found(rng, fault):
    x = rng.normal(size=(2, 5)) * 10
    check_gradient(INNER_PRODUCT, x)
    with pytest.raises(AssertionError, match="backward says"):
        check_gradient(INNER_PRODUCT, x, break_it=fault)


def test_a_diff_that_nobody_asked_for_is_found(rng):
    calls = []

    def write_in_the_last_pass(run):
        calls.append(run)
        if len(calls) == 2:
            run.bottom[0].diff[...] = 0

    with pytest.raises(AssertionError, match=r"bottom\[0\].diff was touched"):
        check_gradient('type: "ReLU"', rng.normal(size=(2, 5)), kink=0, break_it=write_in_the_last_pass)


def test_a_kink_everywhere_is_found():
    with pytest.raises(AssertionError, match="0% of the elements"):
        check_gradient('type: "ReLU"', np.zeros((2, 3)), kink=0)


def test_parameters_can_be_given():
    run = run_layer(INNER_PRODUCT, np.ones((2, 4)), blobs=[np.full((3, 4), 0.5), [1, 2, 3]])
    assert run.top[0].data.tolist() == [[3, 4, 5]] * 2


POOLING = 'type: "Pooling" pooling_param { kernel_size: 2 stride: 0 }'


@pytest.mark.parametrize(
    "kind, field, words",
    [
        (ShapeError, "pooling_param.stride", "is 0"),
        (ParamError, "pooling_param.pad", "is 0"),
        (ParamError, "pooling_param.stride", "is 1"),
    ],
)
def test_another_refusal_than_the_one_expected_is_found(kind, field, words):
    check_rejected(POOLING, [(2, 3, 4, 5)], ParamError, "pooling_param.stride", "is 0")
    with pytest.raises(AssertionError):
        check_rejected(POOLING, [(2, 3, 4, 5)], kind, field, words)
