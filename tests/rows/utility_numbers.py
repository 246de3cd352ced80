"""Rows of the layers that add, multiply, compare and choose."""

import math

import numpy as np
from layer_table import SHAPE, Case, Refusal, Row, one_blob

from minicaffe.errors import DataError, GraphError, ParamError, ShapeError
from minicaffe.proto import caffe_pb2

BOTTOM = (2, *SHAPE)


def refused(settings, kind, field, *words, bottoms=(BOTTOM,), **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


def forward(run):
    run.forward()


def several(count):
    """Blobs of one shape, none of whose values lie near each other or near 0."""

    def bottoms(rng, n):
        values = rng.permuted(np.tile(np.arange(1, count + 1), (n * math.prod(SHAPE), 1)), axis=1)
        signs = rng.choice([-1, 1], size=values.shape)
        values = signs * (values + rng.uniform(0, 0.4, size=values.shape))
        return tuple(values[:, i].reshape(n, *SHAPE) for i in range(count))

    return bottoms


# --- Eltwise ----------------------------------------------------------------------------------


def eltwise(param, bottoms, blobs):
    p = param.eltwise_param
    coeffs = list(p.coeff) or [1] * len(bottoms)
    y = np.empty(bottoms[0].shape)
    for at in np.ndindex(*y.shape):
        values = [float(x[at]) for x in bottoms]
        if p.operation == caffe_pb2.EltwiseParameter.PROD:
            y[at] = math.prod(values)
        elif p.operation == caffe_pb2.EltwiseParameter.SUM:
            y[at] = sum(c * v for c, v in zip(coeffs, values, strict=True))
        else:
            y[at] = max(values)
    return [y]


# --- Reduction --------------------------------------------------------------------------------

TERMS = {"SUM": float, "ASUM": abs, "SUMSQ": lambda v: v * v, "MEAN": float}


def reduction(param, bottoms, blobs):
    p, x = param.reduction_param, bottoms[0]
    operation = caffe_pb2.ReductionParameter.ReductionOp.Name(p.operation)
    kept = x.shape[: p.axis % x.ndim]
    y = np.empty(kept)
    for at in np.ndindex(*kept):
        values = list(np.ravel(x[at]))
        y[at] = p.coeff * sum(TERMS[operation](v) for v in values) / (len(values) if operation == "MEAN" else 1)
    return [y]


# --- ArgMax -----------------------------------------------------------------------------------


def coarse(rng, n):
    """Few values, hence many ties."""
    return (rng.integers(-2, 3, size=(n, *SHAPE)).astype(float),)


def ranked(values, k):
    return sorted(range(len(values)), key=lambda j: (-values[j], -j))[:k]


def argmax(param, bottoms, blobs):
    p, x = param.argmax_param, bottoms[0]
    if p.HasField("axis"):
        lines = np.moveaxis(x, p.axis, -1)
        y = np.empty((*lines.shape[:-1], p.top_k))
        for at in np.ndindex(*lines.shape[:-1]):
            places = ranked(lines[at], p.top_k)
            y[at] = lines[at][places] if p.out_max_val else places
        return [np.moveaxis(y, -1, p.axis)]
    y = np.empty((len(x), 1 + p.out_max_val, p.top_k))
    for n, item in enumerate(x):
        places = ranked(item.ravel(), p.top_k)
        y[n] = [places, item.ravel()[places]] if p.out_max_val else [places]
    return [y.reshape(*y.shape, *[1] * (x.ndim - 3))]


# --- BatchReindex, Filter ---------------------------------------------------------------------


def reindexed(count):
    """An item taken three times, some not at all."""
    return lambda rng, n: (
        *one_blob(rng, n),
        np.array(([n - 1, 0, n - 1, n // 2, n - 1] * 2)[: count if n else 0], float),
    )


def filtered(blobs, chosen):
    def bottoms(rng, n):
        selector = np.array([chosen(i) for i in range(n)], float).reshape(n, 1, 1)
        return (*(rng.normal(size=(n, *SHAPE[: 3 - k])) for k in range(blobs)), selector)

    return bottoms


def filter_reference(param, bottoms, blobs):
    *xs, selector = bottoms
    kept = [n for n, value in enumerate(selector.ravel()) if value != 0]
    return [np.array([x[n] for n in kept]).reshape(len(kept), *x.shape[1:]) for x in xs]


def index_refusals():
    for value in (3, -1, -0.5, math.nan, math.inf):
        words = f"bottom[1] holds {value:g} at position 1", "between 0 and 2"
        yield refused("", DataError, "", *words, bottoms=[(3, 4), np.array([0, value])], act=forward)


ROWS = {
    "ArgMax": Row(
        (
            Case(bottoms=coarse),
            Case("argmax_param { top_k: 7 }", coarse),
            Case("argmax_param { out_max_val: true top_k: 3 }", coarse),
            Case("argmax_param { axis: 1 }", coarse),
            Case("argmax_param { axis: -1 top_k: 5 }", coarse),
            Case("argmax_param { axis: 2 top_k: 2 out_max_val: true }", coarse),
            Case("argmax_param { axis: 1 top_k: 2 }", lambda rng, n: (rng.normal(size=(n, 6)),)),
            Case("argmax_param { out_max_val: true }", lambda rng, n: (rng.normal(size=(n, 6)),)),
        ),
        argmax,
        gradient=None,
        refused=(
            refused("argmax_param { top_k: 0 }", ParamError, "argmax_param.top_k", "is 0", "less than 1"),
            refused("argmax_param { top_k: 61 }", ParamError, "argmax_param.top_k", "is 61", "60 along an item"),
            refused("argmax_param { top_k: 4 axis: 1 }", ParamError, "argmax_param.top_k", "is 4", "3 along axis 1"),
            refused("argmax_param { axis: 4 }", ShapeError, "argmax_param.axis", "is 4"),
            refused("", ShapeError, "", "bottom[0] is the scalar (1)", bottoms=[()]),
            refused(
                "argmax_param { axis: 0 }",
                ShapeError,
                "argmax_param.axis",
                "is 0",
                "a scalar has no axes",
                bottoms=[()],
            ),
            refused("", ParamError, "argmax_param.top_k", "is 1", "0 along", bottoms=[(2, 0, 3)]),
            refused(
                "", GraphError, "propagate_down", "bottom[0]", "no gradient", act=lambda run: run.forward().backward()
            ),
        ),
    ),
    "BatchReindex": Row(
        (
            Case(bottoms=reindexed(5)),
            Case(bottoms=reindexed(10)),
            Case(bottoms=reindexed(1)),
            Case(bottoms=reindexed(0)),
        ),
        lambda param, bottoms, blobs: [
            np.array([bottoms[0][int(r)] for r in bottoms[1]]).reshape(len(bottoms[1]), *bottoms[0].shape[1:])
        ],
        refused=(
            refused("", ShapeError, "", "bottom[1] 2 1 (2)", bottoms=[BOTTOM, (2, 1)]),
            refused("", ShapeError, "", "bottom[1] (1)", bottoms=[BOTTOM, ()]),
            refused("", ShapeError, "", "bottom[0] (1)", bottoms=[(), (2,)]),
            *index_refusals(),
            refused(
                *("", GraphError, "propagate_down", "bottom[1]"),
                bottoms=[BOTTOM, (2,)],
                act=lambda run: run.forward().backward([True, True]),
            ),
            refused("", GraphError, "", "takes 2 bottom", "it has 1"),
        ),
    ),
    "Eltwise": Row(
        (
            Case(bottoms=several(2), in_place=False),
            Case("eltwise_param { coeff: [1, -0.5, 2] }", several(3), in_place=False),
            Case("eltwise_param { operation: SUM }", several(4), in_place=False),
            Case("eltwise_param { operation: PROD }", several(2)),
            Case("eltwise_param { operation: PROD }", several(4)),
            Case("eltwise_param { operation: PROD stable_prod_grad: false }", several(3)),
            Case("eltwise_param { operation: MAX }", several(2), in_place=False),
            Case("eltwise_param { operation: MAX coeff: [1, 2, 3, 4] }", several(4), in_place=False),
        ),
        eltwise,
        gradient=(0, 1),
        refused=(
            refused("eltwise_param { coeff: 1 }", ParamError, "eltwise_param.coeff", "1 times", bottoms=[BOTTOM] * 2),
            refused(
                "eltwise_param { operation: PROD coeff: [1, 3] }",
                *(ParamError, "eltwise_param.coeff", "is 1 3", "PROD"),
                bottoms=[BOTTOM] * 2,
            ),
            refused("", ShapeError, "", "bottom[1] 2 3 4 6", "2 3 4 5", bottoms=[BOTTOM, (2, 3, 4, 6)]),
            refused("", ShapeError, "", "bottom[2] 2 3 20", bottoms=[BOTTOM, BOTTOM, (2, 3, 20)]),
            refused("", GraphError, "", "at least 2 bottom", "it has 1"),
        ),
    ),
    "Filter": Row(
        (
            Case(bottoms=filtered(1, lambda i: i % 2 == 0)),
            Case(bottoms=filtered(3, lambda i: -0.5 * (i % 3)), tops=3),
            Case(bottoms=filtered(1, lambda i: 0)),
            Case(bottoms=filtered(2, lambda i: 7), tops=2),
        ),
        filter_reference,
        refused=(
            refused("", GraphError, "", "1 tops and 3 bottoms", bottoms=[BOTTOM, BOTTOM, (2,)]),
            refused("", ShapeError, "", "bottom[1], the selector, is 2 3 (6)", bottoms=[BOTTOM, (2, 3)]),
            refused("", ShapeError, "", "bottom[1], the selector, is (1)", bottoms=[BOTTOM, ()]),
            refused("", ShapeError, "", "bottom[0] 2 3 4 5", "3 (3): 3", bottoms=[BOTTOM, (3,)]),
            refused(
                *("", GraphError, "propagate_down", "bottom[1]", "selector"),
                bottoms=[BOTTOM, (2,)],
                act=lambda run: run.forward().backward([True, True]),
            ),
            refused("", GraphError, "", "at least 2 bottom", "it has 1"),
        ),
    ),
    "Reduction": Row(
        (
            Case("reduction_param { axis: 1 }"),
            Case("reduction_param { coeff: -0.5 }"),
            Case("reduction_param { operation: ASUM axis: 2 }"),
            Case("reduction_param { operation: ASUM coeff: 3 }"),
            Case("reduction_param { operation: SUMSQ axis: -1 coeff: 2 }"),
            Case("reduction_param { operation: SUMSQ }"),
            Case("reduction_param { operation: MEAN axis: 1 coeff: 4 }"),
            Case("reduction_param { operation: MEAN axis: 3 }"),
            Case("reduction_param { operation: SUM axis: 1 }", lambda rng, n: (rng.normal(size=(n, 1)),)),
        ),
        reduction,
        kinks=(0,),
        refused=(
            refused("reduction_param { axis: 4 }", ShapeError, "reduction_param.axis", "is 4"),
            refused("reduction_param { axis: -5 }", ShapeError, "reduction_param.axis", "is -5"),
            refused("", ShapeError, "reduction_param.axis", "is 0", "a scalar has no axes", bottoms=[()]),
            refused(
                "reduction_param { operation: MEAN axis: 1 }",
                *(ShapeError, "reduction_param.operation", "is MEAN", "2 0 (0)", "0 / 0"),
                bottoms=[(2, 0)],
            ),
        ),
    ),
}
