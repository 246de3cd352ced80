"""Where the pixels of one blob lie in another: maps of layers, of ways through a net, and the crops that follow."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from net_kit import make_net
from numpy.testing import assert_allclose

from minicaffe.coord_map import (
    PASS_THROUGH_LAYERS,
    AxisMismatchException,
    UndefinedMapException,
    compose,
    conv_params,
    coord_map,
    coord_map_from_to,
    crop,
    crop_params,
    inverse,
)
from minicaffe.net_spec import NetSpec, layers as L, params as P


def there_and_back(kernel_size=3, stride=1, pad=0, pool=2, dstride=2, dpad=0):
    """Convolution, pooling, and a deconvolution that undoes the pooling."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [2, 1, 100, 100]})
    n.aux = L.Input(shape={"dim": [2, 1, 20, 20]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=kernel_size, stride=stride, pad=pad)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=pool, stride=pool, pad=0)
    n.deconv = L.Deconvolution(
        n.pool, convolution_param={"num_output": 10, "kernel_size": 2 * dstride, "stride": dstride, "pad": dpad}
    )
    return n


def assert_map(found, axis, scale, shift):
    assert found[0] == axis
    assert_allclose(found[1], scale)
    assert_allclose(found[2], shift)


# Maps of single layers: (type, settings, axis, scale, shift).
LAYERS = [
    ("Convolution", {"kernel_size": 1}, 1, [1], [0]),
    ("Convolution", {"kernel_size": 3, "pad": 1}, 1, [1], [0]),
    ("Convolution", {"kernel_size": 5, "stride": 2, "pad": 1, "axis": 2}, 2, [0.5], [-0.5]),
    ("Convolution", {"kernel_size": 3, "dilation": 4}, 1, [1], [-4]),
    ("Convolution", {"kernel_size": [3, 5], "stride": [1, 2], "pad": [0, 4]}, 1, [1, 0.5], [-1, 1]),
    ("Convolution", {"convolution_param": {"kernel_size": [2], "stride": [4]}, "name": "c"}, 1, [0.25], [-0.125]),
    ("Pooling", {"kernel_size": 2, "stride": 2}, 1, [0.5], [-0.25]),
    ("Pooling", {"pooling_param": {"kernel_size": 3, "stride": 2, "pad": 1}}, 1, [0.5], [0]),
    ("Im2col", {"convolution_param": {"kernel_size": 3}}, 1, [1], [-1]),
    ("Deconvolution", {"kernel_size": 4, "stride": 2}, 1, [2], [1.5]),
    ("Deconvolution", {"convolution_param": {"kernel_size": 4, "stride": 2, "pad": 1}}, 1, [2], [0.5]),
    ("Crop", {}, 1, 1, [0]),
    ("Crop", {"axis": 3, "offset": 5}, 2, 1, [-5]),
    ("Crop", {"crop_param": {"offset": [5, 0]}}, 1, 1, [-5, 0]),
    *((kind, {}, None, 1, 0) for kind in PASS_THROUGH_LAYERS),
]


@pytest.mark.parametrize("kind, params, axis, scale, shift", LAYERS)
def test_layers(kind, params, axis, scale, shift):
    found = coord_map(getattr(L, kind)(L.Input(), **params).fn)
    assert_map(found, axis, scale, shift)
    assert np.shape(found[2]) == np.shape(shift)


def test_defaults_of_settings():
    axis, stride, extent, pad = conv_params(L.Convolution(kernel_size=[3, 5], dilation=2).fn)
    assert (axis, stride.tolist(), extent.tolist(), pad.tolist()) == (1, [1], [5, 9], [0])
    axis, offset = crop_params(L.Crop().fn)
    assert (axis, offset.tolist()) == (2, [0])


@pytest.mark.parametrize("kind", ["InnerProduct", "Input", "Concat", "Reshape", "Flatten", "NoSuchType"])
def test_other_layers_have_no_map(kind):
    with pytest.raises(UndefinedMapException, match=rf"L\.{kind}\(\): a {kind} layer does not map coordinates"):
        coord_map(getattr(L, kind)().fn)


@pytest.mark.parametrize("name", ["kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w"])
@pytest.mark.parametrize("inside", [False, True])
def test_settings_of_one_axis_are_refused(name, inside):
    params = {"kernel_size": 3, name: 1}
    fn = L.Convolution(L.Input(), **({"convolution_param": params} if inside else params)).fn
    with pytest.raises(
        AssertionError, match=rf"L\.Convolution.*: {name} cannot be mapped; write kernel_size, stride and"
    ):
        coord_map(fn)


def test_kernel_size_is_required():
    with pytest.raises(KeyError, match=r"L\.Pooling\(global_pooling=True\) has no kernel_size"):
        coord_map(L.Pooling(global_pooling=True).fn)


# Arithmetic of maps.
NUMBERS = st.integers(-8, 8).map(lambda number: number / 4)
MAPS = st.tuples(st.sampled_from([None, 1]), NUMBERS.filter(bool), NUMBERS)


@given(MAPS, MAPS, NUMBERS)
def test_compose_is_one_map_behind_the_other(base, then, x):
    axis, a, b = compose(base, then)
    assert axis == (then[0] if base[0] is None else base[0])
    assert_allclose(a * x + b, base[1] * (then[1] * x + then[2]) + base[2])


@given(MAPS, NUMBERS)
def test_inverse_undoes(one, x):
    axis, a, b = inverse(one)
    assert axis == one[0]
    assert_allclose(a * (one[1] * x + one[2]) + b, x, atol=1e-12)


def test_axes_must_agree():
    with pytest.raises(AxisMismatchException, match="one map begins at axis 1, the next at axis 2"):
        compose((1, 1, 0), (2, 1, 0))
    x = L.Input()
    with pytest.raises(AxisMismatchException):
        coord_map_from_to(L.Crop(L.Convolution(x, kernel_size=1), x, axis=3), x)


# Ways through a net.


def test_pooling_and_deconvolution_cancel_out():
    n = there_and_back()
    assert_map(coord_map_from_to(n.deconv, n.data), 1, 1, 0)
    n = there_and_back(pool=4, dstride=4)
    assert_map(coord_map_from_to(n.deconv, n.data), 1, 1, -1)


def test_layers_that_pass_coordinates_on_change_nothing():
    n = there_and_back()
    relu = L.ReLU(n.deconv)
    for top in (relu, L.Convolution(relu, kernel_size=1, num_output=1)):
        assert_map(coord_map_from_to(top, n.data), *coord_map_from_to(n.deconv, n.data))


@pytest.mark.parametrize("pad, dpad", [(3, 0), (0, 3), (7, 7)])
def test_padding_shifts(pad, dpad):
    n = there_and_back(pad=pad, dpad=dpad)
    assert_map(coord_map_from_to(n.deconv, n.data), 1, 1, dpad - pad)


def test_each_bottom_of_a_layer_maps_alike():
    n = there_and_back()
    data, aux = L.Convolution(n.data, n.aux, ntop=2, kernel_size=5, stride=2)
    assert_map(coord_map_from_to(data, n.data), *coord_map_from_to(aux, n.aux))


def test_axes_of_a_rectangle_are_maps_of_their_own():
    small, large, both = (
        coord_map_from_to(n.deconv, n.data)
        for n in (
            there_and_back(kernel_size=3),
            there_and_back(kernel_size=5, stride=2, pad=10),
            there_and_back(kernel_size=[3, 5], stride=[1, 2], pad=[0, 10]),
        )
    )
    assert_map(both, 1, np.concatenate([small[1], large[1]]), np.concatenate([small[2], large[2]]))


def test_three_axes():
    n = there_and_back(kernel_size=[3, 3, 3], stride=[1, 1, 1], pad=[0, 1, 2])
    assert_map(coord_map_from_to(n.deconv, n.data), 1, [1, 1, 1], [0, -1, -2])


def test_a_crop_shifts():
    n = there_and_back()
    assert_map(coord_map_from_to(L.Crop(n.deconv, n.data, axis=2, offset=6), n.data), 1, 1, 6)


def test_a_crop_says_nothing_of_its_second_bottom():
    n = there_and_back()
    with pytest.raises(RuntimeError, match="Could not compute map between tops"):
        coord_map_from_to(L.Crop(n.deconv, n.aux, axis=2), n.aux)


def test_two_branches_meet_above():
    n = there_and_back(pad=2)
    side = L.Convolution(n.data, kernel_size=3, stride=2)
    # 2 (x + 1/2) from the side's pixels to the data's; deconv's are 2 behind those.
    assert_map(coord_map_from_to(side, n.deconv), 1, 2, 1 + 2)
    assert_map(coord_map_from_to(n.data, n.data), None, 1, 0)


def test_what_is_not_connected_is_told():
    n = there_and_back()
    ip = L.InnerProduct(n.deconv, num_output=10)
    text = r"Could not compute map between tops L\.InnerProduct\(.*\) and L\.Input\(.*\); are they connected by spatial"
    with pytest.raises(RuntimeError, match=text):
        coord_map_from_to(ip, n.data)


def test_many_ways_and_long_ways():
    """Each Top is visited once: 2^60 ways here, and more layers than Python's recursion goes deep."""
    top = data = L.Input()
    for _ in range(60):
        top = L.Eltwise(L.ReLU(top), top)
    for _ in range(1000):
        top = L.ReLU(top)
    assert_map(coord_map_from_to(L.Convolution(top, kernel_size=3), data), 1, 1, 1)


WINDOW = st.fixed_dictionaries(
    {
        "kernel_size": st.lists(st.integers(1, 4), min_size=2, max_size=2),
        "stride": st.lists(st.integers(1, 2), min_size=2, max_size=2),
        "pad": st.lists(st.integers(0, 3), min_size=2, max_size=2),
        "dilation": st.lists(st.integers(1, 2), min_size=2, max_size=2),
    }
)


@settings(max_examples=25)
@given(st.lists(st.one_of(WINDOW, st.integers(2, 3)), min_size=1, max_size=3))
def test_maps_are_where_pixels_come_from(steps):
    """Means over windows, and linear interpolation, keep a ramp: far from borders a pixel's value is where it lies."""
    n, size = NetSpec(), 100
    n.data = L.Input(shape={"dim": [2, 1, size, size]})
    top = n.data
    for step in steps:
        if isinstance(step, int):  # upwards, as "bilinear" fills it
            window = {"kernel_size": 2 * step - step % 2, "stride": step, "pad": step // 2}
            window |= {"weight_filler": {"type": "bilinear"}}
            top = L.Deconvolution(top, convolution_param={"num_output": 1, "bias_term": False, **window})
        else:
            mean = {"type": "constant", "value": 1 / np.prod(step["kernel_size"])}
            top = L.Convolution(top, num_output=1, bias_term=False, weight_filler=mean, **step)
    n.end = top
    net = make_net(str(n.to_proto()))
    rows, columns = np.mgrid[:size, :size]
    net.blobs["data"].data[:, 0] = rows, columns
    net.forward()
    end = net.blobs["end"].data[:, 0]
    axis, scale, shift = coord_map_from_to(n.end, n.data)
    middle = np.array(end.shape[1:]) // 2
    assert axis == 1
    assert_allclose(end[(slice(None), *middle)], scale * middle + shift, rtol=1e-4)


# Crops.


@pytest.mark.parametrize("pad, offset", [(0, 0), (5, 5), ([2, 4], [2, 4])])
def test_crop(pad, offset):
    n = there_and_back(pad=pad)
    n.crop = crop(n.deconv, n.data)
    offset = offset if isinstance(offset, list) else [offset]
    assert n.crop.fn.params == {"crop_param": {"axis": 2, "offset": offset}}
    layer = n.to_proto().layer[-1]
    assert (layer.type, list(layer.bottom), list(layer.crop_param.offset)) == ("Crop", ["deconv", "data"], offset)
    assert_map(coord_map_from_to(n.crop, n.data), 1, 1, 0)


def test_a_cropped_net_runs():
    n = there_and_back(pad=2)
    n.score = L.Convolution(n.data, num_output=1, kernel_size=3, pad=1)
    n.crop = crop(n.deconv, n.score)
    net = make_net(str(n.to_proto()))
    net.forward()
    assert tuple(net.blobs["crop"].shape) == (2, 10, 100, 100)
    assert_allclose(net.blobs["crop"].data, net.blobs["deconv"].data[:, :, 2:102, 2:102])


def test_crop_where_nothing_is_to_be_cropped():
    x = L.Input()
    assert crop(L.ReLU(x), x).fn.params == {"crop_param": {"axis": 2, "offset": [0]}}
    assert crop(L.Crop(x, x, offset=0), x).fn.params == {"crop_param": {"axis": 2, "offset": [0]}}


@pytest.mark.parametrize(
    "net, text",
    [
        ({"pool": 3}, r"scale mismatch on crop \(a = \[1\.5\]\): the strides between the tops must cancel out"),
        ({"dpad": 10}, r"cannot crop negative offset \(b = \[10\.\]\): pad more below the top that is cropped"),
        ({"kernel_size": 4, "pad": 3}, r"cannot crop noninteger offset \(b = \[-2\.5\]\): make kernel sizes fit"),
    ],
)
def test_what_cannot_be_cropped_is_told(net, text):
    n = there_and_back(**net)
    with pytest.raises(AssertionError, match=text):
        crop(n.deconv, n.data)
