"""InfogainLoss beside its row of the table: the identity, a matrix that changes, files, clamps, NaN where ignored."""

import math

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose

from minicaffe.proto import caffe_pb2

SHAPE = (2, 3, 4, 5)
# The matrix does not forbid force_backward to ask for its gradient, but has none.
SCORES_ALONE = [True, False, False]
SOFTMAX, INFOGAIN = 'type: "SoftmaxWithLoss"', 'type: "InfogainLoss"'


@pytest.mark.parametrize("settings", ["", "loss_param { normalization: NONE ignore_label: 1 }", "loss_weight: 2"])
def test_the_identity_makes_it_softmax_with_loss(backend, order, rng, settings):
    x, labels = rng.normal(size=SHAPE), rng.integers(0, 3, (2, 4, 5))
    one = run_layer(f"{SOFTMAX} {settings}", x, labels).backward()
    other = run_layer(f"{INFOGAIN} {settings}", x, labels, np.eye(3)).backward(SCORES_ALONE)
    assert other.loss == pytest.approx(one.loss, rel=1e-6)
    assert_allclose(other.bottom[0].diff, one.bottom[0].diff, rtol=1e-5, atol=1e-8)


def test_spot_value(backend):
    """Two equal scores: p = 1/2, and the label's row of the matrix is (3, -1)."""
    run = run_layer(INFOGAIN, np.zeros((1, 2)), np.array([1]), np.array([[7, 7], [3, -1]])).backward(SCORES_ALONE)
    assert run.loss == pytest.approx(2 * math.log(2), rel=1e-6)
    assert_allclose(run.bottom[0].diff, [[1 - 3, 1 + 1]])


def test_the_matrix_may_change_every_time(backend):
    run = run_layer(INFOGAIN, np.zeros((1, 2)), np.array([0]), np.eye(2))
    assert run.loss == pytest.approx(math.log(2), rel=1e-6)
    run.bottom[2].data[...] = 5 * np.eye(2)
    assert run.forward().loss == pytest.approx(5 * math.log(2), rel=1e-6)
    assert_allclose(run.backward(SCORES_ALONE).bottom[0].diff, [[-2.5, 2.5]])


@pytest.mark.parametrize("shape", [(16, 4, 2, 2), (1, 1, 16, 16), (256,), (256, 1, 1, 1)])
def test_the_matrix_is_read_row_by_row(backend, order, rng, shape):
    """Whatever its shape, and its order in memory."""
    x, labels, matrix = rng.normal(size=(5, 16)), rng.integers(0, 16, 5), rng.normal(size=(16, 16))
    logs = np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))
    expected = -(matrix[labels] * logs).sum() / 5
    assert run_layer(INFOGAIN, x, labels, np.resize(matrix, shape)).loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_matrix_from_a_file(backend, tmp_path, legacy):
    path = tmp_path / "infogain.binaryproto"
    sizes = {"num": 1, "channels": 1, "height": 2, "width": 2} if legacy else {"shape": {"dim": [2, 2]}}
    path.write_bytes(caffe_pb2.BlobProto(data=[1, 2, 3, 4], **sizes).SerializeToString())
    source = f'infogain_loss_param {{ source: "{path}" }}'
    x, labels = np.zeros((1, 2)), np.array([1])
    assert run_layer(f"{INFOGAIN} {source}", x, labels).loss == pytest.approx(7 * math.log(2), rel=1e-6)
    # The third bottom goes first, and the file is not even looked for.
    path.unlink()
    assert run_layer(f"{INFOGAIN} {source}", x, labels, np.eye(2)).loss == pytest.approx(math.log(2), rel=1e-6)


def test_an_impossible_class_is_clamped(backend):
    """At 1e-20, not where SoftmaxWithLoss does; the slope knows no clamp."""
    run = run_layer(INFOGAIN, np.array([[0.0, 1000]]), np.array([0]), np.eye(2)).backward(SCORES_ALONE)
    assert run.loss == pytest.approx(-math.log(1e-20), rel=1e-6)
    assert_allclose(run.bottom[0].diff, [[-1, 1]])


def test_what_is_ignored_may_be_anything(backend):
    text = f"{INFOGAIN} loss_param {{ ignore_label: -1 }}"
    run = run_layer(text, np.array([[np.nan, 1], [0, 0]]), np.array([-1, 0]), np.eye(2)).backward(SCORES_ALONE)
    assert run.loss == pytest.approx(math.log(2), rel=1e-6)
    assert_allclose(run.bottom[0].diff, [[0, 0], [-0.5, 0.5]])


def test_its_axis_is_its_own(rng):
    x, labels = rng.normal(size=(2, 4, 3)), rng.integers(0, 3, (2, 4))
    text = f"{INFOGAIN} softmax_param {{ axis: 7 }} infogain_loss_param {{ axis: 2 }}"
    assert run_layer(text, x, labels, np.eye(3), tops=2).top[1].data.sum(axis=2) == pytest.approx(np.ones((2, 4)))


def test_two_tops_need_no_list_of_weights(backend, rng):
    run = make_layer(INFOGAIN, rng.normal(size=(2, 3)), np.zeros(2), np.eye(3), tops=2)
    assert run.layer.loss_weights == [1, 0]
