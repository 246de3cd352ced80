"""Transformer, against pycaffe's definition, step by step."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import MinicaffeError, ParamError, ShapeError
from minicaffe.io import Transformer, resize_image
from minicaffe.io.array_checks import ArrayError

SHAPE = (2, 3, 4, 5)


def transformer(shape=SHAPE, **settings):
    made = Transformer({"data": shape})
    for name, value in settings.items():
        getattr(made, f"set_{name}")("data", value)
    return made


@pytest.mark.parametrize("size", [(4, 5), (7, 6)])
def test_the_steps_in_their_order(rng, size):
    image = rng.uniform(size=(*size, 3))
    mean = rng.uniform(size=(3, 4, 5))
    made = transformer(transpose=(2, 0, 1), channel_swap=(2, 0, 1), raw_scale=255, mean=mean, input_scale=0.5)
    resized = resize_image(image.astype(np.float32), (4, 5))
    expected = [
        [[(resized[y, x, (2, 0, 1)[c]] * 255 - mean[c, y, x]) * 0.5 for x in range(5)] for y in range(4)]
        for c in range(3)
    ]
    found = made.preprocess("data", image)
    assert found.dtype == np.float32 and found.shape == (3, 4, 5)
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@given(
    st.sampled_from([None, (2, 1, 0), (1, 2, 0)]),
    st.sampled_from([None, 255.0, 2]),
    st.sampled_from([None, [1.0, 2.0, 3.0], np.arange(60).reshape(3, 4, 5)]),
    st.sampled_from([None, 0.017]),
    st.booleans(),
)
def test_deprocess_undoes_preprocess(swap, raw_scale, mean, input_scale, turned):
    settings = {"channel_swap": swap, "raw_scale": raw_scale, "mean": mean, "input_scale": input_scale}
    settings["transpose"] = (2, 0, 1) if turned else None
    made = transformer(**{name: value for name, value in settings.items() if value is not None})
    image = np.random.default_rng(5).uniform(size=(4, 5, 3) if turned else (3, 4, 5))
    # What is compared with an image's first two axes, so that nothing is resized.
    made.inputs["data"] = (1, 3, *image.shape[:2])
    blob = made.preprocess("data", image.copy())
    before = blob.copy()
    assert_allclose(made.deprocess("data", blob[np.newaxis]), image, rtol=1e-4, atol=1e-5)
    assert_array_equal(blob, before)


def test_in_place_as_pycaffe(rng):
    """A float32 image that is neither resized nor swapped is changed itself; anything else is not."""
    image = rng.uniform(size=(4, 5, 3)).astype(np.float32)
    before = image.copy()
    found = transformer(transpose=(2, 0, 1), raw_scale=255).preprocess("data", image)
    assert np.shares_memory(found, image)
    assert_array_equal(image, before * np.float32(255))
    for settings, kept in [
        ({"channel_swap": (2, 1, 0), "transpose": (2, 0, 1)}, before),
        ({"transpose": (2, 0, 1)}, before.astype(np.float64)),
        ({"transpose": (2, 0, 1)}, np.tile(before, (2, 1, 1))),
    ]:
        copy = kept.copy()
        transformer(raw_scale=255, **settings).preprocess("data", kept)
        assert_array_equal(kept, copy)


def test_means(rng):
    mean = rng.uniform(10, 20, (3, 8, 10)).astype(np.float32)
    assert transformer(mean=[1, 2, 3]).mean["data"].shape == (3, 1, 1)
    same = rng.uniform(size=(3, 4, 5))
    assert transformer(mean=same).mean["data"] is same
    resized = transformer(mean=mean).mean["data"]
    assert_allclose(resized, resize_image(mean.transpose(1, 2, 0), (4, 5)).transpose(2, 0, 1), rtol=1e-5)
    assert transformer((1, 1, 4, 5), mean=np.ones((4, 5))).mean["data"].shape == (4, 5)
    assert transformer(list(SHAPE), mean=np.ones((3, 4, 5))).mean["data"][0, 0, 0] == 1


def test_a_constant_mean_of_another_size_is_nan_and_told(capfd):
    assert np.isnan(transformer(mean=np.full((3, 8, 10), 7.0)).mean["data"]).all()
    told = capfd.readouterr().err
    assert "a mean of 7 everywhere gives NaN" in told and "a value per channel" in told


@pytest.mark.parametrize(
    "shape, mean, words",
    [
        (SHAPE, np.zeros(4), ["Mean channels incompatible with input.", "(4,)", "'data' (2, 3, 4, 5)", "3 channels"]),
        (SHAPE, np.zeros((1, 3, 4, 5)), ["Mean shape invalid", "(1, 3, 4, 5)", "mean[0]"]),
        (SHAPE, np.float64(3), ["Mean shape invalid", "shape ()"]),
        (SHAPE, np.zeros((4, 5)), ["Mean shape invalid", "(4, 5)", "one channel"]),
        ((1, 1, 4, 5), np.zeros((4, 6)), ["Mean shape invalid", "(4, 6)"]),
        (SHAPE, None, ["the mean is an array of object"]),
    ],
)
def test_means_that_do_not_fit(shape, mean, words):
    with pytest.raises(ValueError) as caught:
        transformer(shape, mean=mean)
    assert isinstance(caught.value, MinicaffeError) and all(word in str(caught.value) for word in words), caught.value


def test_names_that_are_no_inputs():
    made, image = transformer(), np.zeros((4, 5, 3))
    calls = [("preprocess", image), ("deprocess", image), ("set_transpose", (2, 0, 1)), ("set_mean", image)]
    calls += [("set_channel_swap", (2, 1, 0)), ("set_raw_scale", 1), ("set_input_scale", 1)]
    for method, value in calls:
        with pytest.raises(ParamError, match=r"^dat is not one of the net inputs: \{'data': \(2, 3, 4, 5\)\}$"):
            getattr(made, method)("dat", value)


@pytest.mark.parametrize(
    "setting, value, kind, words",
    [
        ("transpose", (1, 0), ParamError, ["Transpose order needs to have the same number of dimensions as the input.",
                                           "(1, 0) has 2"]),
        ("transpose", (2, 0, 2), ArrayError, ["(2, 0, 2) must name each axis from 0 to 2 once"]),
        ("channel_swap", (1, 0), ParamError, ["Channel swap needs to have the same number of dimensions as the input "
                                              "channels.", "3 channels, the order (1, 0) has 2"]),
        ("raw_scale", "255", ArrayError, ["raw_scale is an array of <U3"]),
        ("input_scale", None, ArrayError, ["input_scale is an array of object"]),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(setting, value, kind, words):
    with pytest.raises(kind) as caught:
        transformer(**{setting: value})
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    "settings, image, kind, words",
    [
        ({"transpose": (2, 0, 1)}, np.zeros((4, 5)), ArrayError, ["'data' has shape (4, 5)", "im[:, :, numpy.new"]),
        ({}, np.zeros((8, 5)), ArrayError, ["shape (8, 5)", "im[:, :, numpy.newaxis]"]),
        ({"transpose": (2, 0, 1), "channel_swap": (2, 1, 0)}, np.zeros((4, 5, 1)), ShapeError,
         ["the channel swap (2, 1, 0) of 'data' does not fit an image of shape (1, 4, 5)"]),
        ({"transpose": (2, 0, 1), "mean": [1, 2, 3]}, np.zeros((4, 5, 1)), ArrayError,
         ["the mean of 'data', of shape (3, 1, 1), does not fit an image of shape (1, 4, 5)"]),
        ({}, "cat.jpg", ArrayError, ["the image for 'data' is an array of <U7"]),
    ],
)  # fmt: skip
def test_images_that_do_not_fit(settings, image, kind, words):
    with pytest.raises(kind) as caught:
        transformer(**settings).preprocess("data", image)
    assert all(word in str(caught.value) for word in words), caught.value


def test_grey_there_and_back(rng):
    """pycaffe drops the one channel, and then cannot turn the image back."""
    made = transformer((1, 1, 4, 5), transpose=(2, 0, 1), mean=np.array([3.0]), raw_scale=2)
    image = rng.uniform(size=(4, 5, 1))
    assert_allclose(made.deprocess("data", made.preprocess("data", image)[np.newaxis]), image, rtol=1e-5, atol=1e-6)
    assert transformer((1, 1, 4, 5), raw_scale=2).deprocess("data", np.zeros((1, 1, 4, 5))).shape == (4, 5)
    assert transformer(transpose=(2, 0, 1)).deprocess("data", np.ones((3, 4, 5), int)).dtype == np.float32


def test_it_shows_what_is_set():
    made = transformer(transpose=(2, 0, 1), channel_swap=(2, 1, 0), raw_scale=255, mean=[1, 2, 3])
    expected = "data: (2, 3, 4, 5), transpose (2, 0, 1), channel_swap (2, 1, 0), raw_scale 255, mean of shape (3, 1, 1)"
    assert repr(made) == f"Transformer({expected})"
    assert repr(Transformer({"a": (1, 2), "b": (3,)})) == "Transformer(a: (1, 2); b: (3,))"
