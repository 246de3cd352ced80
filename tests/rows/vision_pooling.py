"""Rows of Pooling, SPP and Crop."""

import itertools
import math

import numpy as np
from layer_table import SHAPE, Case, Refusal, Row, one_blob

from minicaffe.errors import GraphError, ParamError, ShapeError
from minicaffe.proto import caffe_pb2

BOTTOM = (2, *SHAPE)
LOWEST = -3.4028234663852886e38


def refused(settings, kind, field, *words, bottoms=(BOTTOM,), **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


# --- Pooling ----------------------------------------------------------------------------------


def positive(rng, n):
    return (rng.uniform(0.1, 1, size=(n, *SHAPE)),)


def pool(settings):
    return f"pooling_param {{ {settings} }}"


def sizes(p, field, pair, default):
    """(height, width) of what is given as one number or as a pair."""
    if p.HasField(f"{pair}_h") and not (field == "kernel_size" and p.HasField(field)):
        return getattr(p, f"{pair}_h"), getattr(p, f"{pair}_w")
    return (getattr(p, field) if p.HasField(field) else default,) * 2


def windows(p, image):
    """For each output: (its place, the pixels of its window, its area with padding)."""
    kernel = tuple(image) if p.global_pooling else sizes(p, "kernel_size", "kernel", None)
    strides, pads = sizes(p, "stride", "stride", 1), sizes(p, "pad", "pad", 0)
    axes = []
    for size, k, stride, pad in zip(image, kernel, strides, pads, strict=True):
        count = (math.floor if p.round_mode else math.ceil)((size + 2 * pad - k) / stride) + 1
        if any(pads) and (count - 1) * stride >= size + pad:
            count -= 1
        starts = [i * stride - pad for i in range(count)]
        axes.append([(a, min(a + k, size + pad)) for a in starts])
    for place in itertools.product(*(range(len(axis)) for axis in axes)):
        spans = [axis[i] for axis, i in zip(axes, place, strict=True)]
        pixels = itertools.product(*(range(max(a, 0), min(e, s)) for (a, e), s in zip(spans, image, strict=True)))
        yield place, list(pixels), math.prod(e - a for a, e in spans)


def pooled_value(p, plane, pixels, area):
    """(the output, the winner's place or -1)."""
    values = [plane[pixel] for pixel in pixels]
    if p.pool == caffe_pb2.PoolingParameter.AVE:
        return sum(values) / area, -1
    best, place = LOWEST, -1
    for value, (h, w) in zip(values, pixels, strict=True):
        if value > best:
            best, place = value, h * plane.shape[1] + w
    return best, place


def pooled(p, x):
    """(the outputs, the mask)."""
    found = list(windows(p, x.shape[2:]))
    output = [1 + max((place[axis] for place, _, _ in found), default=-1) for axis in (0, 1)]
    y, mask = np.empty((*x.shape[:2], *output)), np.empty((*x.shape[:2], *output))
    for n, c in np.ndindex(*x.shape[:2]):
        for place, pixels, area in found:
            y[(n, c, *place)], mask[(n, c, *place)] = pooled_value(p, x[n, c], pixels, area)
    return y, mask


def pooling_cases():
    plain = "kernel_size: 2 stride: 2", "kernel_size: 3 stride: 2 pad: 1", "kernel_size: 2 stride: 3 round_mode: FLOOR"
    pairs = "kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0", "global_pooling: true"
    for settings in (*plain, *pairs):
        yield Case(pool(settings))
        yield Case(pool(f"{settings} pool: AVE"))
    yield Case(pool("kernel_size: 2 pool: STOCHASTIC"), positive, compared=False)


def pooling_refusals():
    def no(settings, *told, kind=ParamError, **options):
        return refused(pool(settings), kind, *told, **options)

    name = "pooling_param."
    for field in ("kernel_size: 2", "kernel_h: 2", "kernel_w: 2"):
        yield no(f"global_pooling: true {field}", name + field.split(":")[0], "beside global_pooling")
    yield no("", f"{name}kernel_size", "is missing")
    yield no("kernel_h: 2", f"{name}kernel_size", "is missing")
    yield no("kernel_size: 2 kernel_h: 2 kernel_w: 2", f"{name}kernel_size", "beside kernel_h and kernel_w")
    yield no("kernel_size: 2 pad: 0 pad_h: 0 pad_w: 0", f"{name}pad_h", "beside pad")
    yield no("kernel_size: 2 pad_w: 0", f"{name}pad_w", "without pad_h")
    yield no("kernel_size: 2 stride: 1 stride_h: 1 stride_w: 1", f"{name}stride_h", "beside stride")
    yield no("kernel_size: 2 stride_h: 1", f"{name}stride_h", "without stride_w")
    yield no("kernel_size: 0", f"{name}kernel_size", "is 0")
    yield no("kernel_h: 2 kernel_w: 0", f"{name}kernel_w", "is 0")
    yield no("kernel_size: 4000000000", f"{name}kernel_size", "is 4000000000", "at most")
    yield no("kernel_size: 100000", f"{name}kernel_size", "is 100000 x 100000", "at most")
    yield no("kernel_size: 2 stride: 0", f"{name}stride", "is 0")
    yield no("global_pooling: true pad: 1", f"{name}pad", "is 1", "must be 0")
    yield no("global_pooling: true stride: 2", f"{name}stride", "is 2", "must be 1")
    yield no("kernel_size: 2 pad: 1 pool: STOCHASTIC", f"{name}pad", "is 1", "must be 0")
    yield no("kernel_size: 2 pad_h: 0 pad_w: 1 pool: STOCHASTIC", f"{name}pad_w", "is 1", "must be 0")
    yield no("kernel_size: 2 pad: 2", f"{name}pad", "is 2 pixels", "less than the kernel")
    yield no("kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 1", f"{name}pad_w", "is 1 pixels", "less than the kernel")
    for method in ("AVE", "STOCHASTIC"):
        yield no(f"kernel_size: 2 pool: {method}", f"{name}pool", f"is {method}", "mask", kind=GraphError, tops=2)
    for shape in [(2, 3), (2, 3, 4), (2, 3, 4, 5, 6)]:
        yield no("kernel_size: 2", "", str(shape[-1]), "4 axes", kind=ShapeError, bottoms=[shape])
    yield no("kernel_size: 9", f"{name}kernel_size", "is 9", "4 x 5", "-4 x -3", kind=ShapeError)
    yield no("kernel_h: 4 kernel_w: 8", f"{name}kernel_w", "is 8", "1 x -2", kind=ShapeError)
    tall = "kernel_h: 2000000 kernel_w: 1 pad_h: 1999999 pad_w: 0"
    yield no(tall, f"{name}pad_h", "is 1999999 x 0", "bytes", kind=ShapeError, bottoms=[(2, 3, 4, 5000)])
    yield no("global_pooling: true", f"{name}global_pooling", "0 x 3", kind=ShapeError, bottoms=[(1, 1, 0, 3)])
    yield no("kernel_size: 2", "", "at most 2 top", kind=GraphError, tops=3)


# --- SPP --------------------------------------------------------------------------------------


def spp(param, bottoms, blobs):
    (x,), p = bottoms, param.spp_param
    levels = []
    for level in range(p.pyramid_height):
        bins = 2**level
        kernel = [math.ceil(size / bins) for size in x.shape[2:]]
        pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:], strict=True)]
        names = {"kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": kernel[0], "stride_w": kernel[1]}
        window = caffe_pb2.PoolingParameter(pool=p.pool, pad_h=pad[0], pad_w=pad[1], **names)
        y = pooled(window, x)[0]
        assert y.shape[2:] == (bins, bins)
        levels.append(y)
    if p.pyramid_height == 1:
        return levels
    return [np.concatenate([y.reshape(len(x), math.prod(y.shape[1:])) for y in levels], 1)]


def spp_refusals():
    height = "spp_param.pyramid_height"
    yield refused("", ParamError, height, "is 0 or absent")
    yield refused("spp_param { pyramid_height: 3 }", ShapeError, height, "is 3", "level 2", "less than the kernel")
    yield refused("spp_param { pyramid_height: 4000000000 }", ShapeError, height, "is 4000000000", "level 2")
    words = "is 2", "level 1", "must be 0 with STOCHASTIC"
    yield refused("spp_param { pyramid_height: 2 pool: STOCHASTIC }", ShapeError, height, *words)
    for shape in [(2, 3, 4), (2, 3, 0, 5)]:
        yield refused("spp_param { pyramid_height: 1 }", ShapeError, "", f"{shape[-2]} {shape[-1]}", bottoms=[shape])


# --- Crop -------------------------------------------------------------------------------------


def crop(param, bottoms, blobs):
    p, (x, size) = param.crop_param, bottoms
    first = p.axis % x.ndim
    offsets = list(p.offset) or [0]
    offsets = offsets * (x.ndim - first) if len(offsets) == 1 else offsets
    y = np.empty((*x.shape[:first], *size.shape[first : x.ndim]))
    for at in np.ndindex(*y.shape):
        y[at] = x[(*at[:first], *(i + o for i, o in zip(at[first:], offsets, strict=True)))]
    return [y]


def cut_to(*shape):
    """A blob, and one whose last axes are the size that it is cut to."""
    return lambda rng, n: (*one_blob(rng, n), rng.normal(size=(n, 1, 1, 1)[: 4 - len(shape)] + shape))


def crop_refusals():
    offset = "crop_param.offset"
    yield refused("crop_param { axis: 4 }", ShapeError, "crop_param.axis", "is 4", bottoms=[BOTTOM, BOTTOM])
    yield refused("crop_param { offset: [1, 0, 0] }", ParamError, offset, "3 times", "2 axes", bottoms=[BOTTOM, BOTTOM])
    words = "is 1 on axis 2", "4 long", "wants 4"
    yield refused("crop_param { offset: 1 }", ShapeError, offset, *words, bottoms=[BOTTOM, BOTTOM])
    yield refused("", ShapeError, offset, "is 0 on axis 3", "wants 6", bottoms=[BOTTOM, (2, 3, 4, 6)])
    words = "is 4294967295 on axis 2", "4 long"
    yield refused("crop_param { offset: 4294967295 }", ShapeError, offset, *words, bottoms=[BOTTOM, (2, 3, 1, 1)])
    yield refused("", ShapeError, "", "bottom[1] 2 3 4 (24)", "3 axes", bottoms=[BOTTOM, (2, 3, 4)])
    yield refused("", GraphError, "", "takes 2 bottom", "it has 1")


def pooling_reference(param, bottoms, blobs):
    return pooled(param.pooling_param, bottoms[0])[: max(1, len(param.top))]


ROWS = {
    "Crop": Row(
        (
            Case("crop_param { offset: 1 }", cut_to(2, 3)),
            Case("crop_param { offset: [1, 2] }", cut_to(3, 2)),
            Case("crop_param { axis: 1 offset: [1, 0, 2] }", cut_to(2, 4, 1)),
            Case("crop_param { axis: -1 }", cut_to(2)),
            Case("crop_param { axis: 0 }", cut_to(3, 4, 5)),
            Case("", cut_to(4, 5)),
            Case("", cut_to(0, 5)),
        ),
        crop,
        refused=tuple(crop_refusals()),
    ),
    "Pooling": Row(
        (
            *pooling_cases(),
            Case(pool("kernel_size: 3 stride: 2") + ' top: ["y", "mask"]', tops=2),
        ),
        pooling_reference,
        refused=tuple(pooling_refusals()),
    ),
    "SPP": Row(
        (
            Case("spp_param { pyramid_height: 2 }"),
            Case("spp_param { pyramid_height: 1 }"),
            Case("spp_param { pyramid_height: 2 pool: AVE }"),
            Case("spp_param { pyramid_height: 1 pool: AVE }"),
            Case("spp_param { pyramid_height: 3 }", lambda rng, n: (rng.normal(size=(n, 3, 7, 8)),)),
            Case("spp_param { pyramid_height: 1 pool: STOCHASTIC }", positive, compared=False),
        ),
        spp,
        refused=tuple(spp_refusals()),
    ),
}
