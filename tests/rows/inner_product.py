"""Rows of the layers that multiply with a matrix, or pick rows of one."""

import math

import numpy as np
from layer_table import SHAPE, Case, Refusal, Row

from minicaffe.errors import DataError, GraphError, ParamError, ShapeError

BOTTOM = (2, *SHAPE)


def inner_product(param, bottoms, blobs):
    p, x = param.inner_product_param, bottoms[0]
    outer = x.shape[: p.axis % x.ndim]
    rows = x.reshape(math.prod(outer), -1 if x.size else 60)
    y = np.empty((len(rows), p.num_output))
    for m, o in np.ndindex(*y.shape):
        weights = blobs[0][:, o] if p.transpose else blobs[0][o]
        y[m, o] = sum(a * b for a, b in zip(rows[m], weights, strict=True)) + (blobs[1][o] if p.bias_term else 0)
    return [y.reshape(*outer, p.num_output)]


def embed(param, bottoms, blobs):
    p, x = param.embed_param, bottoms[0]
    y = np.empty((*x.shape, p.num_output))
    for at in np.ndindex(*x.shape):
        for o in range(p.num_output):
            y[(*at, o)] = blobs[0][int(x[at]), o] + (blobs[1][o] if p.bias_term else 0)
    return [y]


def words(*shape):
    """Few words, so that some come more than once."""
    return lambda rng, n: (rng.integers(0, 4, size=(n, *shape)).astype(float),)


def refused(settings, kind, field, *words, bottoms=(BOTTOM,), **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


def ip(settings):
    return f"inner_product_param {{ {settings} }}"


def change_inputs(run):
    run.bottom[0].reshape(2, 61)
    run.forward()


def bad_words():
    for value in (5, -1, 2.5, math.nan, math.inf):
        yield refused(
            *("embed_param { input_dim: 5 num_output: 2 }", DataError, ""),
            *(f"bottom[0] holds {value:g} at position 3", "whole numbers between 0 and 4"),
            bottoms=[np.array([[0, 4], [1, value]])],
            act=lambda run: run.forward(),
        )


ROWS = {
    "Embed": Row(
        (
            Case("embed_param { input_dim: 5 num_output: 3 }", words(6)),
            Case("embed_param { input_dim: 5 num_output: 3 bias_term: false }", words(2, 3)),
            Case("embed_param { input_dim: 4 num_output: 1 }", words()),
            Case("embed_param { input_dim: 4 num_output: 2 }", words(2, 1, 2)),
        ),
        embed,
        gradient=(),
        refused=(
            refused("embed_param { input_dim: 5 }", ParamError, "embed_param.num_output", "is 0 or absent"),
            refused("embed_param { num_output: 5 }", ParamError, "embed_param.input_dim", "is 0 or absent"),
            *bad_words(),
            refused(
                *("embed_param { input_dim: 5 num_output: 2 }", GraphError, "propagate_down", "bottom[0]"),
                act=lambda run: run.forward().backward([True]),
            ),
        ),
    ),
    "InnerProduct": Row(
        (
            Case(ip("num_output: 4")),
            Case(ip("num_output: 4 transpose: true")),
            Case(ip("num_output: 3 axis: 2 bias_term: false")),
            Case(ip("num_output: 1 axis: -1 transpose: true bias_term: false")),
            Case(ip("num_output: 2 axis: 3")),
        ),
        inner_product,
        refused=(
            refused("", ParamError, "inner_product_param.num_output", "is 0 or absent"),
            refused(
                ip("num_output: 2000000000"), ShapeError, "inner_product_param.num_output", "is 2000000000", "bytes"
            ),
            refused(ip("num_output: 2 axis: 4"), ShapeError, "inner_product_param.axis", "is 4"),
            refused(ip("num_output: 2"), ShapeError, "", "61 inputs a row", "must be 60", act=change_inputs),
        ),
    ),
}
