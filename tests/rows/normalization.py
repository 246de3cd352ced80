"""Rows of the layers that normalize, and of those that scale and shift what they have normalized."""

import itertools
import math

import numpy as np
from layer_table import Case, Refusal, Row

from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import TEST
from minicaffe.proto import caffe_pb2


def any_rank(*shape):
    """Normal values of another number of axes, the batch first."""
    return lambda rng, n: (rng.normal(size=(n, *shape)),)


def refused(settings, field, *words, bottoms=((2, 3, 4, 5),), kind=ShapeError, **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


def reshaped(*shapes):
    """What a forward pass on bottoms of other shapes makes of a Run."""
    return lambda run: run.feed(*map(np.zeros, shapes)).forward()


def mean(values):
    return sum(values) / len(values)


def normalized(values, deviation_of):
    """(v - mean) / deviation_of(variance), for each of the values."""
    centre = mean(values)
    deviation = deviation_of(mean([(v - centre) ** 2 for v in values]))
    return [(v - centre) / deviation for v in values]


# --- BatchNorm and MVN ------------------------------------------------------------------------


def batch_norm(param, bottoms, blobs):
    x, p = bottoms[0], param.batch_norm_param
    y = np.zeros(x.shape)
    use_global = p.use_global_stats if p.HasField("use_global_stats") else param.phase == TEST
    for c in range(x.shape[1] if len(x) else 0):
        values = list(x[:, c].flat)
        if use_global:
            factor = 1 / blobs[2][0] if blobs[2][0] else 0
            centre, variance = blobs[0][c] * factor, blobs[1][c] * factor
            result = [(v - centre) / math.sqrt(variance + p.eps) for v in values]
        else:
            result = normalized(values, lambda variance: math.sqrt(variance + p.eps))
        y[:, c] = np.reshape(result, y[:, c].shape)
    return [y]


def statistics(rng, shapes):
    """Of some batches: the variances are positive."""
    return [rng.normal(size=shapes[0]), rng.uniform(1, 3, size=shapes[1]), np.array([2.5])]


def no_statistics(rng, shapes):
    return [np.zeros(shape) for shape in shapes]


def mvn(param, bottoms, blobs):
    x, p = bottoms[0], param.mvn_param
    y = np.zeros(x.shape)
    for at in itertools.product(*map(range, x.shape[: 1 if p.across_channels else 2])):
        values = list(x[at].flat)
        if p.normalize_variance:
            result = normalized(values, lambda variance: math.sqrt(variance) + p.eps)
        else:
            result = [v - mean(values) for v in values]
        y[at] = np.reshape(result, y[at].shape)
    return [y]


# --- LRN --------------------------------------------------------------------------------------


def lrn(param, bottoms, blobs):
    x, p = bottoms[0], param.lrn_param
    y, half = np.zeros(x.shape), p.local_size // 2
    across = p.norm_region == caffe_pb2.LRNParameter.ACROSS_CHANNELS

    def near(i, n):
        return range(max(0, i - half), min(n, i + half + 1))

    for n, c, h, w in itertools.product(*map(range, x.shape)):
        if across:
            total = sum(x[n, cc, h, w] ** 2 for cc in near(c, x.shape[1]))
            scale = p.k + p.alpha / p.local_size * total
        else:
            total = sum(x[n, c, hh, ww] ** 2 for hh in near(h, x.shape[2]) for ww in near(w, x.shape[3]))
            scale = 1 + p.alpha / p.local_size**2 * total
        y[n, c, h, w] = x[n, c, h, w] / scale**p.beta
    return [y]


def within(text):
    return f"lrn_param {{ norm_region: WITHIN_CHANNEL {text} }}"


# --- Scale and Bias ---------------------------------------------------------------------------


def broadcast(param, bottoms, blobs, combine):
    """combine(v, the operands' values that belong to it) for each v of bottom 0; the operands' axes begin at `axis`."""
    x, *operands = [*bottoms, *blobs]
    axis = param.axis % x.ndim if x.ndim else 0
    y = np.zeros(x.shape)
    for at in itertools.product(*map(range, x.shape)):
        y[at] = combine(x[at], *(o[at[axis : axis + o.ndim] if o.ndim else ()] for o in operands))
    return [y]


def scale(param, bottoms, blobs):
    return broadcast(param.scale_param, bottoms, blobs, lambda v, gamma, beta=0: v * gamma + beta)


def bias(param, bottoms, blobs):
    return broadcast(param.bias_param, bottoms, blobs, lambda v, beta: v + beta)


def with_operand(*shape, batch=False):
    """x and an operand of `shape`, or with the batch before it."""
    return lambda rng, n: (rng.normal(size=(n, 3, 4, 5)), rng.normal(size=(n, *shape) if batch else shape))


def operand_cases(settings, more=""):
    """With one bottom and with two. settings: "scale_param".  more: fields that are set besides."""
    # With a learned bias no operand may hold the batch, of which there may be none: a filler fills no empty blob.
    by_batch = [] if more else [(0, (3,)), (0, (3, 4, 5))]
    return (
        Case(f"{settings} {{ {more} }}"),
        Case(f"{settings} {{ {more} }}", bottoms=any_rank(3)),
        *(
            Case(f"{settings} {{ {text} {more} }}")
            for text in ("num_axes: 2", "num_axes: -1", "num_axes: 0", "axis: -1", "axis: 2 num_axes: 2")
        ),
        *(
            Case(
                f"{settings} {{ axis: {axis} {more} }}", bottoms=with_operand(*shape, batch=axis == 0), gradient=(0, 1)
            )
            for axis, shape in [(1, (3,)), (1, (3, 4)), (2, (4, 5)), (-1, (5,)), (3, ()), *by_batch]
        ),
    )


def operand_refusals(settings):
    two = "bottom[1] has the shape", "both must be the same"
    return (
        refused(f"{settings} {{ axis: 4 }}", f"{settings}.axis", "is 4", "-4 to 3"),
        refused(f"{settings} {{ axis: -5 }}", f"{settings}.axis", "is -5"),
        refused("", f"{settings}.axis", "is 1", bottoms=[(7,)]),
        refused(f"{settings} {{ axis: 0 num_axes: 0 }}", f"{settings}.axis", "is 0", bottoms=[()]),
        refused(f"{settings} {{ num_axes: -2 }}", f"{settings}.num_axes", "is -2", "-1", kind=ParamError),
        refused(f"{settings} {{ num_axes: 4 }}", f"{settings}.num_axes", "is 4", "only 3 axes from axis 1"),
        refused(f"{settings} {{ axis: -1 num_axes: 2 }}", f"{settings}.num_axes", "is 2", "only 1 axes from axis 3"),
        refused("", "", "blobs[0] has the shape 3 (3)", "4 (4)", act=reshaped((2, 4, 4, 5))),
        refused("", "", *two, "4 (4)", bottoms=[(2, 3, 4, 5), (4,)]),
        refused("", "", *two, "3 4 5 6 (360)", bottoms=[(2, 3, 4, 5), (3, 4, 5, 6)]),
        refused(f"{settings} {{ axis: 9 }}", f"{settings}.axis", "is 9", bottoms=[(2, 3, 4, 5), (5,)]),
    )


# --- Softmax ----------------------------------------------------------------------------------


def softmax(param, bottoms, blobs):
    def line(values):
        powers = [math.exp(v) for v in values]
        return [power / sum(powers) for power in powers]

    x = bottoms[0]
    return [np.apply_along_axis(line, param.softmax_param.axis, x) if x.size else x]


ROWS = {
    "BatchNorm": Row(
        (
            Case(),
            Case("batch_norm_param { eps: 0.25 moving_average_fraction: 0.5 }"),
            Case(bottoms=any_rank(3)),
            Case(bottoms=any_rank(1, 4, 5)),
            Case(bottoms=any_rank(3, 2, 2, 3)),
            Case(phase=TEST, blobs=statistics),
            Case(phase=TEST, blobs=no_statistics),
            Case("batch_norm_param { use_global_stats: true eps: 0.25 }", blobs=statistics),
            Case("batch_norm_param { use_global_stats: false }", phase=TEST),
        ),
        batch_norm,
        parameters=(),
        refused=(
            refused("", "", "7 (7)", "at least 2 axes", bottoms=[(7,)]),
            refused("", "", "(1)", "at least 2 axes", bottoms=[()]),
            refused("", "", "2 4 4 5 (160)", "4 channels", "3", act=reshaped((2, 4, 4, 5))),
            refused("", "", "7 (7)", "at least 2 axes", act=reshaped((7,))),
            refused("param { lr_mult: 2 }", "param[0].lr_mult", "is 2", "must be 0", kind=ParamError),
            refused("param { lr_mult: 0 } param { }", "param[1].lr_mult", "is 1", "must be 0", kind=ParamError),
        ),
    ),
    "Bias": Row(operand_cases("bias_param"), bias, refused=operand_refusals("bias_param")),
    "LRN": Row(
        (
            Case(bottoms=any_rank(7, 3, 2)),
            Case("lrn_param { local_size: 3 alpha: 0.3 k: 2 }"),
            Case("lrn_param { local_size: 1 alpha: 2 }"),
            Case("lrn_param { local_size: 99 alpha: 2 beta: 1 }"),
            Case("lrn_param { alpha: 2 beta: 0.5 }", bottoms=any_rank(7, 1, 1)),
            Case("lrn_param { alpha: 2 beta: 1.25 k: 0.5 }", bottoms=any_rank(7, 1, 1)),
            Case(within("local_size: 3")),
            Case(within("alpha: 3 k: 7 beta: 1")),
            Case(within("local_size: 99 alpha: 9")),
            Case(within("local_size: 1 beta: 0.3")),
        ),
        lrn,
        refused=(
            refused("lrn_param { local_size: 4 }", "lrn_param.local_size", "is 4", "odd", "5", kind=ParamError),
            refused("lrn_param { local_size: 0 }", "lrn_param.local_size", "is 0", "odd", kind=ParamError),
            refused("", "", "2 3 4 (24)", "4 axes", bottoms=[(2, 3, 4)]),
            refused(within(""), "", "2 3 4 5 1 (120)", "4 axes", bottoms=[(2, 3, 4, 5, 1)]),
        ),
    ),
    "MVN": Row(
        tuple(
            Case(f"mvn_param {{ {text} }}")
            for text in (
                "",
                "across_channels: true",
                "normalize_variance: false",
                "normalize_variance: false across_channels: true",
            )
        ),
        mvn,
        refused=(refused("", "", "2 3 4 5 1 (120)", "at most 4 axes", bottoms=[(2, 3, 4, 5, 1)]),),
    ),
    "Scale": Row(
        operand_cases("scale_param") + operand_cases("scale_param", "bias_term: true"),
        scale,
        refused=(
            *operand_refusals("scale_param"),
            refused(
                *(
                    "scale_param { bias_term: true }",
                    "scale_param.bias_term",
                    "is true: bottom[1]",
                    "3 4 (12)",
                    "3 (3)",
                ),
                bottoms=[(2, 3, 4, 5), (3,)],
                act=reshaped((2, 3, 4, 5), (3, 4)),
            ),
        ),
    ),
    "Softmax": Row(
        (
            Case(),
            Case(bottoms=any_rank(7)),
            Case(bottoms=any_rank(1, 4, 5)),
            *(Case(f"softmax_param {{ axis: {axis} }}") for axis in (2, 3, -1, -3)),
            # Along the batch; more than one picture, for one of them alone is 1 with a slope of 0.
            Case("softmax_param { axis: 0 }"),
        ),
        softmax,
        refused=(
            refused("softmax_param { axis: 4 }", "softmax_param.axis", "is 4", "-4 to 3"),
            refused("softmax_param { axis: -5 }", "softmax_param.axis", "is -5"),
            refused("", "softmax_param.axis", "is 1", bottoms=[(7,)]),
            refused("softmax_param { axis: 0 }", "softmax_param.axis", "is 0", bottoms=[()]),
        ),
    ),
}
