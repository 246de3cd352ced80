"""Classification step by step: the net that Caffe trained reads digits, and a net in colours gets its channels."""

import numpy as np
import pytest
from notebook_kit import assert_pictures, run_example
from PIL import Image

import minicaffe as caffe

PICTURES = ["conv1.png", "filters.png", "input.png", "scores.png"]
COLOURED = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 4 } } }
    layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {
        num_output: 7 kernel_size: 3 weight_filler { type: "gaussian" std: 0.01 } } }
    layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { pool: AVE global_pooling: true } }
    layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param {
        num_output: 5 weight_filler { type: "gaussian" std: 1 } } }
    layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


def test_lenet_reads_digits(tmp_path, mnist_dir, models_dir, capsys):
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    found = run_example("classification/classify.py", tmp_path, "--quick", "--weights", weights)
    assert len(found["answers"]) == 500 and found["accuracy"] >= 0.98
    np.testing.assert_allclose(found["answers"][:50], found["probabilities"], atol=1e-6)
    assert found["answer"].argmax() == found["truths"][0] == 7
    assert set(found["milliseconds"]) == {1, 50}
    out = capsys.readouterr().out
    assert "picture 0, in truth 7: 7 0.9999" in out and "my_digit.png, 112x112: 7, with probability 0.99" in out
    assert_pictures(tmp_path, *PICTURES, "conv2.png", "my_digit.png")
    # Ink stays ink: what the net is shown is the digit.
    np.testing.assert_allclose(found["seen"][..., 0], found["pictures"][0][..., 0], atol=1e-6)


@pytest.mark.parametrize("kind", ["npy", "binaryproto"])
def test_a_net_in_colours(tmp_path, rng, capsys, kind):
    model, weights, mean, image = (tmp_path / name for name in ("net.prototxt", "net.caffemodel", f"m.{kind}", "i.png"))
    model.write_text(COLOURED)
    net = caffe.Net(str(model), caffe.TEST)
    net.save(str(weights))
    means = rng.uniform(90, 120, (3, 6, 4)).astype(np.float32)
    if kind == "npy":
        np.save(mean, means)
    else:
        mean.write_bytes(caffe.io.array_to_blobproto(means[np.newaxis]).SerializeToString())
    pixels = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    files = {"--model": model, "--weights": weights, "--mean": mean, "--image": image, "--raw-scale": 255}
    words = [word for pair in files.items() for word in pair]
    found = run_example("classification/classify.py", tmp_path / "out", *words, "--labels", tmp_path / "names.txt")
    # By hand: BGR, channels first, less the mean of each channel.
    net.blobs["data"].reshape(1, 3, 6, 4)
    by_hand = pixels[..., ::-1].transpose(2, 0, 1) - means.mean(axis=(1, 2), keepdims=True)
    expected = net.forward(data=by_hand[np.newaxis])["prob"][0]
    for probabilities in (found["probabilities"][0], found["answers"][0], found["answer"]):
        np.testing.assert_allclose(probabilities, expected, rtol=1e-4)
    best = ["ant", "bee", "cat", "dog", "eel"][expected.argmax()]
    assert f"i.png, 4x6: {best}, with probability {expected.max():.4f}" in capsys.readouterr().out
    assert_pictures(tmp_path / "out", *PICTURES)


def test_what_to_run_without_weights(tmp_path):
    with pytest.raises(
        SystemExit, match=r"nothing\.caffemodel is missing: run \./examples/mnist/train_lenet\.sh first"
    ):
        run_example("classification/classify.py", tmp_path, "--weights", tmp_path / "nothing.caffemodel")
