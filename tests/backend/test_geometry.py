"""Window arithmetic against counting pixels one by one."""

import math

import pytest
from hypothesis import given, strategies as st
from kernel_cases import POOLED_SIZES

from minicaffe.backend.geometry import Window, tap_span

sizes = st.integers(1, 9)


def test_defaults():
    window = Window.of((3, 2))
    assert window == Window((3, 2), (1, 1), (0, 0), (1, 1))
    assert (window.taps, window.extent) == (6, (3, 2))
    assert Window.of(()).taps == 1


@pytest.mark.parametrize(
    "window, pointwise",
    [
        (Window.of((1, 1)), True),
        (Window.of((1,), dilation=(3,)), True),
        (Window.of(()), True),
        (Window.of((1, 1), stride=(1, 2)), False),
        (Window.of((1, 1), pad=(0, 1)), False),
        (Window.of((1, 2)), False),
    ],
)
def test_pointwise(window, pointwise):
    assert window.is_pointwise == pointwise


@pytest.mark.parametrize(
    "size, kernel, stride, pad, dilation, output",
    [
        (7, 3, 2, 1, 1, 4),
        (7, 3, 1, 2, 2, 7),
        (2, 3, 2, 0, 1, 1),
        (2, 3, 1, 0, 1, 0),
        (1, 3, 1, 0, 1, -1),
        (1, 4, 2, 0, 1, 0),
        (224, 7, 2, 3, 1, 112),
        (227, 11, 4, 0, 1, 55),
    ],
)
def test_convolution_sizes(size, kernel, stride, pad, dilation, output):
    assert Window((kernel,), (stride,), (pad,), (dilation,)).conv_output((size,)) == (output,)


@given(sizes, sizes, sizes, st.integers(0, 4), st.integers(1, 3))
def test_convolution_counts_the_windows_that_fit(size, kernel, stride, pad, dilation):
    window = Window((kernel,), (stride,), (pad,), (dilation,))
    extent = dilation * (kernel - 1) + 1
    fitting = len(range(0, size + 2 * pad - extent + 1, stride))
    if fitting:
        assert window.conv_output((size,)) == (fitting,)
    assert window.extent == (extent,)


@given(sizes, sizes, sizes, st.integers(0, 4), st.integers(1, 3))
def test_deconvolution_is_the_way_back(size, kernel, stride, pad, dilation):
    window = Window((kernel,), (stride,), (pad,), (dilation,))
    (large,) = window.deconv_output((size,))
    if large > 0:
        assert window.conv_output((large,)) == (size,)


def test_deconvolution_example():
    assert Window.of((3, 3), (2, 2)).deconv_output((6, 4)) == (13, 9)


@pytest.mark.parametrize("size, kernel, stride, pad, ceil, floor", POOLED_SIZES)
def test_pooling_sizes(size, kernel, stride, pad, ceil, floor):
    window = Window.of((kernel,), (stride,), (pad,))
    assert window.pool_output((size,)) == (ceil,)
    assert window.pool_output((size,), round_down=True) == (floor,)


def test_any_padding_clips_both_axes():
    """Kernel 1, stride 3 on 3 pixels has an empty second window, unless there is padding, be it elsewhere."""
    assert Window.of((1, 2), (3, 1)).pool_output((3, 4)) == (2, 3)
    assert Window.of((1, 2), (3, 1), (0, 1)).pool_output((3, 4)) == (1, 5)


@given(sizes, sizes, sizes, st.integers(0, 8), st.booleans())
def test_pooling_begins_inside(size, kernel, stride, pad, round_down):
    pad = min(pad, kernel - 1)
    (count,) = Window.of((kernel,), (stride,), (pad,)).pool_output((size,), round_down)
    exact = (size + 2 * pad - kernel) / stride + 1
    unclipped = math.floor(exact) if round_down else math.ceil(exact)
    assert count in (unclipped, unclipped - 1)
    if pad:
        assert (count - 1) * stride < size + pad
        assert count == unclipped or (unclipped - 1) * stride >= size + pad


# --- taps -----------------------------------------------------------------------------------------


@given(st.integers(-6, 6), sizes, st.integers(0, 9), st.integers(0, 9))
def test_tap_span_is_the_pixels_and_the_outputs_that_meet(offset, stride, image, output):
    pixels, outputs = tap_span(offset, stride, image, output)
    meetings = [(offset + stride * o, o) for o in range(output) if 0 <= offset + stride * o < image]
    assert list(zip(range(image)[pixels], range(output)[outputs], strict=True)) == meetings


@given(st.data(), st.integers(1, 3))
def test_each_tap_meets_every_pixel_of_every_window_once(data, axes):
    def draw(low, high):
        return data.draw(st.tuples(*[st.integers(low, high)] * axes))

    image, output = draw(0, 5), draw(0, 4)
    window = Window(draw(1, 3), draw(1, 4), draw(0, 2), draw(1, 2))
    met = set()
    for tap, pixels, outputs in window.each_tap(image, output):
        for p, o in zip(places(image, pixels), places(output, outputs), strict=True):
            met.add((tap, p, o))
    expected = set()
    for o in places(output, [slice(None)] * axes):
        for tap, j in enumerate(places(window.kernel, [slice(None)] * axes)):
            parts = zip(o, window.stride, window.pad, j, window.dilation, strict=True)
            p = tuple(a * s - pad + b * d for a, s, pad, b, d in parts)
            if all(0 <= v < size for v, size in zip(p, image, strict=True)):
                expected.add((tap, p, o))
    assert met == expected


def test_a_huge_window_costs_no_more_taps_than_meet_the_image():
    window = Window.of((40_000, 40_000), (1, 1), (20_000, 20_000))
    output = window.pool_output((2, 3))
    taps = list(window.each_tap((2, 3), (1, 1)))
    assert [tap for tap, _, _ in taps] == [
        (20_000 + row) * 40_000 + 20_000 + column for row in (0, 1) for column in range(3)
    ]
    assert output == (3, 4)


def places(sizes, slices):
    """All index tuples that the slices choose, row by row."""
    result = [()]
    for size, part in zip(sizes, slices, strict=True):
        result = [(*place, index) for place in result for index in range(size)[part]]
    return result
