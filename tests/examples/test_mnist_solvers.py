"""LeNet with every solver: the files' settings are Caffe's, each learns, and the scripts call the trainer with them."""

import pytest
from example_kit import Example, Scripts, build, knowing, parameters, passed_to_train_sh, shapes, write_digits
from tutorial_kit import outputs_of_tests, train_losses

from minicaffe.proto.caffe_pb2 import TEST, TRAIN
from minicaffe.proto.upgrade import read_solver
from minicaffe.tools.convert_mnist_data import convert

INV = {"lr_policy": "inv", "gamma": 0.0001, "power": 0.75}
FIXED = {"lr_policy": "fixed", "gamma": 0, "power": 0}
# momentum2 and rms_decay have defaults, 0.999 and 0.99; delta's is 1e-8.
SOLVERS = {
    "lenet_solver_adam": {
        **FIXED,
        "type": "Adam",
        "base_lr": 0.001,
        "momentum": 0.9,
        "momentum2": 0.999,
        "delta": 1e-8,
        "weight_decay": 0,
    },
    "lenet_solver_rmsprop": {
        **INV,
        "type": "RMSProp",
        "base_lr": 0.01,
        "momentum": 0,
        "rms_decay": 0.98,
        "weight_decay": 0.0005,
    },
    "lenet_adadelta_solver": {
        **FIXED,
        "type": "AdaDelta",
        "base_lr": 1,
        "momentum": 0.95,
        "delta": 1e-6,
        "weight_decay": 0.0005,
    },
    "lenet_adagrad_solver": {
        **FIXED,
        "type": "AdaGrad",
        "base_lr": 0.01,
        "momentum": 0,
        "delta": 1e-8,
        "weight_decay": 0.0005,
    },
    "lenet_nesterov_solver": {
        **INV,
        "type": "Nesterov",
        "base_lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0005,
    },
}
# Caffe's rate for RMSProp makes first steps of 0.07, after which it jumps about for some hundred iterations.
CALMED = {"lenet_solver_rmsprop": {"base_lr": 0.001}}
NAMES = {solver: solver.replace("_solver", "") for solver in SOLVERS}
SCRIPTS = {
    "train_lenet_adam.sh": "lenet_solver_adam.prototxt",
    "train_lenet_rmsprop.sh": "lenet_solver_rmsprop.prototxt",
}


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    return Example("mnist", tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """The two databases of a few generated digits, by name."""
    files = write_digits(tmp_path_factory.mktemp("digits"))
    made = {}
    for name, prefix in (("mnist_train_lmdb", "train"), ("mnist_test_lmdb", "t10k")):
        made[name] = files / name
        convert(files / f"{prefix}-images-idx3-ubyte", files / f"{prefix}-labels-idx1-ubyte", made[name])
    return made


def place(example, databases):
    for name, path in databases.items():
        (example.folder / name).symlink_to(path, target_is_directory=True)


@pytest.mark.parametrize("name", SOLVERS)
def test_settings(example, name):
    param = read_solver(example.folder / f"{name}.prototxt").param
    assert {field: getattr(param, field) for field in SOLVERS[name]} == pytest.approx(SOLVERS[name])
    assert (list(param.test_iter), param.test_interval) == ([100], 500)
    assert (param.display, param.max_iter, param.snapshot) == (100, 10000, 5000)
    assert param.net == "examples/mnist/lenet_train_test.prototxt"
    # No solver writes over another's snapshots.
    assert param.snapshot_prefix == f"examples/mnist/{NAMES[name]}"
    assert param.HasField("solver_mode") and param.solver_mode == param.CPU


def test_the_net(example, databases):
    place(example, databases)
    for phase, batch in ((TRAIN, 64), (TEST, 100)):
        net = build(example.folder / "lenet_train_test.prototxt", phase)
        assert parameters(net) == 20 * 26 + 50 * 501 + 500 * 801 + 10 * 501 == 431080
        assert shapes(net) == {
            "data": (batch, 1, 28, 28),
            "label": (batch,),
            "conv1": (batch, 20, 24, 24),
            "pool1": (batch, 20, 12, 12),
            "conv2": (batch, 50, 8, 8),
            "pool2": (batch, 50, 4, 4),
            "ip1": (batch, 500),
            "ip2": (batch, 10),
            **({"accuracy": ()} if phase == TEST else {}),
            "loss": (),
        }


@pytest.mark.parametrize("name", SOLVERS)
def test_it_learns(example, databases, name):
    place(example, databases)
    settings = {"test_iter": 2, "test_interval": 30, "test_initialization": "false", "display": 1, "average_loss": 5}
    short = example.shortened(f"{name}.prototxt", **settings, **CALMED.get(name, {}))
    text = example.run("train", short, "--max_iter", 30)
    losses = train_losses(text)
    assert list(losses) == list(range(31))
    assert losses[0] > 2 and losses[30] < 0.75 * losses[0]
    # Guessing gives 0.1.
    assert outputs_of_tests(text)[30]["accuracy"] > 0.5


def test_train_sh_does_all_from_nothing(tmp_path):
    files = ("data/mnist/get_mnist.sh", "examples/mnist/create_mnist.sh", "examples/mnist/train.sh")
    real = write_digits(tmp_path / "real")
    scripts = Scripts(tmp_path, files, knowing(real), status=3)
    arguments = ("examples/mnist/lenet_solver_adam.prototxt", "--max_iter", "5", "--gpu", "a b")
    done = scripts.run("examples/mnist/train.sh", *arguments, MINICAFFE_MNIST_DIR=str(real))
    assert done.stdout.splitlines() == [f"cwd {scripts.root}", f"train {' '.join(arguments)}"]
    # The trainer's exit status is the script's.
    assert done.returncode == 3, done.stderr
    for name in ("mnist_train_lmdb", "mnist_test_lmdb"):
        assert (scripts.root / "examples" / "mnist" / name / "data.mdb").exists()


@pytest.mark.parametrize(("script", "solver"), SCRIPTS.items())
def test_scripts(tmp_path, script, solver):
    assert passed_to_train_sh(tmp_path, script, "--gpu", "a b") == [f"examples/mnist/{solver}", "--gpu", "a b"]


def test_a_script_without_a_solver_file(tmp_path):
    done = Scripts(tmp_path, ["examples/mnist/train.sh"]).run("examples/mnist/train.sh")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: no solver file is named, for example examples/mnist/")
