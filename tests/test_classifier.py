"""Classifier, against pycaffe's definition; with LeNet as Caffe trained it; and the steps that notebooks go by hand."""

from pathlib import Path

import numpy as np
import pytest
from images_kit import expected_output, write_net
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import minicaffe as caffe
from minicaffe.errors import FileError, GraphError, ParamError
from minicaffe.io import idx, resize_image
from minicaffe.io.array_checks import ArrayError

LENET = Path(__file__).resolve().parents[1] / "examples" / "mnist" / "lenet.prototxt"
SETTINGS = {"mean": np.array([0.4, 0.5, 0.3]), "raw_scale": 2.0, "input_scale": 0.5, "channel_swap": (2, 1, 0)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_net(tmp_path_factory.mktemp("net"))


@pytest.fixture
def images(rng):
    """Of several sizes."""
    return [rng.uniform(size=size).astype(np.float32) for size in [(9, 9, 3), (8, 9, 3), (30, 7, 3)]]


def preprocessed(crop):
    """SETTINGS, value by value."""
    return [(crop[..., 2 - c] * 2 - SETTINGS["mean"][c]) * 0.5 for c in range(3)]


def test_the_centre(files, images):
    net = caffe.Classifier(*files, image_dims=(8, 9), **SETTINGS)
    before = [image.copy() for image in images]
    found = net.predict(images, oversample=False)
    assert found.shape == (3, 5) and found.dtype == np.float32
    for row, image in zip(found, images, strict=True):
        # (9 - 6) / 2 columns, cut off.
        crop = resize_image(image, (8, 9))[1:7, 1:7]
        assert_allclose(row, expected_output(net, preprocessed(crop)), rtol=1e-4)
    for image, kept in zip(images, before, strict=True):
        assert_array_equal(image, kept)


def test_ten_crops(files, images):
    net = caffe.Classifier(*files, image_dims=(8, 9), **SETTINGS)
    found = net.predict(iter(images))
    assert found.shape == (3, 5) and found.dtype == np.float32
    for row, image in zip(found, images, strict=True):
        whole = resize_image(image, (8, 9))
        crops = [whole[y : y + 6, x : x + 6] for y, x in [(0, 0), (0, 3), (2, 0), (2, 3), (1, 1)]]
        crops += [crop[:, ::-1] for crop in crops]
        assert_allclose(row, np.mean([expected_output(net, preprocessed(c)) for c in crops], 0), rtol=1e-4)


def test_attributes(files):
    net = caffe.Classifier(*files)
    assert isinstance(net, caffe.Net) and net.phase == caffe.TEST
    assert list(net.crop_dims) == list(net.image_dims) == [6, 6]
    assert net.transformer.transpose == {"in": (2, 0, 1)} and net.transformer.inputs == {"in": (4, 3, 6, 6)}
    assert not (net.transformer.mean or net.transformer.raw_scale or net.transformer.input_scale)
    assert caffe.Classifier(str(files[0]), str(files[1]), (7, 8)).image_dims == (7, 8)
    with caffe.Classifier(*files, image_dims=np.array([7, 8])) as net:
        assert net.predict([np.zeros((2, 3, 3))]).shape == (1, 5)


def test_one_channel_for_a_grey_net_and_for_all_of_a_plain_one(tmp_path, files, rng):
    grey = rng.uniform(size=(6, 6, 1))
    with caffe.Classifier(*write_net(tmp_path, channels=1)) as net:
        found = net.predict([grey], oversample=False)
        assert_allclose(found[0], expected_output(net, grey.transpose(2, 0, 1)), rtol=1e-4)
        with pytest.raises(ArrayError, match=r"image 0 has 3 channels, the net's input 'in' 1; .* color=False"):
            net.predict([np.zeros((6, 6, 3))])
    with caffe.Classifier(*files) as net:
        found = net.predict([grey], oversample=False)
        assert_allclose(found[0], expected_output(net, [grey[..., 0]] * 3), rtol=1e-4)


@pytest.mark.parametrize("oversample", [True, False])
@pytest.mark.parametrize(
    "images, words",
    [
        ([], ["the list of images is empty"]),
        ((image for image in ()), ["the list of images is empty"]),
        ([np.zeros((6, 6))], ["image 0 has shape (6, 6)", "im[:, :, numpy.newaxis]"]),
        (np.zeros((6, 6, 3)), ["one image of shape (6, 6, 3)", "[image]"]),
        ([np.zeros((6, 6, 4))], ["image 0 has 4 channels, the net's input 'in' 3", "color=True"]),
        ([np.zeros((6, 6, 2))], ["image 0 has 2 channels"]),
        ([np.zeros((6, 6, 3)), np.zeros((6, 6, 1))], ["image 1"]),
        (["cat.jpg"], ["image 0 is an array of <U7"]),
    ],
)
def test_images_that_are_none(files, images, words, oversample):
    net = caffe.Classifier(*files)
    with pytest.raises(ArrayError) as caught:
        net.predict(images, oversample=oversample)
    assert isinstance(caught.value, ValueError) and all(word in str(caught.value) for word in words), caught.value


def test_nets_and_settings_that_will_not_do(tmp_path, files):
    with pytest.raises(FileError, match=r"missing\.caffemodel"):
        caffe.Classifier(files[0], tmp_path / "missing.caffemodel")
    with pytest.raises(ArrayError, match="6 x 6 do not fit into images of 5 x 9"):
        caffe.Classifier(*files, image_dims=(5, 9))
    with pytest.raises(ArrayError, match="Mean channels incompatible with input"):
        caffe.Classifier(*files, mean=np.zeros(4))
    with pytest.raises(ParamError, match=r"Transpose order needs .* 'in' is \(4, 3\)"):
        model = tmp_path / "flat.prototxt"
        model.write_text('layer { name: "in" type: "Input" top: "in" input_param { shape { dim: 4 dim: 3 } } }')
        caffe.Classifier(model, files[1])
    data = tmp_path / "data.prototxt"
    data.write_text('layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 4 dim: 3 } } }')
    with pytest.raises(GraphError, match="has no input to give images to; take its deploy prototxt"):
        caffe.Classifier(data, files[1])


def test_lenet_reads_digits(models_dir, mnist_dir):
    """Larger digits, too, and of ten crops."""
    pixels = idx.read_images(mnist_dir / "t10k-images-idx3-ubyte.gz")[:200, :, :, np.newaxis] / np.float32(256)
    labels = idx.read_labels(mnist_dir / "t10k-labels-idx1-ubyte.gz")[:200]
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    with caffe.Classifier(LENET, weights, image_dims=(30, 30)) as net:
        assert (net.predict(pixels[:50]).argmax(1) == labels[:50]).mean() > 0.9
    with caffe.Classifier(LENET, weights) as net:
        found = net.predict(pixels, oversample=False)
        assert (found.argmax(1) == labels).sum() >= 198
        doubled = [np.kron(image, np.ones((2, 2, 1))) for image in pixels[:100]]
        assert (net.predict(doubled, oversample=False).argmax(1) == labels[:100]).sum() >= 95
        # The same by hand.
        net.blobs["data"].data[...] = pixels[:64].transpose(0, 3, 1, 2)
        assert_allclose(net.forward()["prob"], found[:64], rtol=1e-3, atol=1e-6)


def test_the_steps_of_notebooks(tmp_path, files, rng):
    """As in pycaffe's notebook on classification: a mean of pixels, one image, a batch of it."""
    np.save(tmp_path / "mean.npy", rng.uniform(90, 130, (3, 256, 256)))
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "cat.png")
    net = caffe.Net(str(files[0]), str(files[1]), caffe.TEST)
    mu = np.load(tmp_path / "mean.npy").mean(1).mean(1)
    transformer = caffe.io.Transformer({"in": net.blobs["in"].data.shape})
    transformer.set_transpose("in", (2, 0, 1))
    transformer.set_mean("in", mu)
    transformer.set_raw_scale("in", 255)
    transformer.set_channel_swap("in", (2, 1, 0))
    net.blobs["in"].reshape(2, 3, 6, 6)
    image = caffe.io.load_image(str(tmp_path / "cat.png"))
    transformed_image = transformer.preprocess("in", image)
    net.blobs["in"].data[...] = transformed_image
    output_prob = net.forward()["prob"][0]
    resized = resize_image(image, (6, 6))
    expected = expected_output(net, [resized[..., 2 - c] * 255 - mu[c] for c in range(3)])
    assert_allclose(output_prob, expected, rtol=1e-3, atol=1e-6)
    assert_allclose(transformer.deprocess("in", net.blobs["in"].data[1]), resized, atol=1e-5)
    # And by forward_all, as the notebook on net surgery does.
    out = net.forward_all(**{"in": np.asarray([transformer.preprocess("in", image)])})
    assert_allclose(out["prob"], [expected], rtol=1e-3, atol=1e-6)
