"""Nets and weights of every age: the same layers, names and numbers as in today's form; and a real LeNet of 2014."""

from pathlib import Path

import numpy as np
import pytest
from net_kit import make_net

from minicaffe.io.idx import read_images, read_labels
from minicaffe.net.net import Net

TEST = 1
EXAMPLES = Path(__file__).parents[2] / "examples" / "mnist"

TODAY = """
name: "small"
layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 decay_mult: 1 }
        param { lr_mult: 2 decay_mult: 0 }
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 group: 1
                            weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
V1 = """
name: "small"
input: "data" input_dim: 2 input_dim: 3 input_dim: 9 input_dim: 8
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
         weight_decay: 0
         convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2
                             weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "pool" top: "ip"
         inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layers { name: "prob" type: SOFTMAX bottom: "ip" top: "prob" }
"""
V0 = """
name: "small"
input: "data" input_dim: 2 input_dim: 3 input_dim: 9 input_dim: 8
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 stride: 2 blobs_lr: 1 blobs_lr: 2
                 weight_decay: 1 weight_decay: 0
                 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } }
         bottom: "padded" top: "conv" }
layers { layer { name: "relu" type: "relu" } bottom: "conv" top: "conv" }
layers { layer { name: "pool" type: "pool" pool: AVE kernelsize: 2 stride: 2 } bottom: "conv" top: "pool" }
layers { layer { name: "ip" type: "innerproduct" num_output: 5 weight_filler { type: "gaussian" std: 0.1 } }
         bottom: "pool" top: "ip" }
layers { layer { name: "prob" type: "softmax" } bottom: "ip" top: "prob" }
"""


@pytest.mark.parametrize("text", [V1, V0], ids=["V1", "V0"])
def test_an_old_net_is_the_same_net(text, rng):
    today, old = make_net(TODAY, TEST), make_net(text, TEST)
    assert old.layer_names == today.layer_names and old.name == today.name
    assert [one.type for one in old.layers] == [one.type for one in today.layers]
    assert old.top_names == today.top_names and old.bottom_names == today.bottom_names
    assert (old.inputs, old.outputs) == (["data"], ["prob"])
    assert (old.params_lr, old.params_decay) == (today.params_lr, today.params_decay) == ([1, 2, 1, 1], [1, 0, 1, 1])
    x = rng.normal(size=(2, 3, 9, 8))
    np.testing.assert_array_equal(old.forward(data=x)["prob"], today.forward(data=x)["prob"])


def test_weights_of_todays_net_fit_the_old_ones(tmp_path, rng):
    today = make_net(TODAY, TEST, seed=5)
    today.save(tmp_path / "w")
    x = rng.normal(size=(2, 3, 9, 8))
    expected = np.array(today.forward(data=x)["prob"])
    for text in (V1, V0):
        old = make_net(text, TEST)
        assert not np.array_equal(old.forward(data=x)["prob"], expected)
        old.copy_from(tmp_path / "w")
        np.testing.assert_array_equal(old.forward(data=x)["prob"], expected)


def test_faults_in_old_files_keep_their_line(tmp_path):
    path = tmp_path / "old.prototxt"
    path.write_text(V1.replace("num_output: 5", "num_output: 0"))
    with pytest.raises(RuntimeError) as caught:
        Net(path, TEST)
    text = str(caught.value)
    assert text.startswith(f'{path}:11: layer "ip" (InnerProduct): inner_product_param.num_output is 0')


def test_the_upgrade_is_told_in_the_log(tmp_path, logged):
    path = tmp_path / "old.prototxt"
    path.write_text(V1)
    Net(path, TEST)
    assert f"Attempting to upgrade input file specified using deprecated V1LayerParameter: {path}" in logged()


# --- a LeNet that Caffe trained in 2014: V1 messages, blobs with num, channels, height and width ------------------


@pytest.fixture
def lenet(models_dir):
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    with Net(EXAMPLES / "lenet.prototxt", TEST, weights=weights) as net:
        yield net


def test_its_weights_fit_todays_net(lenet, logged):
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in lenet.params.items()}
    assert shapes == {
        "conv1": [(20, 1, 5, 5), (20,)],
        "conv2": [(50, 20, 5, 5), (50,)],
        "ip1": [(500, 800), (500,)],
        "ip2": [(10, 500), (10,)],
    }
    assert all(blob.data.any() for blobs in lenet.params.values() for blob in blobs)


def test_it_reads_digits_as_it_did_in_caffe(lenet, mnist_dir):
    """99.05 % of the test set, as Caffe 1.0 says of these weights."""
    images = read_images(next(mnist_dir.glob("t10k-images*")))
    labels = read_labels(next(mnist_dir.glob("t10k-labels*")))
    lenet.blobs["data"].reshape(500, 1, 28, 28)
    found = []
    for start in range(0, 10000, 500):
        batch = images[start : start + 500, None] / 256
        found.append(lenet.forward(data=batch)["prob"].argmax(1))
    assert (np.concatenate(found) == labels).sum() == 9905


def test_what_is_saved_again_is_the_same(lenet, tmp_path):
    lenet.save(tmp_path / "again.caffemodel")
    with Net(EXAMPLES / "lenet.prototxt", TEST, weights=tmp_path / "again.caffemodel") as again:
        for name, blobs in lenet.params.items():
            for one, other in zip(blobs, again.params[name], strict=True):
                np.testing.assert_array_equal(one.data, other.data)
