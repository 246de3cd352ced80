"""Pooling against its definition in plain loops."""

import math

import numpy as np
import pytest
from harness import check_gradient, check_rejected, make_layer, run_layer
from hypothesis import assume, given, settings, strategies as st
from kernel_cases import POOLED_SIZES
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import DataError, FormatError, GraphError, ParamError, ShapeError
from minicaffe.layers.base import TEST

SHAPE = (2, 3, 4, 5)
LOWEST = -3.4028234663852886e38
SPOT = np.array([[1, 2, 2, 1], [4, 3, 2, 3], [4, 1, 0, 5], [2, 2, 5, 5]], float).reshape(1, 1, 4, 4)


def prototxt(settings):
    return f'type: "Pooling" pooling_param {{ {settings} }}'


def output_size(size, kernel, stride, pad, any_pad, rounding=math.ceil):
    count = rounding((size + 2 * pad - kernel) / stride) + 1
    return count - 1 if any_pad and (count - 1) * stride >= size + pad else count


def windows(image, kernel, stride, pad, floor=False):
    """For each output (i, j): (rows, columns, area with its padding)."""
    counts = [
        output_size(size, k, s, p, any(pad), math.floor if floor else math.ceil)
        for size, k, s, p in zip(image, kernel, stride, pad, strict=True)
    ]
    for i, j in np.ndindex(*counts):
        starts = [a * s - p for a, s, p in zip((i, j), stride, pad, strict=True)]
        ends = [min(a + k, size + p) for a, k, size, p in zip(starts, kernel, image, pad, strict=True)]
        area = math.prod(e - a for a, e in zip(starts, ends, strict=True))
        rows, columns = (range(max(a, 0), min(e, size)) for a, e, size in zip(starts, ends, image, strict=True))
        yield (i, j), rows, columns, area


def max_pool(x, *window):
    """{output: (value, index)}: the first of the greatest."""
    result = {}
    for n, c in np.ndindex(*x.shape[:2]):
        for place, rows, columns, _ in windows(x.shape[2:], *window):
            best, index = LOWEST, -1
            for h in rows:
                for w in columns:
                    if x[n, c, h, w] > best:
                        best, index = x[n, c, h, w], h * x.shape[3] + w
            result[(n, c, *place)] = best, index
    return result


def average_pool(x, *window):
    result = {}
    for n, c in np.ndindex(*x.shape[:2]):
        for place, rows, columns, area in windows(x.shape[2:], *window):
            total = sum(x[n, c, h, w] for h in rows for w in columns)
            result[(n, c, *place)] = total / area if area else math.nan
    return result


def as_array(values, shape):
    y = np.empty(shape)
    for place, value in values.items():
        y[place] = value
    assert len(values) == y.size
    return y


# --- MAX and AVE ----------------------------------------------------------------------------------

CASES = {
    "kernel_size: 2 stride: 2": ((2, 2), (2, 2), (0, 0)),
    "kernel_size: 3 stride: 2": ((3, 3), (2, 2), (0, 0)),
    "kernel_size: 3": ((3, 3), (1, 1), (0, 0)),
    "kernel_size: 3 stride: 2 pad: 1": ((3, 3), (2, 2), (1, 1)),
    "kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR": ((3, 3), (2, 2), (1, 1), True),
    "kernel_size: 3 stride: 2 round_mode: FLOOR": ((3, 3), (2, 2), (0, 0), True),
    "kernel_size: 2 stride: 3 pad: 1": ((2, 2), (3, 3), (1, 1)),
    "kernel_size: 1 stride: 2": ((1, 1), (2, 2), (0, 0)),
    "kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0": ((3, 2), (1, 3), (2, 0)),
    "kernel_size: 2 kernel_h: 4": ((2, 2), (1, 1), (0, 0)),
    "kernel_size: 6 stride: 4 pad: 3": ((6, 6), (4, 4), (3, 3)),
    "kernel_size: 9 stride: 9": ((9, 9), (9, 9), (0, 0)),
    "global_pooling: true": ((4, 5), (1, 1), (0, 0)),
    "global_pooling: true stride: 1 pad: 0 engine: CUDNN": ((4, 5), (1, 1), (0, 0)),
}
# With this one the last window of 4 rows begins at row 4: it is empty, and has no derivative to compare with.
EMPTY = "kernel_size: 1 stride: 2"


@pytest.mark.parametrize("settings", CASES)
def test_max_is_the_definition(backend, order, rng, settings):
    x = rng.normal(size=SHAPE)
    values = max_pool(x.astype(np.float32), *CASES[settings])
    run = run_layer(prototxt("pool: MAX " + settings), x, tops=2)
    shape = run.top[0].shape
    assert_array_equal(run.top[0].data, as_array({k: v[0] for k, v in values.items()}, shape).astype(np.float32))
    assert_array_equal(run.top[1].data, as_array({k: v[1] for k, v in values.items()}, shape))
    assert_array_equal(run_layer(prototxt(settings), x).top[0].data, run.top[0].data)


@pytest.mark.parametrize("settings", CASES)
def test_average_is_the_definition(backend, order, rng, settings):
    x = rng.normal(size=SHAPE)
    run = run_layer(prototxt("pool: AVE " + settings), x, dtype="float64")
    assert_allclose(run.top[0].data, as_array(average_pool(x, *CASES[settings]), run.top[0].shape), rtol=1e-12)


@pytest.mark.parametrize("settings", [settings for settings in CASES if settings != EMPTY])
@pytest.mark.parametrize("pool, tops", [("MAX", 1), ("MAX", 2), ("AVE", 1)])
def test_gradient(backend, order, rng, settings, pool, tops):
    x = rng.normal(size=SHAPE)
    if tops == 1:
        check_gradient(prototxt(f"pool: {pool} {settings}"), x)
        return
    # The mask has no gradient, and its steps would drown what is checked: compare with one top.
    one, two = (run_layer(prototxt(f"pool: {pool} {settings}"), x, tops=tops) for tops in (1, 2))
    two.top[1].diff[...] = 5
    for run in (one, two):
        run.top[0].diff[...] = np.random.default_rng(3).normal(size=run.top[0].shape)
        run.bottom[0].diff[...] = 7
        run.backward()
    assert_allclose(two.bottom[0].diff, one.bottom[0].diff, rtol=1e-6, atol=1e-6)


@settings(max_examples=80)
@given(st.data())
def test_any_window_on_any_image(order, data):
    image, kernel, stride = (data.draw(st.tuples(*[st.integers(1, high)] * 2)) for high in (7, 4, 5))
    pad = data.draw(st.tuples(*[st.integers(0, k - 1) for k in kernel]))
    floor = data.draw(st.booleans())
    rounding = math.floor if floor else math.ceil
    counts = [output_size(*sizes, any(pad), rounding) for sizes in zip(image, kernel, stride, pad, strict=True)]
    assume(all(count >= 0 for count in counts))
    # A window may be empty where nothing is padded: it then begins behind the image. With padding it is refused.
    inside = all((n - 1) * s < i + p for n, s, i, p in zip(counts, stride, image, pad, strict=True))
    assume(inside or not any(pad))
    text = " ".join(
        f"{name}_h: {sizes[0]} {name}_w: {sizes[1]}"
        for name, sizes in (("kernel", kernel), ("stride", stride), ("pad", pad))
    )
    text += " round_mode: FLOOR" if floor else ""
    # Few values, hence many ties.
    x = np.random.default_rng(2).integers(0, 4, size=(2, 2, *image)).astype(float)
    window = (kernel, stride, pad, floor)
    run = run_layer(prototxt(text), x, tops=2, dtype="float64")
    values = max_pool(x, *window)
    shape = (2, 2, *counts)
    assert run.top[0].shape == shape
    assert_array_equal(run.top[0].data, as_array({k: v[0] for k, v in values.items()}, shape))
    assert_array_equal(run.top[1].data, as_array({k: v[1] for k, v in values.items()}, shape))
    expected = as_array(average_pool(x, *window), shape)
    average = run_layer(prototxt("pool: AVE " + text), x, dtype="float64")
    if inside:
        assert_allclose(average.top[0].data, expected)
        check_gradient(prototxt("pool: AVE " + text), x)
    dy = np.random.default_rng(3).normal(size=shape)
    dx = np.zeros(x.shape)
    for (n, c, i, j), (_, index) in values.items():
        if index >= 0:
            dx[(n, c, *divmod(index, image[1]))] += dy[n, c, i, j]
    for tops in (1, 2):
        run = run_layer(prototxt(text), x, tops=tops, dtype="float64")
        run.top[0].diff[...] = dy
        assert_allclose(run.backward().bottom[0].diff, dx)


@pytest.mark.parametrize("size, kernel, stride, pad, ceil, floor", POOLED_SIZES)
def test_output_sizes(size, kernel, stride, pad, ceil, floor):
    for mode, expected in (("CEIL", ceil), ("FLOOR", floor)):
        text = f"kernel_size: {kernel} stride: {stride} pad: {pad} round_mode: {mode}"
        assert make_layer(prototxt(text), (1, 1, size, size)).top[0].shape == (1, 1, expected, expected)


def test_spot_values(backend, order):
    maximum = run_layer(prototxt("kernel_size: 3 stride: 2"), SPOT, tops=2)
    assert maximum.top[0].data.ravel().tolist() == [4, 5, 5, 5]
    assert maximum.top[1].data.ravel().tolist() == [4, 11, 14, 11]
    padded = run_layer(prototxt("kernel_size: 3 stride: 2 pad: 1"), SPOT, tops=2)
    assert padded.top[0].data.ravel().tolist() == [4, 3, 3, 4, 5, 5, 2, 5, 5]
    assert padded.top[1].data.ravel().tolist() == [4, 5, 7, 4, 11, 11, 12, 14, 15]
    average = run_layer(prototxt("pool: AVE kernel_size: 3 stride: 2"), SPOT)
    assert_allclose(average.top[0].data.ravel(), [19 / 9, 13 / 6, 7 / 3, 15 / 4], rtol=1e-6)
    average = run_layer(prototxt("pool: AVE kernel_size: 3 stride: 2 pad: 1"), SPOT)
    expected = [10 / 9, 13 / 9, 2 / 3, 16 / 9, 26 / 9, 13 / 6, 2 / 3, 2, 5 / 4]
    assert_allclose(average.top[0].data.ravel(), expected, rtol=1e-6)


def test_the_average_counts_padding_but_not_what_is_beyond(backend, order):
    run = run_layer(prototxt("pool: AVE kernel_size: 3 pad: 1"), np.full((1, 1, 3, 3), 2))
    corner, edge, centre = 8 / 9, 4 / 3, 2
    assert_allclose(
        run.top[0].data.ravel(), [corner, edge, corner, edge, centre, edge, corner, edge, corner], rtol=1e-6
    )


@pytest.mark.parametrize("value", [np.nan, -np.inf, LOWEST])
def test_a_window_with_nothing_above_the_lowest(backend, order, value):
    """No winner: -FLT_MAX, mask -1, and a gradient that goes nowhere."""
    x = np.ones((2, 2, 4, 4))
    x[1, 0, :2, 2:] = value
    for tops in (1, 2):
        run = run_layer(prototxt("kernel_size: 2 stride: 2"), x, tops=tops)
        expected = np.ones((2, 2, 2, 2), np.float32)
        expected[1, 0, 0, 1] = LOWEST
        assert_array_equal(run.top[0].data, expected)
        if tops == 2:
            assert run.top[1].data[1, 0, 0, 1] == -1
        run.top[0].diff[...] = 1
        dx = run.backward().bottom[0].diff
        assert dx.sum() == 15 and not dx[1, 0, :2, 2:].any()


def test_an_empty_average_window_is_nan(backend, order):
    """Kernel 1, stride 3 on 3 pixels: the second window begins behind the image."""
    run = run_layer(prototxt("pool: AVE kernel_size: 1 stride: 3"), np.ones((1, 1, 3, 1)))
    assert run.top[0].data[0, 0, 0, 0] == 1 and np.isnan(run.top[0].data[0, 0, 1, 0])


def test_nan_loses_against_a_number(backend, order):
    x = np.array([[np.nan, 1], [-2, np.nan]]).reshape(1, 1, 2, 2)
    run = run_layer(prototxt("kernel_size: 2"), x, tops=2)
    assert (run.top[0].data.item(), run.top[1].data.item()) == (1, 1)


@pytest.mark.parametrize("pool", ["MAX", "AVE", "STOCHASTIC"])
@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5)])
def test_empty_blobs(backend, order, pool, shape):
    run = run_layer(prototxt(f"pool: {pool} kernel_size: 3 stride: 2"), np.ones(shape))
    assert run.top[0].shape[:2] == shape[:2] and not run.top[0].count
    assert run.backward().bottom[0].diff.shape == shape


def test_an_empty_top_of_a_real_image_has_zero_gradient(backend, order):
    run = run_layer(prototxt("kernel_size: 3 stride: 2 round_mode: FLOOR"), np.ones((2, 3, 2, 2)))
    run.bottom[0].diff[...] = 7
    assert run.top[0].shape == (2, 3, 0, 0)
    assert not run.backward().bottom[0].diff.any()


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_a_window_of_many_taps(backend, order, rng, pool):
    """More than 254 taps no longer fit a byte."""
    x = rng.normal(size=(2, 2, 18, 17))
    run = run_layer(prototxt(f"pool: {pool} global_pooling: true"), x, dtype="float64")
    expected = x.max(axis=(2, 3)) if pool == "MAX" else x.mean(axis=(2, 3))
    assert_allclose(run.top[0].data[:, :, 0, 0], expected)
    run.top[0].diff[...] = 3
    dx = run.backward().bottom[0].diff
    chosen = x == x.max(axis=(2, 3), keepdims=True)
    assert_allclose(dx, 3 * chosen if pool == "MAX" else np.full(x.shape, 3 / x[0, 0].size))


def test_a_global_window_follows_the_image(backend, order, rng):
    run = make_layer(prototxt("global_pooling: true"), SHAPE, tops=2)
    for shape in [SHAPE, (3, 3, 2, 7), (1, 3, 18, 17)]:
        x = rng.normal(size=shape).astype(np.float32)
        run.feed(x).forward()
        assert_array_equal(run.top[0].data[:, :, 0, 0], x.max(axis=(2, 3)))
        assert_array_equal(run.top[1].data[:, :, 0, 0], x.reshape(*shape[:2], -1).argmax(axis=2))


def test_the_mask_is_read_back(backend, order):
    run = run_layer(prototxt("kernel_size: 2 stride: 2"), np.zeros((1, 1, 2, 4)), tops=2)
    run.top[1].data[...] = np.array([5, -1]).reshape(1, 1, 1, 2)
    run.top[0].diff[...] = 3
    assert run.backward().bottom[0].diff.ravel().tolist() == [0, 0, 0, 0, 0, 3, 0, 0]


@pytest.mark.parametrize("value", [8, -2, np.nan])
def test_a_mask_outside_the_image_is_refused(backend, order, value):
    def spoil(run):
        run.forward().top[1].data[0, 0, 0, 1] = value
        run.backward()

    words = ("top[1]", f"{value:g} at position 1", "between -1 and 7")
    check_rejected(prototxt("kernel_size: 2 stride: 2"), [(1, 1, 2, 4)], DataError, "", *words, act=spoil, tops=2)


# --- STOCHASTIC -----------------------------------------------------------------------------------

STOCHASTIC = prototxt("pool: STOCHASTIC kernel_size: 2 stride: 2")


def test_stochastic_chooses_in_proportion(backend, order):
    x = np.tile(np.array([[1, 2], [3, 4]]), (40, 40)).reshape(1, 1, 80, 80)
    y = run_layer(STOCHASTIC, x).top[0].data
    counts = [np.count_nonzero(y == value) for value in (1, 2, 3, 4)]
    assert sum(counts) == 1600
    # Five standard deviations of a binomial count of 1600 are at most 100.
    assert_allclose(counts, [160, 320, 480, 640], atol=100)


def test_stochastic_gradient_goes_to_the_chosen_pixel(backend, order, rng):
    x = rng.permutation(80).reshape(1, 1, 8, 10) + 1.0
    run = run_layer(STOCHASTIC, x)
    run.top[0].diff[...] = dy = rng.normal(size=(1, 1, 4, 5)).astype(np.float32)
    dx = run.backward().bottom[0].diff
    expected = np.zeros(x.shape, np.float32)
    for place, value in np.ndenumerate(run.top[0].data):
        expected[x == value] = dy[place]
    assert_array_equal(dx, expected)
    check_gradient(STOCHASTIC, x)


def test_stochastic_never_chooses_a_zero(backend, order):
    x = np.zeros((4, 3, 8, 8))
    x[:, :, ::2, 1::2] = 5
    assert np.all(run_layer(STOCHASTIC, x).top[0].data == 5)


def test_stochastic_in_the_test_phase_is_a_weighted_mean(backend, order, rng):
    x = np.abs(rng.normal(size=SHAPE))
    x[1, 2, :2, :2] = 0
    y = run_layer(prototxt("pool: STOCHASTIC kernel_size: 2 stride: 2"), x, phase=TEST).top[0].data
    for (n, c), ((i, j), rows, columns, _) in (
        (nc, window) for nc in np.ndindex(2, 3) for window in windows((4, 5), (2, 2), (2, 2), (0, 0))
    ):
        pixels = np.array([x[n, c, h, w] for h in rows for w in columns])
        expected = (pixels**2).sum() / pixels.sum() if pixels.sum() > 0 else 0
        assert y[n, c, i, j] == pytest.approx(expected, rel=1e-5)


def test_stochastic_draws_depend_on_the_count_alone(backend, rng):
    """Not on the memory order, nor on what ran before: a restored layer draws what it would have drawn."""
    x = np.abs(rng.normal(size=(3, 2, 6, 6)))
    runs = [make_layer(STOCHASTIC, x, order=order) for order in (["c"] if backend.is_gpu else ["c", "batch_innermost"])]
    draws = [[run.forward().top[0].data.copy() for _ in range(3)] for run in runs]
    for drawn in draws:
        assert_array_equal(drawn, draws[0])
    assert (draws[0][0] != draws[0][1]).any()
    fresh = make_layer(STOCHASTIC, x)
    fresh.layer.restore({"forward_count": 2})
    assert_array_equal(fresh.forward().top[0].data, draws[0][2])
    assert fresh.layer.state() == {"forward_count": 3}


@pytest.mark.parametrize(
    "state, words",
    [
        ({}, "it has no forward_count"),
        ({"forward_count": -1}, "its forward_count is -1"),
        ({"forward_count": "2"}, "its forward_count is '2'"),
    ],
)
def test_a_state_that_is_none(state, words):
    layer = make_layer(STOCHASTIC, SHAPE).layer
    with pytest.raises(FormatError, match=rf'layer "the_layer" \(Pooling\): cannot go on from the snapshot: {words}'):
        layer.restore(state)
    assert layer.state() == {"forward_count": 0}


def test_stochastic_has_no_gradient_before_a_training_pass(backend):
    words = "before a forward pass"
    check_rejected(STOCHASTIC, [SHAPE], GraphError, "", words, act=lambda run: run.forward().backward(), phase=TEST)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, field, words",
    [
        ("global_pooling: true kernel_size: 2", "kernel_size", "global_pooling"),
        ("global_pooling: true kernel_h: 2", "kernel_h", "global_pooling"),
        ("global_pooling: true kernel_w: 2", "kernel_w", "global_pooling"),
        ("global_pooling: true pad: 1", "pad", "is 1, must be 0"),
        ("global_pooling: true pad_h: 0 pad_w: 2", "pad_w", "is 2, must be 0"),
        ("global_pooling: true stride: 2", "stride", "is 2, must be 1"),
        ("global_pooling: true stride_h: 3 stride_w: 1", "stride_h", "is 3, must be 1"),
        ("stride: 2", "kernel_size", "is missing"),
        ("kernel_h: 2", "kernel_size", "is missing"),
        ("kernel_w: 2", "kernel_size", "is missing"),
        ("kernel_size: 2 kernel_h: 2 kernel_w: 2", "kernel_size", "beside kernel_h and kernel_w"),
        ("kernel_size: 0", "kernel_size", "is 0"),
        ("kernel_h: 2 kernel_w: 0", "kernel_w", "is 0"),
        ("kernel_size: 2 pad: 1 pad_h: 1 pad_w: 1", "pad_h", "beside pad"),
        ("kernel_size: 2 pad: 1 pad_w: 1", "pad_w", "beside pad"),
        ("kernel_size: 2 pad_h: 1", "pad_h", "without pad_w"),
        ("kernel_size: 2 pad_w: 1", "pad_w", "without pad_h"),
        ("kernel_size: 2 stride: 1 stride_h: 1 stride_w: 1", "stride_h", "beside stride"),
        ("kernel_size: 2 stride_h: 1", "stride_h", "without stride_w"),
        ("kernel_size: 2 stride_w: 1", "stride_w", "without stride_h"),
        ("kernel_size: 2 stride: 0", "stride", "is 0, must be 1 or more; omit it for 1"),
        ("kernel_size: 2 stride_h: 1 stride_w: 0", "stride_w", "is 0"),
        ("kernel_size: 2 stride: 3000000000", "stride", "is 3000000000"),
        ("kernel_size: 2 pad: 2", "pad", "is 2 pixels"),
        ("kernel_size: 2000000000 pad: 1000000000", "kernel_size", "is 2000000000 x 2000000000"),
        ("kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 1", "pad_w", "less than the kernel, 1"),
        ("pool: STOCHASTIC kernel_size: 2 pad: 1", "pad", "is 1, must be 0 with STOCHASTIC"),
    ],
)
def test_settings_that_are_refused(settings, field, words):
    check_rejected(prototxt(settings), [SHAPE], ParamError, f"pooling_param.{field}", words)


@pytest.mark.parametrize("pool", ["AVE", "STOCHASTIC"])
def test_only_max_has_a_mask(pool):
    text = prototxt(f"pool: {pool} kernel_size: 2")
    check_rejected(text, [SHAPE], GraphError, "pooling_param.pool", f"is {pool}", tops=2)


def test_three_tops():
    check_rejected(prototxt("kernel_size: 2"), [SHAPE], GraphError, "", "at most 2", "it has 3", tops=3)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 2, 3, 4, 5)])
def test_a_bottom_without_four_axes(shape):
    check_rejected(prototxt("kernel_size: 2"), [shape], ShapeError, "", "4 axes")


def test_an_empty_image_under_a_global_window():
    check_rejected(
        prototxt("global_pooling: true"), [(2, 3, 0, 5)], ShapeError, "pooling_param.global_pooling", "0 x 5"
    )


def test_a_window_far_beyond_the_image():
    check_rejected(
        prototxt("kernel_size: 7 stride: 2"),
        [(2, 3, 2, 2)],
        ShapeError,
        "pooling_param.kernel_size",
        "2 x 2",
        "-1 x -1",
    )


def test_a_window_that_begins_behind_the_image_though_one_was_dropped():
    """Only the rounding of a float32 quotient, beyond 2^24 pixels, can be off by more than one window."""
    text = prototxt("kernel_h: 2 kernel_w: 1 pad_h: 1 pad_w: 0")
    check_rejected(text, [(1, 1, 2**26 + 5, 1)], ShapeError, "pooling_param", str(2**26 + 5), "behind the image")


@pytest.mark.parametrize(
    "settings", ["kernel_size: 2 stride: 2", "kernel_size: 3 stride: 2 pad: 1", "kernel_h: 1 kernel_w: 4"]
)
def test_what_never_runs_backward_need_not_know_the_winners(backend, order, rng, settings):
    x = rng.normal(size=(2, 3, 7, 5))
    trained = make_layer(prototxt(settings), x)
    trained.forward()
    runs = make_layer(prototxt(settings), x)
    runs.layer.runs_backward = False
    runs.forward()
    assert_array_equal(runs.top[0].data, trained.top[0].data)
    assert runs.layer.winner is None and trained.layer.winner is not None
