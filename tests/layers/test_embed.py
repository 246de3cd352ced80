"""Embed: repeated words, shapes of any rank."""

import numpy as np
import pytest
from harness import check_rejected, run_layer
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import ShapeError

EMBED = 'type: "Embed" embed_param { input_dim: 5 num_output: 3 weight_filler { type: "gaussian" } }'


def test_a_repeated_word_adds_up_and_what_was_there_stays(backend):
    run = run_layer(EMBED, np.array([1.0, 4, 1, 1]))
    assert_array_equal(run.top[0].data[0], run.top[0].data[3])
    run.top[0].diff[...] = [[1, 2, 3], [10, 20, 30], [4, 5, 6], [7, 8, 9]]
    run.blobs[0].diff[...] = 100
    run.backward([False])
    expected = np.full((5, 3), 100.0)
    expected[1] += [12, 15, 18]
    expected[4] += [10, 20, 30]
    assert_array_equal(run.blobs[0].diff, expected)
    assert_array_equal(run.blobs[1].diff, [22, 35, 48])


def test_it_is_an_inner_product_with_one_hot_vectors(order, rng):
    words = rng.integers(0, 5, size=(17, 2, 3))
    run = run_layer(EMBED, words.astype(float), dtype="float64")
    one_hot = np.eye(5)[words]
    assert_allclose(run.top[0].data, one_hot @ run.blobs[0].data + run.blobs[1].data)
    dy = run.top[0].diff[...] = rng.normal(size=(17, 2, 3, 3))
    run.backward([False])
    assert_allclose(run.blobs[0].diff, one_hot.reshape(-1, 5).T @ dy.reshape(-1, 3), atol=1e-12)


@pytest.mark.parametrize("shape", [(), (4,), (2, 1, 1, 1), (0, 3)])
def test_any_rank(backend, order, shape):
    run = run_layer(EMBED, shape)
    assert run.top[0].shape == (*shape, 3)
    assert_array_equal(run.top[0].data, np.broadcast_to(run.blobs[0].data[0], (*shape, 3)))


def test_frozen_parameters_are_left_alone(backend):
    run = run_layer(EMBED, np.zeros(4))
    run.layer.param_propagate_down = [False, True]
    run.top[0].diff[...] = 1
    run.backward([False])
    assert not run.blobs[0].diff.any() and (run.blobs[1].diff == 4).all()


def test_more_rows_than_any_memory():
    words = ("is 2000000000, and num_output 9: ", "shape 2000000000 9 (18000000000)", "72000000000 bytes")
    text = 'type: "Embed" embed_param { input_dim: 2000000000 num_output: 9 }'
    check_rejected(text, [(2,)], ShapeError, "embed_param.input_dim", *words)


def test_a_top_larger_than_any_memory():
    words = ("is 100000: ", "shape 100000 100000 (10000000000)", "40000000000 bytes")
    text = 'type: "Embed" embed_param { input_dim: 3 num_output: 100000 }'
    check_rejected(text, [(100000,)], ShapeError, "embed_param.num_output", *words)
