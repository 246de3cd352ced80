"""Whole nets in GPU mode: the numbers of the CPU, on the device the net was built for."""

import threading

import numpy as np
import pytest
from fake_cupy_cuda import current_device

from minicaffe import backend
from minicaffe.backend.random import set_random_seed
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2

SMALL_LENET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: 1 dim: 14 dim: 13 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 3 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 6 group: 2 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: AVE kernel_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool2" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture
def prototxt(tmp_path):
    path = tmp_path / "small_lenet.prototxt"
    path.write_text(SMALL_LENET)
    return str(path)


def make_net(prototxt):
    set_random_seed(1701)
    net = Net(prototxt, caffe_pb2.TRAIN)
    rng = np.random.default_rng(7)
    net.blobs["data"].data[...] = rng.normal(size=(3, 1, 14, 13))
    net.blobs["label"].data[...] = [0, 4, 2]
    return net


def numbers(net):
    """Both losses, then every value and gradient of the parameters."""
    outputs = net.forward()
    net.backward()
    params = [blob for blobs in net.params.values() for blob in blobs]
    arrays = [outputs["accuracy"], outputs["loss"], *(a for blob in params for a in (blob.data, blob.diff))]
    return [np.array(array) for array in arrays]


def test_a_net_computes_on_a_gpu_what_it_computes_on_the_cpu(fake_gpu, prototxt):
    on_gpu = numbers(make_net(prototxt))
    backend.set_mode_cpu()
    on_cpu = numbers(make_net(prototxt))
    assert on_gpu[3].any()
    for a, b in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_net_stays_on_its_device_whichever_thread_runs_it(fake_gpu, prototxt):
    net = make_net(prototxt)
    wanted = numbers(net)
    got = []

    def work():
        backend.set_device(1)
        backend.set_mode_gpu()
        got.extend(numbers(net))
        got.append(current_device())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert got.pop() == 1
    assert [a.tolist() for a in got[:2]] == [a.tolist() for a in wanted[:2]]
