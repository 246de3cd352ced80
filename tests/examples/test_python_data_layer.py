"""Layers in Python: what the data layer gives, that a net learns from it and resumes exactly, and who may run it."""

import subprocess
import sys

import numpy as np
import pytest
from example_kit import ROOT, build, write_digits
from notebook_kit import assert_pictures, run_example
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import minicaffe as caffe
from minicaffe.io import idx

FOLDER = ROOT / "examples" / "python_data_layer"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(FOLDER)
    import digit_layer
    import euclidean_loss  # noqa: F401

TEXT = """
layer {{ name: "digits" type: "Python" {tops}
  python_param {{ module: "digit_layer" layer: "DigitLayer" param_str: {settings!r} }} }}
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder like MNIST's: 800 digits to train on, 200 to test."""
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def make(tmp_path):
    """A net of the data layer alone, with these settings (a dictionary, or text) and this many tops."""

    def net(settings, tops=3):
        names = " ".join(f'top: "{name}"' for name in ("data", "label", "answers")[:tops])
        file = tmp_path / "digits.prototxt"
        file.write_text(TEXT.format(tops=names, settings=str(settings)))
        return build(file, caffe.TRAIN)

    return net


def labels(net, batches):
    return np.concatenate([net.forward()["label"].copy() for _ in range(batches)])


# --- the data layer ----------------------------------------------------------------------------


def test_what_it_gives(make, digits):
    net = make({"mnist": str(digits), "part": "test", "batch_size": [64, 32], "shuffle": False})
    images, expected = idx.read_pair(digits / "t10k-images-idx3-ubyte", digits / "t10k-labels-idx1-ubyte")
    start = 0
    for size in (64, 32, 64, 32):
        found = net.forward()
        assert {name: value.shape for name, value in found.items()} == {
            "data": (size, 1, 28, 28),
            "label": (size,),
            "answers": (size, 3),
        }
        assert_array_equal(found["data"][:, 0], images[start : start + size] / np.float32(256))
        assert_array_equal(found["label"], expected[start : start + size])
        start += size
    # Around the end, and on from the beginning.
    assert_array_equal(labels(net, 1), np.r_[expected[192:], expected[:56]])


@pytest.mark.parametrize("tops", [1, 2])
def test_fewer_tops(make, digits, tops):
    assert len(make({"mnist": str(digits)}, tops).forward()) == tops


def test_answers():
    even, above, loop = digit_layer.ANSWERS.T
    assert_array_equal(np.flatnonzero(even), [0, 2, 4, 6, 8])
    assert_array_equal(np.flatnonzero(above), [5, 6, 7, 8, 9])
    assert_array_equal(np.flatnonzero(loop), [0, 6, 8, 9])


def test_epochs_hold_every_digit_once_and_differ(make, digits):
    net = make({"mnist": str(digits), "part": "test", "batch_size": 50})
    epochs = np.array([[net.forward()["data"].copy() for _ in range(4)] for _ in range(2)]).reshape(2, 200, 784)
    assert (epochs[0] != epochs[1]).any()
    assert_array_equal(*(epoch[np.lexsort(epoch.T)] for epoch in epochs))


def test_the_seed_says_the_order(make, digits):
    orders = [labels(make({"mnist": str(digits), "seed": seed}), 3) for seed in (1, 1, 2)]
    assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


def test_state(make, digits):
    """Two layers, of which the second takes up where the first is, in its second epoch and between two sizes."""
    settings = {"mnist": str(digits), "part": "test", "batch_size": [70, 30, 17]}
    first, second = (make(settings) for _ in range(2))
    labels(first, 7)
    second.layers[0].restore(first.layers[0].state())
    for _ in range(5):
        assert_array_equal(labels(first, 1), labels(second, 1))


def test_a_folder_of_pictures(make, tmp_path):
    for digit in (3, 8):
        (tmp_path / "pictures" / str(digit)).mkdir(parents=True)
        for k in range(2):
            Image.new("L", (6, 5), 10 * digit + k).save(tmp_path / "pictures" / str(digit) / f"{k}.png")
    text = str({"images": str(tmp_path / "pictures"), "batch_size": 4, "shuffle": False})
    for literal in (text, text.replace("'", '"').replace("False", "false")):  # as Python and as JSON write it
        found = make(literal).forward()
        assert found["data"].shape == (4, 1, 5, 6)
        assert_array_equal(found["data"][:, 0, 0, 0] * 256, [30, 31, 80, 81])
        assert_array_equal(found["label"], [3, 3, 8, 8])
        assert_array_equal(found["answers"], [[0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"mnist": "x", "batchsize": 3}, "param_str: there is no batchsize; there are mnist, part, images, batch_size"),
        ({}, "param_str: give either mnist, a folder with MNIST's files, or images, a folder of pictures"),
        ({"mnist": "x", "images": "y"}, "param_str: give either mnist"),
        ({"images": "nowhere"}, "param_str: nowhere has no pictures in folders that are called 0 to 9"),
        ("[1, 2]", "param_str is '[1, 2]', must be a dictionary such as"),
        ("", "param_str is '', must be a dictionary such as"),
        ("__import__('os')", "must be a dictionary such as"),
    ],
)
def test_messages(settings, text):
    with pytest.raises(ValueError) as caught:
        digit_layer.load_digits(digit_layer.read_settings(str(settings)))
    assert text in str(caught.value)


@pytest.mark.parametrize("sizes", [0, [64, -1], "64", [1.5]])
def test_bad_batch_sizes(make, digits, sizes):
    with pytest.raises(ValueError, match="must be a number above 0, or a list of such"):
        make({"mnist": str(digits), "batch_size": sizes})


# --- the loss layer ----------------------------------------------------------------------------


def test_the_loss_refuses_unequal_bottoms(tmp_path):
    file = tmp_path / "net.prototxt"
    inputs = 'layer {{ name: "{0}" type: "Input" top: "{0}" input_param {{ shape {{ dim: 2 dim: {1} }} }} }}\n'
    loss = 'type: "Python" python_param { module: "euclidean_loss" layer: "EuclideanLoss" }'
    file.write_text(
        inputs.format("a", 3) + inputs.format("b", 4) + f'layer {{ name: "l" bottom: "a" bottom: "b" top: "l" {loss} }}'
    )
    with pytest.raises(ValueError, match=r"the bottoms differ: \[2, 3\] and \[2, 4\]"):
        build(file, caffe.TRAIN)
    file.write_text(inputs.format("a", 3) + f'layer {{ name: "l" bottom: "a" top: "l" {loss} }}')
    with pytest.raises(ValueError, match="EuclideanLoss compares 2 bottoms, not 1"):
        build(file, caffe.TRAIN)


# --- the whole example -------------------------------------------------------------------------


def test_the_example(mnist_dir, tmp_path):
    found = run_example("python_data_layer/train_digits.py", tmp_path, "--quick")
    first, last = found["losses"][:10].mean(axis=0), found["losses"][-30:].mean(axis=0)
    assert (last < 0.5 * first).all()
    assert found["accuracy"]["which digit"] > 0.8
    assert all(part > 0.8 for part in found["accuracy"].values())
    assert found["difference"] == 0 and found["solver"].iter == 160
    assert_pictures(tmp_path, "digits.png", "losses.png")
    ours, built_in = found["ours"], found["built_in"]
    x, t = found["x"], found["t"]
    assert_allclose(ours.blobs["loss"].data, ((x - t) ** 2).sum() / 16, rtol=1e-5)
    for name, sign in (("x", 1), ("t", -1)):
        assert_allclose(ours.blobs[name].diff, sign * (x - t) / 8, rtol=1e-5, atol=1e-7)
        assert_allclose(ours.blobs[name].diff, built_in.blobs[name].diff, rtol=1e-6)


def test_consent(digits, tmp_path):
    """The command line runs the layer where it was told to, and else says what to type."""
    net, solver = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    settings = {"mnist": str(digits), "batch_size": [8, 4]}
    net.write_text(
        TEXT.format(tops='top: "data" top: "label"', settings=str(settings))
        + 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 } }\n'
        + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
    )
    solver.write_text(f'net: "{net}" base_lr: 0.01 lr_policy: "fixed" max_iter: 3 snapshot_after_train: false\n')

    def train(*words):
        return subprocess.run(
            [sys.executable, "-m", "minicaffe.train", str(solver), *words],
            cwd=FOLDER,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{FOLDER}", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    refused, done = train(), train("--python-layer", "digit_layer")
    assert refused.returncode == 1 and "--python-layer digit_layer on the command line" in refused.stderr
    assert done.returncode == 0 and "Optimization Done." in done.stderr, done.stderr
