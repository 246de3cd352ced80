"""The tutorial's prototxts: Caffe's values in the current ones, and the same net in those of 2014 and 2013."""

from pathlib import Path

import pytest

from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import read_net, read_solver

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "mnist"
TRAIN, TEST = caffe_pb2.TRAIN, caffe_pb2.TEST
BATCH = {TRAIN: 64, TEST: 100}


def layers(name, phase):
    """Layers of one phase by name, without the rules that chose them."""
    found = {}
    for layer in read_net(FOLDER / name).param.layer:
        if not layer.include or phase in [rule.phase for rule in layer.include]:
            del layer.include[:]
            found[layer.name] = layer
    return found


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_lenet_has_the_tutorials_values(phase):
    net = layers("lenet_train_test.prototxt", phase)
    assert list(net) == [
        *("mnist", "conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2"),
        *(["accuracy"] if phase == TEST else []),
        "loss",
    ]
    data = net["mnist"].data_param
    assert (data.batch_size, data.backend) == (BATCH[phase], caffe_pb2.DataParameter.LMDB)
    assert data.source == f"examples/mnist/mnist_{'train' if phase == TRAIN else 'test'}_lmdb"
    assert net["mnist"].transform_param.scale == 1 / 256
    for name, outputs in (("conv1", 20), ("conv2", 50)):
        param = net[name].convolution_param
        assert (param.num_output, list(param.kernel_size), list(param.stride)) == (outputs, [5], [1])
    for name in ("pool1", "pool2"):
        param = net[name].pooling_param
        assert (param.pool, param.kernel_size, param.stride) == (caffe_pb2.PoolingParameter.MAX, 2, 2)
    assert [net[name].inner_product_param.num_output for name in ("ip1", "ip2")] == [500, 10]
    assert list(net["relu1"].bottom) == list(net["relu1"].top) == ["ip1"]
    for name in ("conv1", "conv2", "ip1", "ip2"):
        assert [param.lr_mult for param in net[name].param] == [1, 2]
        param = net[name].convolution_param if name[0] == "c" else net[name].inner_product_param
        assert (param.weight_filler.type, param.bias_filler.type) == ("xavier", "constant")


def test_the_deployed_net_has_the_trained_layers():
    net, trained = layers("lenet.prototxt", TEST), layers("lenet_train_test.prototxt", TEST)
    assert list(net["data"].input_param.shape[0].dim) == [64, 1, 28, 28]
    assert net["prob"].type == "Softmax"
    for name in ("conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2"):
        assert net[name] == trained[name]


@pytest.mark.parametrize(
    ("name", "phase", "others"),
    [
        ("lenet_2014_train_test.prototxt", TRAIN, set()),
        ("lenet_2014_train_test.prototxt", TEST, set()),
        ("lenet_2013_train.prototxt", TRAIN, set()),
        # Then, Accuracy read probabilities, and the test net had no loss.
        ("lenet_2013_test.prototxt", TEST, {"prob", "accuracy", "loss"}),
    ],
)
def test_older_files_hold_the_same_net(name, phase, others):
    today, then = layers("lenet_train_test.prototxt", phase), layers(name, phase)
    today["mnist"].data_param.source = today["mnist"].data_param.source.replace("lmdb", "leveldb")
    assert then["mnist"].data_param.backend == caffe_pb2.DataParameter.LEVELDB
    for layer in (today["mnist"], then["mnist"]):
        layer.data_param.ClearField("backend")
    assert {name: layer for name, layer in then.items() if name not in others} == {
        name: layer for name, layer in today.items() if name not in others
    }


SOLVERS = ("lenet_solver", "lenet_multistep_solver", "lenet_2014_solver", "lenet_2013_solver")


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers(name):
    solver = read_solver(FOLDER / f"{name}.prototxt").param
    assert (solver.base_lr, solver.momentum, solver.weight_decay) == pytest.approx((0.01, 0.9, 0.0005))
    assert (list(solver.test_iter), solver.test_interval) == ([100], 500)
    assert (solver.display, solver.max_iter, solver.snapshot) == (100, 10000, 5000)
    if "multistep" in name:
        assert (solver.lr_policy, list(solver.stepvalue)) == ("multistep", [5000, 7000, 8000, 9000, 9500])
        assert solver.gamma == pytest.approx(0.9)
    else:
        assert (solver.lr_policy, solver.power) == ("inv", 0.75)
        assert solver.gamma == pytest.approx(0.0001)
    # The current ones run anywhere; the older ones say what they said: 1, the GPU.
    assert solver.HasField("solver_mode")
    assert solver.solver_mode == (solver.GPU if "201" in name else solver.CPU)
    # No solver writes over another's snapshots.
    prefix = "lenet" if name == "lenet_solver" else name.removesuffix("_solver")
    assert solver.snapshot_prefix == f"examples/mnist/{prefix}"
    for net in (solver.net, solver.train_net, *solver.test_net):
        assert not net or (FOLDER.parents[1] / net).is_file()
    assert bool(solver.net) != bool(solver.train_net and solver.test_net)
