"""Rows of the layers that move values about: nothing is computed from them."""

import itertools
import math

import numpy as np
from layer_table import SHAPE, Case, Refusal, Row, no_blob, one_blob

from minicaffe.errors import GraphError, ParamError, ShapeError

BOTTOM = (2, *SHAPE)


def same_values(shape_of):
    """A reference for a top that holds the bottom's values, as they lie in C order, in another shape."""

    def reference(param, bottoms, blobs):
        values, shape = list(bottoms[0].flat), shape_of(param, bottoms[0].shape)
        return [np.reshape(values, shape)]

    return reference


def flattened(param, shape):
    first, last = (axis % len(shape) for axis in (param.flatten_param.axis, param.flatten_param.end_axis))
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def reshaped(param, shape):
    p = param.reshape_param
    start = p.axis if p.axis >= 0 else len(shape) + p.axis + 1
    end = len(shape) if p.num_axes == -1 else start + p.num_axes
    new = [shape[start + place] if size == 0 else size for place, size in enumerate(p.shape.dim)]
    whole = [*shape[:start], *new, *shape[end:]]
    if -1 in whole:
        # An empty batch that is copied, or stays where it is, cancels out.
        cancels = whole[0] == shape[0] == 0
        have, given = (
            math.prod(size or 1 for size in sizes) if cancels else math.prod(sizes) for sizes in (shape, whole)
        )
        whole[whole.index(-1)] = have // -given
    return whole


def axis_of(param, legacy):
    return getattr(param, legacy) if param.HasField(legacy) else param.axis


def concat(param, bottoms, blobs):
    axis = axis_of(param.concat_param, "concat_dim") % bottoms[0].ndim
    lines = [np.moveaxis(x, axis, 0) for x in bottoms]
    return [stacked([place for line in lines for place in line], lines[0], axis)]


def stacked(places, line, axis):
    """The places of a line one behind the other along an axis."""
    return np.moveaxis(np.array(places).reshape(len(places), *line.shape[1:]), 0, axis)


def slices(param, bottoms, blobs):
    axis = axis_of(param.slice_param, "slice_dim")
    line, tops = np.moveaxis(bottoms[0], axis, 0), len(param.top)
    points = list(param.slice_param.slice_point) or [len(line) * i // tops for i in range(1, tops)]
    return [np.moveaxis(line[a:b], 0, axis) for a, b in itertools.pairwise([0, *points, len(line)])]


def tile(param, bottoms, blobs):
    axis, tiles = param.tile_param.axis, param.tile_param.tiles
    line = np.moveaxis(bottoms[0], axis, 0)
    return [stacked([line[i % len(line)] for i in range(tiles * len(line))], line, axis)]


def tops(count, settings="", **options):
    """A case of a layer with several tops, named, so that a reference can count them."""
    return Case(f"{settings} top: {[f'top{i}' for i in range(count)]}".replace("'", '"'), tops=count, **options)


def pair(axis, *lengths):
    """Blobs that differ along one axis of an item."""

    def bottoms(rng, n):
        shapes = [[n, *SHAPE] for _ in lengths]
        for shape, length in zip(shapes, lengths, strict=True):
            shape[axis] = length
        return tuple(rng.normal(size=shape) for shape in shapes)

    return bottoms


def batches(rng, n):
    return tuple(rng.normal(size=(length, *SHAPE)) for length in (n, 2 * n))


def refused(settings, kind, field, *words, bottoms=(BOTTOM,), **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


def reshape(settings):
    return f"reshape_param {{ {settings} }}"


def shape(*sizes):
    return "shape { " + " ".join(f"dim: {size}" for size in sizes) + " }"


def reshape_refusals():
    settings = "reshape_param.shape"
    told = [
        (shape(-1, 3, -1), ParamError, settings, "is -1 3 -1", "multiple -1"),
        (shape(2, -2), ParamError, settings, "is 2 -2", "holds -2"),
        (shape(0, 0, 0, 0, 0), ShapeError, settings, "a 0 at place 4", "no axis 4"),
        (shape(0, -1, 7), ShapeError, settings, "-1 for 60 / 7", "divisible"),
        (shape(2, 59), ShapeError, settings, "2 59 (118)", "2 3 4 5 (120)", "must match"),
        (shape(2, 3), ShapeError, settings, "2 3 (6)", "must match"),
        (shape(10**12), ShapeError, settings, "1000000000000", "must match"),
        (shape(0, -1, *[1] * 31), ShapeError, settings, "is 0 -1 1 1", "at most 32 axes"),
        ("axis: 5 " + shape(1), ShapeError, "reshape_param.axis", "is 5", "out of range", "-5 and 4"),
        ("axis: -6 " + shape(1), ShapeError, "reshape_param.axis", "is -6", "out of range"),
        ("num_axes: -2 " + shape(1), ParamError, "reshape_param.num_axes", "is -2"),
        ("axis: 2 num_axes: 3 " + shape(1), ShapeError, "reshape_param.num_axes", "is 3", "2 axes"),
    ]
    for text, *rest in told:
        yield refused(reshape(text), *rest)
    yield refused(reshape(shape(0, -1)), GraphError, "", "top[0]", "in place", in_place=True)


ROWS = {
    "Concat": Row(
        (
            Case(bottoms=pair(1, 3, 2)),
            Case("concat_param { axis: -1 }", pair(3, 5, 1)),
            Case("concat_param { concat_dim: 2 }", pair(2, 4, 2, 3)),
            Case("concat_param { axis: 0 }", batches),
            Case(bottoms=pair(1, 2, 3, 0)),
        ),
        concat,
        gradient=(0, 1),
        refused=(
            refused(
                "concat_param { axis: 1 concat_dim: 1 }", ParamError, "concat_param.concat_dim", "is 1", "not both"
            ),
            refused("concat_param { concat_dim: 4 }", ShapeError, "concat_param.concat_dim", "is 4", "below 4"),
            refused("concat_param { axis: 4 }", ShapeError, "concat_param.axis", "is 4", "-4 to 3"),
            refused("concat_param { axis: -5 }", ShapeError, "concat_param.axis", "is -5"),
            refused("", ShapeError, "", "bottom[1] 2 3 4", "bottom[0] 2 3 4 5", bottoms=[BOTTOM, (2, 3, 4)]),
            refused("", ShapeError, "", "bottom[1] 2 3 4 6", "except at concat_axis", bottoms=[BOTTOM, (2, 3, 4, 6)]),
            refused("", GraphError, "", "at least 1 bottom", bottoms=[]),
            refused("", GraphError, "", "produces 1 top", tops=2),
        ),
    ),
    "Flatten": Row(
        (
            Case(),
            Case("flatten_param { axis: 2 }"),
            Case("flatten_param { axis: 0 }"),
            Case("flatten_param { axis: 0 end_axis: -3 }"),
            Case("flatten_param { axis: -2 end_axis: 2 }"),
            Case("flatten_param { axis: 2 end_axis: 1 }"),
        ),
        same_values(flattened),
        refused=(
            refused("flatten_param { axis: 4 }", ShapeError, "flatten_param.axis", "is 4"),
            refused("flatten_param { end_axis: -5 }", ShapeError, "flatten_param.end_axis", "is -5"),
            refused("flatten_param { axis: 3 end_axis: 1 }", ParamError, "flatten_param.axis", "is 3", "end_axis 1"),
            refused("", GraphError, "", "top[0]", "in place", in_place=True),
            refused("", ShapeError, "flatten_param.axis", "is 1", bottoms=[(4,)]),
        ),
    ),
    "Parameter": Row(
        (
            Case("parameter_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } }", no_blob),
            Case("", no_blob),
            Case("parameter_param { shape { dim: 0 dim: 3 } }", no_blob),
        ),
        lambda param, bottoms, blobs: [blobs[0]],
        # Its blob's gradient is the top's: tests/layers/test_parameter.py.
        gradient=None,
        refused=(
            refused(
                "parameter_param { shape { dim: 70000 dim: 70000 } }",
                *(ShapeError, "parameter_param.shape", "is 70000 70000", "19600000000 bytes"),
                bottoms=[],
            ),
            refused("parameter_param { shape { dim: -1 } }", ShapeError, "parameter_param.shape", "is -1", bottoms=[]),
            refused("", GraphError, "", "takes 0 bottom", "it has 1"),
        ),
    ),
    "Reshape": Row(
        (
            Case(reshape(shape(0, -1))),
            Case(reshape(shape(0, 2, -1, 6))),
            Case(reshape("axis: 1 num_axes: 2 " + shape(12))),
            Case(reshape("axis: -1 num_axes: 0 " + shape(1))),
            Case(reshape("axis: 1 num_axes: 0 " + shape(1, 1))),
            Case(reshape("num_axes: 2 " + shape(-1))),
            Case(reshape("axis: 2 " + shape(5, 4))),
            Case(reshape("axis: 1 num_axes: 1 " + shape(1, 3))),
        ),
        same_values(reshaped),
        refused=tuple(reshape_refusals()),
    ),
    "Silence": Row(
        (Case(tops=0), Case(bottoms=lambda rng, n: one_blob(rng, n) * 3, tops=0)),
        lambda param, bottoms, blobs: [],
        # There is nothing whose gradient it could be: tests/layers/test_silence.py looks at the zeros.
        gradient=None,
        refused=(
            refused("", GraphError, "", "at least 1 bottom", bottoms=[], tops=0),
            refused("", GraphError, "", "produces 0 top", tops=1),
        ),
    ),
    "Slice": Row(
        (
            tops(2, "slice_param { axis: 2 }"),
            tops(2, "slice_param { slice_point: 1 }"),
            tops(4, "slice_param { axis: -1 slice_point: [1, 2, 5] }"),
            tops(2, "slice_param { slice_dim: 3 slice_point: 2 }"),
            tops(2, "slice_param { axis: 0 }", bottoms=lambda rng, n: one_blob(rng, 2 * n)),
        ),
        slices,
        refused=(
            refused("slice_param { axis: 1 slice_dim: 1 }", ParamError, "slice_param.slice_dim", "is 1", "not both"),
            refused("slice_param { slice_dim: 4 }", ShapeError, "slice_param.slice_dim", "is 4", "below 4"),
            refused("slice_param { axis: 4 }", ShapeError, "slice_param.axis", "is 4"),
            refused("", ShapeError, "", "3 long", "2 tops", tops=2),
            refused(
                "slice_param { slice_point: 1 }", ParamError, "slice_param.slice_point", "1 times", "2 times", tops=3
            ),
            refused("slice_param { slice_point: 1 }", ParamError, "slice_param.slice_point", "1 times", "0 times"),
            *(
                refused(f"slice_param {{ slice_point: {list(points)} }}", ParamError, *told, tops=3)
                for points, *told in [
                    ((2, 1), "slice_param.slice_point", "is 2 1", "greater"),
                    ((1, 1), "slice_param.slice_point", "is 1 1", "greater"),
                    ((0, 1), "slice_param.slice_point", "is 0 1", "greater"),
                ]
            ),
            refused("slice_param { slice_point: 4 }", ShapeError, "slice_param.slice_point", "is 4", "only 3", tops=2),
            refused(
                "slice_param { slice_point: [1, 2, 3] }",
                *(ShapeError, "slice_param.slice_point", "is 1 2 3", "4 tops", "only 3"),
                tops=4,
            ),
            refused("", GraphError, "", "at least 1 top", tops=0),
        ),
    ),
    "Split": Row(
        (tops(2), tops(1), tops(4)),
        lambda param, bottoms, blobs: [bottoms[0]] * len(param.top),
        refused=(
            refused("", GraphError, "", "top[0]", "in place", in_place=True, tops=2),
            refused("", GraphError, "", "at least 1 top", tops=0),
            refused("", GraphError, "", "takes 1 bottom", bottoms=[BOTTOM, BOTTOM]),
        ),
    ),
    "Tile": Row(
        (
            Case("tile_param { tiles: 3 }"),
            Case("tile_param { tiles: 2 axis: -1 }"),
            Case("tile_param { tiles: 2 axis: 0 }"),
            Case("tile_param { tiles: 1 axis: 2 }"),
        ),
        tile,
        refused=(
            refused("", ParamError, "tile_param.tiles", "is missing", "positive"),
            refused("tile_param { tiles: 0 }", ParamError, "tile_param.tiles", "is 0", "positive"),
            refused("tile_param { tiles: -3 }", ParamError, "tile_param.tiles", "is -3", "positive"),
            refused("tile_param { tiles: 1000000000 }", ShapeError, "tile_param.tiles", "is 1000000000", "bytes"),
            refused("tile_param { tiles: 2 axis: 4 }", ShapeError, "tile_param.axis", "is 4"),
        ),
    ),
}
