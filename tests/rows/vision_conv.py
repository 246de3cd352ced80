"""Rows of Convolution, Deconvolution and Im2col."""

import itertools
import math

import numpy as np
from layer_table import SHAPE, Case, Refusal, Row

from minicaffe.errors import GraphError, ParamError, ShapeError

BOTTOM = (2, *SHAPE)
P = "convolution_param."


# --- the definition ---------------------------------------------------------------------------


class Geometry:
    """convolution_param, its sizes spread over the spatial axes of a bottom."""

    def __init__(self, param, num_axes):
        self.p = param.convolution_param
        self.axis = self.p.axis % num_axes
        self.spatial = num_axes - self.axis - 1
        self.kernel = self.sizes("kernel_size", "kernel", None)
        self.stride, self.pad = self.sizes("stride", "stride", 1), self.sizes("pad", "pad", 0)
        self.dilation = self.sizes("dilation", "", 1)
        self.extent = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    def sizes(self, field, pair, default):
        if pair and (self.p.HasField(f"{pair}_h") or self.p.HasField(f"{pair}_w")):
            return [getattr(self.p, f"{pair}_h"), getattr(self.p, f"{pair}_w")]
        given = list(getattr(self.p, field)) or [default]
        return given * self.spatial if len(given) == 1 else given

    def convolved(self, image):
        spans = [i + 2 * p - e for i, p, e in zip(image, self.pad, self.extent, strict=True)]
        return [math.trunc(span / s) + 1 for span, s in zip(spans, self.stride, strict=True)]

    def deconvolved(self, image):
        return [s * (i - 1) + e - 2 * p for s, i, e, p in zip(self.stride, image, self.extent, self.pad, strict=True)]

    def met(self, place, image):
        """(tap, pixel) for the taps of the window at `place` that lie on an image."""
        for tap in itertools.product(*map(range, self.kernel)):
            axes = zip(place, self.stride, self.pad, tap, self.dilation, strict=True)
            pixel = tuple(o * s - p + j * d for o, s, p, j, d in axes)
            if all(0 <= i < size for i, size in zip(pixel, image, strict=True)):
                yield tap, pixel

    def pictures(self, x):
        """x with one batch axis: (N, C, *image)."""
        return x.reshape(math.prod(x.shape[: self.axis]), *x.shape[self.axis :])


def convolution(param, bottoms, blobs):
    return [convolve(Geometry(param, x.ndim), x, *blobs) for x in bottoms]


def convolve(g, x, w, b=None):
    pictures = g.pictures(x)
    image, outputs, group = pictures.shape[2:], g.p.num_output, g.p.group
    y = np.zeros((len(pictures), outputs, *g.convolved(image)))
    for n, o, *place in np.ndindex(*y.shape):
        first = o // (outputs // group) * w.shape[1]
        value = 0.0 if b is None else b[o]
        for tap, pixel in g.met(place, image):
            for c in range(w.shape[1]):
                value += w[(o, c, *tap)] * pictures[(n, first + c, *pixel)]
        y[(n, o, *place)] = value
    return y.reshape(*x.shape[: g.axis], *y.shape[1:])


def deconvolution(param, bottoms, blobs):
    return [deconvolve(Geometry(param, x.ndim), x, *blobs) for x in bottoms]


def deconvolve(g, x, w, b=None):
    pictures = g.pictures(x)
    output = g.deconvolved(pictures.shape[2:])
    y = np.zeros((len(pictures), g.p.num_output, *output))
    for n, c, *place in np.ndindex(*pictures.shape):
        first = c // (pictures.shape[1] // g.p.group) * w.shape[1]
        for tap, pixel in g.met(place, output):
            for o in range(w.shape[1]):
                y[(n, first + o, *pixel)] += w[(c, o, *tap)] * pictures[(n, c, *place)]
    for o in range(0 if b is None else g.p.num_output):
        y[:, o] += b[o]
    return y.reshape(*x.shape[: g.axis], *y.shape[1:])


def im2col(param, bottoms, blobs):
    g = Geometry(param, bottoms[0].ndim)
    pictures = g.pictures(bottoms[0])
    taps = math.prod(g.kernel)
    y = np.zeros((len(pictures), pictures.shape[1] * taps, *g.convolved(pictures.shape[2:])))
    for n, c, *place in np.ndindex(*pictures.shape[:2], *y.shape[2:]):
        for tap, pixel in g.met(place, pictures.shape[2:]):
            number = 0
            for j, k in zip(tap, g.kernel, strict=True):
                number = number * k + j
            y[(n, c * taps + number, *place)] = pictures[(n, c, *pixel)]
    return [y.reshape(*bottoms[0].shape[: g.axis], *y.shape[1:])]


# --- cases ------------------------------------------------------------------------------------


def shaped(*shape):
    return lambda rng, n: (rng.normal(size=(n, *shape)),)


def two(rng, n):
    return rng.normal(size=(n, *SHAPE)), rng.normal(size=(n, *SHAPE))


WINDOWS = (
    "kernel_size: 3 pad: 1",
    "kernel_size: 2",
    "kernel_size: 3 stride: 2 pad: 1",
    "kernel_size: [2, 3] stride: [1, 2] pad: [0, 2]",
    "kernel_h: 1 kernel_w: 4 stride_h: 3 stride_w: 1 pad_h: 0 pad_w: 3",
    "kernel_size: 2 dilation: 2 pad: 1",
    "kernel_size: 2 dilation: [1, 3] force_nd_im2col: true",
    "kernel_size: 1",
    "kernel_size: 1 stride: 2",
    "kernel_size: 1 pad: 2",
    "kernel_size: 2 stride: 3",
    "kernel_size: 2 stride_h: 2 stride_w: 1 pad_w: 1",
)


def param(settings):
    return f"convolution_param {{ {settings} }}"


def other_axes(settings):
    """Another number of spatial axes, and of batch axes."""
    yield Case(param(f"{settings} kernel_size: 3 stride: 2 pad: 1"), shaped(3, 7))
    yield Case(param(f"{settings} kernel_size: [2, 1, 2] stride: [1, 2, 1] pad: [0, 1, 1]"), shaped(3, 2, 3, 3))
    yield Case(param(f"{settings} kernel_size: 2 axis: 2"), shaped(2, 3, 5))
    yield Case(param(f"{settings} kernel_size: 2 pad: 1 axis: -3"), shaped(2, 3, 2, 4))


def convolving_cases():
    for window in WINDOWS:
        yield Case(param(f"num_output: 4 {window}"))
    for window in WINDOWS[:4]:
        yield Case(param(f"num_output: 3 group: 3 {window}"))
    yield Case(param("num_output: 6 group: 3 bias_term: false kernel_size: 2 stride: 2"))
    yield Case(param("num_output: 6 group: 2 kernel_size: 2 engine: CAFFE"), shaped(4, 4, 3))
    yield Case(param("num_output: 8 group: 8 kernel_size: 3 pad: 1"), shaped(8, 4, 3))
    yield from other_axes("num_output: 2")
    # No spatial axes: an inner product.
    yield Case(param("num_output: 3 axis: -1"), shaped(2, 4))
    yield Case(param("num_output: 2 kernel_size: 2"), two, tops=2)


def im2col_cases():
    for window in WINDOWS:
        yield Case(param(window))
    yield from other_axes("")


# --- refusals ---------------------------------------------------------------------------------


def refused(settings, kind, field, *words, bottoms=(BOTTOM,), **options):
    return Refusal(param(settings), list(bottoms), kind, field, words, **options)


def reshaping(*shape):
    """Give the bottom another shape, and run."""

    def act(run):
        run.bottom[0].reshape(*shape)
        run.forward()

    return act


WRONG_WINDOWS = (
    ("", "kernel_size", "given 0 times"),
    ("kernel_size: 0", "kernel_size", "is 0"),
    ("kernel_size: [1, 0]", "kernel_size", "is 0"),
    ("kernel_size: [1, 2, 3]", "kernel_size", "given 3 times"),
    ("kernel_h: 2", "kernel_w", "is 0 or absent"),
    ("kernel_w: 2", "kernel_h", "is 0 or absent"),
    ("kernel_size: 2 kernel_h: 2 kernel_w: 2", "kernel_h", "beside kernel_size"),
    ("kernel_size: 2 stride: 0", "stride", "is 0"),
    ("kernel_size: 2 stride: [1, 1, 1]", "stride", "given 3 times"),
    ("kernel_size: 2 stride_h: 2", "stride_w", "is 0 or absent"),
    ("kernel_size: 2 stride_h: 0 stride_w: 1", "stride_h", "is 0"),
    ("kernel_size: 2 stride: 2 stride_w: 2", "stride_w", "beside stride"),
    ("kernel_size: 2 pad: [1, 1, 1]", "pad", "given 3 times"),
    ("kernel_size: 2 pad: 1 pad_h: 1", "pad_h", "beside pad"),
    ("kernel_size: 2 dilation: [1, 1, 1]", "dilation", "given 3 times"),
    ("kernel_h: 2 kernel_w: 2 axis: 0", "kernel_h", "the bottom has 3"),
    ("kernel_size: 2 stride_h: 2 axis: 2", "stride_h", "the bottom has 1"),
    ("kernel_size: 2 pad_w: 2 axis: 2", "pad_w", "the bottom has 1"),
    ("kernel_size: 2 pad: 4000000000", "pad", "is 4000000000", "at most"),
    ("kernel_size: 2 stride: 4000000000", "stride", "is 4000000000", "at most"),
)


def window_refusals(settings):
    for window, field, *words in WRONG_WINDOWS:
        yield refused(f"{settings} {window}", ParamError, P + field, *words)
    for axis in (4, -5):
        yield refused(f"{settings} kernel_size: 2 axis: {axis}", ShapeError, f"{P}axis", f"is {axis}", "-4 to 3")
    plain = f"{settings} kernel_size: 2"
    yield refused(plain, ShapeError, "", "2 3 4 (24)", "4 axes", act=reshaping(2, 3, 4))
    yield refused(plain, ShapeError, "", "2 3 4 5 1 (120)", "4 axes", act=reshaping(2, 3, 4, 5, 1))


def convolving_refusals(weight_shape):
    yield from window_refusals("num_output: 2")
    yield refused("kernel_size: 3", ParamError, f"{P}num_output", "is 0")
    yield refused("num_output: 0 kernel_size: 3", ParamError, f"{P}num_output", "is 0")
    yield refused("num_output: 2 kernel_size: 2 group: 0", ParamError, f"{P}group", "is 0")
    yield refused("num_output: 2 kernel_size: 2 group: 2", ParamError, f"{P}group", "is 2", "3 channels")
    yield refused("num_output: 4 kernel_size: 2 group: 3", ParamError, f"{P}group", "is 3", "4 outputs")
    plain = "num_output: 2 kernel_size: 2"
    yield refused(plain, ShapeError, "", "4 channels", "3", "2 4 4 5", act=reshaping(2, 4, 4, 5))
    yield refused(plain, ShapeError, "", "bottom[1]", "2 3 5 4", "2 3 4 5", bottoms=(BOTTOM, (2, 3, 5, 4)), tops=2)
    yield refused(plain, GraphError, "", "one top blob", "2 tops", tops=2)
    for name in ("weight_filler", "bias_filler"):
        text = f'num_output: 1 kernel_size: 1 {name} {{ type: "oops" }}'
        yield refused(text, ParamError, P + name, '"oops"', "xavier")
    stored = param("num_output: 1 kernel_size: 1") + " blobs { shape { dim: 3 } data: [1, 2, 3] }"
    yield Refusal(stored, [BOTTOM], ShapeError, "blobs", ("holds 1 blobs", "has 2"))
    for weight, bias, index, words in ((3, 1, 0, "3 (3)"), (weight_shape, 2, 1, "2 (2)")):
        blobs = f" blobs {{ shape {{ dim: {weight} }} data: [1, 2, 3] }}"
        blobs += f" blobs {{ shape {{ dim: {bias} }} data: {[1] * bias} }}"
        stored = param("num_output: 1 kernel_size: 1") + blobs
        yield Refusal(stored, [BOTTOM], ShapeError, f"blobs[{index}]", (words,))


def beyond_the_image():
    """Of Convolution and Im2col."""
    for window, *words in (
        ("kernel_size: 6", "makes an output of [-1, 0]"),
        ("kernel_size: 3 dilation: 4", "kernel_size [3, 3] with pad [0, 0], dilation [4, 4]"),
        ("kernel_h: 7 kernel_w: 1", "kernel_size [7, 1]"),
    ):
        yield refused(f"num_output: 2 {window}", ShapeError, "convolution_param", "[4, 5]", "does not fit", *words)
    # Sizes that would take memory by the gigabyte.
    huge = "num_output: 1 kernel_size: 1 pad: 100000 stride: 100000"
    yield refused(huge, ShapeError, f"{P}pad", "100000", f"{4 * 3 * 200004 * 200005} bytes")
    wide = "num_output: 1 kernel_size: [4000, 3000] pad: [2010, 1510]"
    columns = 3 * 4000 * 3000 * (4 + 2 * 2010 - 3999) * (5 + 2 * 1510 - 2999)
    yield refused(wide, ShapeError, "convolution_param", "[4000, 3000]", f"{4 * columns} bytes", bottoms=[(1, 3, 4, 5)])


def smaller_than_nothing():
    """Of Deconvolution."""
    yield refused(
        "num_output: 2 kernel_size: 2 pad: 4", ShapeError, "convolution_param", "[4, 5]", "[-3, -2]", "pad [4, 4]"
    )
    wide = "num_output: 20 kernel_size: 3000"
    columns = f"{4 * 20 * 3000 * 3000 * 4 * 5} bytes"
    yield refused(wide, ShapeError, "convolution_param", "[3000, 3000]", columns, bottoms=[(1, 1, 4, 5)])
    far = "num_output: 2 kernel_size: 1 stride: 100000"
    yield refused(far, ShapeError, "convolution_param", f"{4 * 2 * 300001 * 400001} bytes")


def im2col_refusals():
    yield from window_refusals("")
    yield from beyond_the_image()
    for axis in (3, -1):
        yield refused(f"axis: {axis}", ShapeError, f"{P}axis", f"is {axis}", "spatial axes")
    # Each picture is small enough, but there are many.
    many = [(3000, 1, 64, 64)]
    yield refused("kernel_size: 32", ShapeError, f"{P}kernel_size", "is [32, 32]", "bytes", bottoms=many)
    yield refused("kernel_size: 2", GraphError, "", "1 bottom", "it has 2", bottoms=[BOTTOM, BOTTOM])


ROWS = {
    "Convolution": Row(
        tuple(convolving_cases()), convolution, refused=(*convolving_refusals([1, 3, 1, 1]), *beyond_the_image())
    ),
    "Deconvolution": Row(
        tuple(convolving_cases()), deconvolution, refused=(*convolving_refusals([3, 1, 1, 1]), *smaller_than_nothing())
    ),
    "Im2col": Row(tuple(im2col_cases()), im2col, refused=tuple(im2col_refusals())),
}
