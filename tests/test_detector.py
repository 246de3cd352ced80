"""Detector and its crops, against pycaffe's definition."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from images_kit import expected_output, write_net
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import minicaffe as caffe
from minicaffe.errors import DataError, FileError, MinicaffeError, ParamError, ShapeError
from minicaffe.io import load_image, resize_image
from minicaffe.io.array_checks import ArrayError
from minicaffe.io.context_crop import context_crop as crop_with_context

H, W, C = 12, 15, 6


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_net(tmp_path_factory.mktemp("net"), height=C, width=C)


@pytest.fixture
def picture(tmp_path, rng):
    path = tmp_path / "a.png"
    Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8)).save(path)
    return str(path)


def test_windows(files, picture, tmp_path):
    other = tmp_path / "b.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(other)
    net = caffe.Detector(*files, mean=np.array([100.0, 110, 120]), raw_scale=255, input_scale=0.01)
    # Two of the input's size that overlap, a larger and a smaller one, one that ends beyond the image.
    windows = np.array([[0, 0, 6, 6], [2, 3, 8, 9], [0, 0, 12, 15], [5, 5, 7, 9], [8, 8, 20, 20]])
    found = net.detect_windows(iter([(picture, windows), (other, [(1.0, 2.0, 5.9, 6.0)])]))
    assert [one["filename"] for one in found] == [picture] * 5 + [other]
    assert_array_equal([one["window"] for one in found[:5]], windows)
    assert found[5]["window"] == (1.0, 2.0, 5.9, 6.0)
    for one in found:
        top, left, bottom, right = map(int, one["window"])
        crop = resize_image(load_image(one["filename"])[top:bottom, left:right], (C, C))
        blob = [(crop[..., c] * 255 - (100 + 10 * c)) * 0.01 for c in range(3)]
        assert_allclose(one["prediction"], expected_output(net, blob), rtol=1e-3)
        assert one["prediction"].shape == (5,)


def context_crop(image, window, pad, mean):
    """The formulas of pycaffe's detector.py."""
    scale = C / (C - 2.0 * pad)
    half = [(window[i + 2] - window[i] + 1) / 2.0 for i in (0, 1)]
    box = [np.round(window[i % 2] + half[i % 2] + (scale if i > 1 else -scale) * half[i % 2]) for i in range(4)]
    scales = [C / (box[i + 2] - box[i] + 1) for i in (0, 1)]
    pads = [round(max(0, -box[i]) * scales[i]) for i in (0, 1)]
    box = [int(min(max(edge, 0), (H, W)[i % 2])) for i, edge in enumerate(box)]
    sizes = [min(round((box[i + 2] - box[i] + 1) * scales[i]), C - pads[i]) for i in (0, 1)]
    crop = np.ones((C, C, 3)) * mean
    resized = resize_image(image[box[0] : box[2], box[1] : box[3]], sizes)
    crop[pads[0] : pads[0] + sizes[0], pads[1] : pads[1] + sizes[1]] = resized
    return crop


@pytest.mark.parametrize("pad", [1, 2])
@pytest.mark.parametrize("window", [(3, 4, 8, 10), (0, 0, 12, 15), (-2, 5, 3, 9), (9, 11, 14, 20), (6, 0, 6, 2)])
def test_context(files, rng, pad, window):
    image = rng.uniform(size=(H, W, 3)).astype(np.float32)
    net = caffe.Detector(*files, context_pad=pad, mean=np.array([10.0, 20, 30]), raw_scale=50, channel_swap=(2, 0, 1))
    # The mean before the swap, which takes channels 2, 0, 1, and before the scale.
    mean = np.array([20, 30, 10]) / 50
    assert_allclose(net.crop_mean, mean.reshape(1, 1, 3))
    before, given = image.copy(), np.array(window)
    found = net.crop(image, given)
    assert found.shape == (C, C, 3) and found.dtype == np.float32
    assert_allclose(found, context_crop(image, window, pad, mean), rtol=1e-5, atol=1e-6)
    assert_array_equal(image, before)
    assert_array_equal(given, window)
    # In a window that reaches beyond the image the mean is seen, which becomes 0.
    if window[0] < 0:
        assert_allclose(net.transformer.preprocess("in", found)[:, 0], 0, atol=1e-5)


def test_what_is_rounded_up_twice_still_fits(rng):
    """The mean takes round(1.5) rows of 7, the image round(5.5) of which one has no place."""
    image = rng.uniform(size=(40, 40, 1))
    canvas = crop_with_context(image, (-1, 10, 7, 20), 1, np.full((7, 7, 1), 9.0))
    assert_array_equal(canvas[:2], np.full((2, 7, 1), 9.0))
    assert (canvas[2:] < 1).all()


def test_crops_are_configured_again(files, rng):
    net = caffe.Detector(*files)
    assert list(net.crop_dims) == [C, C, 3] and net.context_pad is None
    image = rng.uniform(size=(H, W, 3)).astype(np.float32)
    assert_array_equal(net.crop(image, (2, 3, 5, 9)), image[2:5, 3:9])
    net.configure_crop(1)
    assert_array_equal(net.crop_mean, np.zeros((C, C, 3)))
    assert_allclose(net.crop(image, (2, 3, 5, 9)), context_crop(image, (2, 3, 5, 9), 1, 0), rtol=1e-5)
    net.transformer.set_mean("in", np.arange(108.0).reshape(3, C, C))
    net.configure_crop(2)
    assert_array_equal(net.crop_mean, np.arange(108.0).reshape(3, C, C).transpose(1, 2, 0))
    net.configure_crop(0)
    assert net.crop(image, (2, 3, 5, 9)).shape == (3, 6, 3)


@pytest.mark.parametrize("pad", [None, 1])
@pytest.mark.parametrize(
    "window, words",
    [
        ((3, 3, 3, 2), ["(3, 3, 3, 2)", "is empty, or lies outside the image of 12 x 15"]),
        ((40, 0, 50, 9), ["(40, 0, 50, 9)", "(ymin, xmin, ymax, xmax)"]),
        ((-9, -9, -5, -5), ["outside the image"]),
        ((1, 2, 3), ["the window is (1, 2, 3), must be four numbers (ymin, xmin, ymax, xmax)"]),
        ((0, 0, np.nan, 5), ["nan", "four numbers"]),
        ("1234", ["the window is 1234"]),
    ],
)
def test_windows_that_show_nothing(files, picture, pad, window, words):
    net = caffe.Detector(*files, context_pad=pad)
    with pytest.raises(ArrayError) as caught:
        net.detect_windows([(picture, [(0, 0, 6, 6), window])])
    assert isinstance(caught.value, ValueError) and str(caught.value).startswith(f"{picture}: ")
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_window_that_begins_outside(files, picture):
    """NumPy would count from the end."""
    with pytest.raises(ArrayError, match=r"the window \(-2, 0, 12, 15\)"):
        caffe.Detector(*files).detect_windows([(picture, [(-2, 0, 12, 15)])])


def test_what_else_is_refused(tmp_path, files, picture):
    net = caffe.Detector(*files)
    for nothing in ([], [(picture, [])]):
        with pytest.raises(ArrayError, match="there are no windows to look at"):
            net.detect_windows(nothing)
    with pytest.raises(FileError, match=r"missing\.png: cannot be read"):
        net.detect_windows([(str(tmp_path / "missing.png"), [(0, 0, 6, 6)])])
    with pytest.raises(DataError, match="is no image that Pillow can read"):
        net.detect_windows([(files[0], [(0, 0, 6, 6)])])
    for pad in (3, -1, 50):
        with pytest.raises(ParamError, match=f"context_pad is {pad}, must be less than half of the input's width, 6"):
            net.configure_crop(pad)
    net.configure_crop(1)
    with pytest.raises(ArrayError, match="the image has 1 channels, the net's input 3"):
        net.crop(np.zeros((H, W, 1)), (0, 0, 6, 6))
    with pytest.raises(ShapeError, match=r"context_pad needs a square input, 'in' has shape \(4, 3, 6, 7\)"):
        caffe.Detector(*write_net(tmp_path, width=7), context_pad=1)


def test_a_grey_net(tmp_path, picture):
    with caffe.Detector(*write_net(tmp_path, channels=1)) as net:
        (found,) = net.detect_windows([(picture, [(0, 0, 6, 6)])])
        grey = load_image(picture, color=False)[:6, :6, 0]
        assert_allclose(found["prediction"], expected_output(net, grey), rtol=1e-4)


def test_selective_search(files, picture, tmp_path, monkeypatch):
    net = caffe.Detector(*files)
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", None)
    with pytest.raises(
        MinicaffeError, match="detect_selective_search needs the module selective_search_ijcv"
    ) as caught:
        net.detect_selective_search([picture])
    assert "PYTHONPATH" in str(caught.value) and isinstance(caught.value.__cause__, ImportError)

    def get_windows(image_fnames, cmd):
        assert cmd == "selective_search_rcnn"
        return [[(0, 0, 6, 6 + n)] for n, _ in enumerate(image_fnames)]

    package = SimpleNamespace(get_windows=get_windows)
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", package)
    monkeypatch.chdir(tmp_path)
    found = net.detect_selective_search(["a.png", "a.png"])
    assert [(one["filename"], one["window"]) for one in found] == [(picture, (0, 0, 6, 6)), (picture, (0, 0, 6, 7))]
