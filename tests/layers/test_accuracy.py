"""Accuracy beside its row of the table: ties, NaN, none to count, many to count, flags."""

import numpy as np
import pytest
from harness import check_rejected, make_layer, run_layer
from numpy.testing import assert_allclose

from minicaffe.errors import GraphError, ParamError

SHAPE = (2, 3, 4, 5)


def prototxt(settings=""):
    return f'type: "Accuracy" accuracy_param {{ {settings} }}'


def definition(x, labels, axis=1, top_k=1, ignore=None):
    """(accuracy, accuracy per class)."""
    scores = np.moveaxis(x, axis, -1)
    right, total = np.zeros(x.shape[axis]), np.zeros(x.shape[axis])
    for place, label in zip(np.ndindex(*scores.shape[:-1]), labels.ravel(), strict=True):
        if ignore is not None and int(label) == ignore:
            continue
        own = scores[place][int(label)]
        others = sum(score >= own for k, score in enumerate(scores[place]) if k != int(label))
        right[int(label)] += others < top_k
        total[int(label)] += 1
    return right.sum() / max(1, total.sum()), right / np.maximum(1, total)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("ignore", [None, 0, 1, -5, 255])
def test_the_definition(backend, order, rng, axis, top_k, ignore):
    # Few different scores: many ties.
    x = rng.integers(0, 4, SHAPE).astype(float)
    labels = rng.integers(0, SHAPE[axis], SHAPE[:axis] + SHAPE[axis + 1 :]).astype(float)
    if ignore is not None:
        labels.flat[::5] = ignore
    text = f"axis: {axis} top_k: {top_k}" + ("" if ignore is None else f" ignore_label: {ignore}")
    overall, each = definition(x, labels, axis, top_k, ignore)
    for tops in (1, 2):
        run = run_layer(prototxt(text), x, labels, tops=tops)
        assert run.top[0].shape == () and run.top[0].data == pytest.approx(overall, rel=1e-6)
        assert run.loss == 0
        if tops == 2:
            assert run.top[1].shape == (SHAPE[axis],)
            assert_allclose(run.top[1].data, each, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 1, 4, 5), (40,), (5, 4, 2)])
def test_labels_of_any_shape(backend, order, rng, shape):
    """They are read in C order, whatever the memory order."""
    x, labels = rng.normal(size=SHAPE), rng.integers(0, 3, (2, 4, 5))
    overall, each = definition(x, labels)
    run = run_layer(prototxt(), x, labels.reshape(shape), tops=2)
    assert run.top[0].data == pytest.approx(overall, rel=1e-6)
    assert_allclose(run.top[1].data, each, rtol=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_a_tie_is_wrong(backend, label):
    scores = np.array([[1, 1, 0]])
    assert run_layer(prototxt(), scores, np.array([label])).top[0].data == 0
    assert run_layer(prototxt("top_k: 2"), scores, np.array([label])).top[0].data == 1


def test_nan_at_the_label_compares_with_nothing(backend):
    assert run_layer(prototxt(), np.array([[np.nan, 1, 0]]), np.array([0])).top[0].data == 1


def test_all_ignored_and_none_there(backend, order):
    run = run_layer(prototxt("ignore_label: 2"), np.ones(SHAPE), np.full((2, 4, 5), 2), tops=2)
    assert run.top[0].data == 0 and not run.top[1].data.any()
    run = run_layer(prototxt(), (0, 3), (0,), tops=2)
    assert run.top[0].data == 0 and run.top[1].data.tolist() == [0, 0, 0]


def test_many_positions_are_counted_exactly(backend, rng):
    """More than a byte, more than float32 can count one by one in halves: sums are integers."""
    x, labels = rng.normal(size=(3000, 4)), rng.integers(0, 4, 3000)
    overall, each = definition(x, labels)
    run = run_layer(prototxt(), x, labels, tops=2, dtype="float64")
    assert run.top[0].data == overall
    assert_allclose(run.top[1].data, each, rtol=1e-12)


def test_another_shape(backend, order, rng):
    run = make_layer(prototxt(), SHAPE, (2, 4, 5), tops=2)
    for shape in [SHAPE, (5, 3, 2, 2), (1, 4, 3, 3)]:
        x, labels = rng.normal(size=shape), rng.integers(0, shape[1], (shape[0], *shape[2:]))
        run.feed(x, labels)
        overall, each = definition(x, labels)
        assert run.forward().top[0].data == pytest.approx(overall, rel=1e-6)
        assert_allclose(run.top[1].data, each, rtol=1e-6)


def test_backward_without_a_flag_does_nothing(backend):
    run = run_layer(prototxt(), np.ones((2, 3)), np.zeros(2))
    run.bottom[0].diff[...] = 7
    assert (run.backward([False, False]).bottom[0].diff == 7).all()


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags, words", [([True, False], "bottom[0]"), ([False, True], "bottom[1]")])
def test_no_gradient(flags, words):
    def backward(run):
        run.forward().backward(flags)

    check_rejected(prototxt(), [(2, 3), (2,)], GraphError, "propagate_down", words, "no gradient", act=backward)


def test_top_k_beyond_the_classes():
    make_layer(prototxt("top_k: 3"), SHAPE, (2, 4, 5))
    check_rejected(prototxt("top_k: 4"), [SHAPE, (2, 4, 5)], ParamError, "accuracy_param.top_k", "is 4", "at most 3")
