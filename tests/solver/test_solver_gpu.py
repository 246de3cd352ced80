"""A solver in GPU mode: an iteration that shows nothing carries nothing to and fro."""

import numpy as np
import pytest
from solver_kit import write_solver

from minicaffe.solver import SGDSolver

# LeNet with few channels. Its data are constants, which are on the device once they have been used.
LENET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
        shape { dim: 4 dim: 1 dim: 28 dim: 28 } shape { dim: 4 }
        data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: 1 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 3 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 4 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
        inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
SETTINGS = 'base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "inv" gamma: 0.0001 power: 0.75 max_iter: 100'


@pytest.fixture
def solver(transfers, tmp_path):
    solver = SGDSolver(write_solver(tmp_path, SETTINGS, LENET))
    solver.step(2)
    transfers.clear()
    return solver


def test_a_step_carries_nothing_to_and_fro(solver, transfers):
    """Of labels that lie on the device one number is asked: where the first is that is none. All else stays there."""
    solver.step(3)
    assert transfers == [("get", 1)] * 3


def test_without_labels_nothing_at_all(transfers, tmp_path):
    net = LENET.replace("SoftmaxWithLoss", "EuclideanLoss").replace("shape { dim: 4 }", "shape { dim: 4 dim: 10 }")
    solver = SGDSolver(write_solver(tmp_path, SETTINGS, net))
    solver.step(2)
    transfers.clear()
    solver.step(3)
    assert transfers == []


def test_what_a_script_writes_counts_in_the_next_step(solver):
    weight = solver.net.params["ip2"][0]
    weight.data[...] = 7
    solver.step(1)
    np.testing.assert_allclose(weight.data, 7, atol=0.5)
    scores = solver.net.blobs["ip2"].data
    assert scores.std(axis=1).max() < 0.05, "all are seven times one sum, but for the biases"


def test_gradients_that_a_script_writes_are_those_of_the_update(solver):
    """Handed over between backward and update, on the host."""
    weight = solver.net.params["ip1"][0]
    before = np.array(weight.data)

    def overwrite():
        weight.diff[...] = 1e4

    solver.add_callback(lambda: None, overwrite)
    solver.step(1)
    assert (weight.data < before - 50).all()
    assert weight.diff.min() > 50
