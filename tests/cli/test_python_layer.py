"""Nets with Python layers on the command line: consent by flag or environment, and the user's own exceptions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from solver_kit import write_solver

import minicaffe
from minicaffe import log
from minicaffe.cli.main import main
from minicaffe.layers import consent

MODULE = '''
import caffe


class Double(caffe.Layer):
    """y = 2 x, unless param_str is the number of a forward pass that fails."""

    def setup(self, bottom, top):
        self.turns = 0

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.turns += 1
        if str(self.turns) == self.param_str:
            raise KeyError("of my own")
        top[0].data[...] = 2 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 2 * top[0].diff
'''
NET = """
layer {{ name: "x" type: "DummyData" top: "x" top: "t"
  dummy_data_param {{ shape {{ dim: 4 dim: 3 }} shape {{ dim: 4 }}
    data_filler {{ type: "gaussian" }} data_filler {{ }} }} }}
layer {{ name: "p" type: "Python" bottom: "x" top: "y" python_param {{ module: "doubling" layer: "Double" {} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "y" top: "z" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "z" bottom: "t" top: "loss" }}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A solver, its net, and the module, which no one has imported yet."""
    monkeypatch.delenv(consent.ENVIRONMENT, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    # What a command makes of `import caffe` ends with the test.
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = log.set_level(log.INFO)
    write_files(tmp_path)
    yield tmp_path
    for name in ("doubling", "caffe"):
        sys.modules.pop(name, None)
    log.set_level(before)


def write_files(folder, param_str=""):
    (folder / "doubling.py").write_text(MODULE, encoding="utf-8")
    settings = f'base_lr: 0.1 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "{folder}/s"'
    return write_solver(folder, settings, NET.format(f'param_str: "{param_str}"'))


@pytest.mark.parametrize("flag", [["--python-layer", "doubling"], ["-python_layer=a,doubling"], ["--python-layer=*"]])
def test_train_and_test(folder, capsys, flag):
    solver = str(folder / "solver.prototxt")
    assert main(["train", solver, *flag]) == 0
    sys.modules.pop("doubling")
    net, weights = str(folder / "net.prototxt"), str(folder / "s_iter_2.caffemodel")
    assert main(["test", "-model", net, "-weights", weights, "-iterations", "1", *flag]) == 0
    assert "loss = 0." in capsys.readouterr().err


def test_the_environment_will_do(folder, monkeypatch):
    monkeypatch.setenv(consent.ENVIRONMENT, "doubling")
    assert main(["train", str(folder / "solver.prototxt")]) == 0


def test_flags_add_up_and_end_with_the_command(folder, capsys):
    solver = str(folder / "solver.prototxt")
    assert main(["train", solver, "--python-layer", "a", "--python-layer", "doubling"]) == 0
    sys.modules.pop("doubling")
    assert main(["train", solver]) == 1
    assert "error: " in capsys.readouterr().err


def test_without_consent_nothing_is_imported(folder, capsys):
    assert main(["train", str(folder / "solver.prototxt"), "--python-layer", "other"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f'error: {folder}/net.prototxt:5: layer "p" (Python): python_param.module is "doubling"')
    assert "--python-layer doubling" in last and "doubling" not in sys.modules


def test_the_users_exception_is_shown_whole(folder):
    """As a program of its own: the traceback that names the user's line, and status 1."""
    solver = write_files(folder, param_str="2")
    root = str(Path(minicaffe.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, str(folder)])}
    command = [sys.executable, "-m", "minicaffe.train", str(solver), "--python-layer", "doubling"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "KeyError: 'of my own'"
    assert 'raise KeyError("of my own")' in done.stderr
