"""minicaffe summary: what it prints, and what it refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from minicaffe.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"
LENET = EXAMPLES / "mnist" / "lenet.prototxt"
NET = """\
name: "small"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4 } }
layer { name: "only_test" type: "Softmax" bottom: "y" top: "p" include { phase: TEST } }
layer { name: "staged" type: "Silence" bottom: "y" include { stage: "s" min_level: 1 } }
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return path


def run(capsys, *words):
    """(exit status, lines of stdout, stderr)."""
    capsys.readouterr()
    status = main(["summary", *map(str, words)])
    shown = capsys.readouterr()
    return status, shown.out.splitlines(), shown.err


def figures(lines, layer):
    """The cells of a layer's line, or of "total"."""
    (found,) = [line for line in lines if line.split()[:1] == [layer]]
    return re.split(r"  +", found)


def test_lenet(capsys):
    status, lines, errors = run(capsys, LENET)
    assert (status, errors) == (0, "")
    assert lines[0] == "LeNet, TEST"
    assert figures(lines, "conv1") == ["conv1", "Convolution", "64x20x24x24", "520", "18,432,000", "2.8 MiB", "2.8 MiB"]
    assert figures(lines, "total")[1:3] == ["431,080", "146,752,000"]
    assert max(map(len, lines)) <= 90


def test_phase_level_and_stage(capsys, net):
    def layers(*words):
        status, lines, _ = run(capsys, net, *words)
        assert status == 0
        return lines[0], [line.split()[0] for line in lines[4:] if line and line[0] in "xios"]

    assert layers() == layers("-phase", "TEST") == ("small, TEST", ["x", "ip", "only_test"])
    assert layers("--phase=TRAIN") == ("small, TRAIN", ["x", "ip"])
    assert layers("-phase=TRAIN", "-level", 1, "--stage", "r, s") == ("small, TRAIN", ["x", "ip", "staged"])


def test_trained_weights(capsys, models_dir):
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    status, lines, _ = run(capsys, LENET, "--weights", weights)
    assert status == 0
    assert figures(lines, "total")[1] == "431,080"
    assert lines[2].endswith("mean |w|")
    assert 0 < float(figures(lines, "ip1")[-1]) < 0.1 and figures(lines, "pool1")[-1] == "-"
    status, _, errors = run(capsys, LENET, "--weights", models_dir / "mtcnn" / "det1.caffemodel")
    assert status == 1
    assert re.fullmatch(r'error: .*layer "conv1" \(Convolution\): .*shape mismatch.*\n', errors)


@pytest.mark.parametrize(("number", "parameters"), [(1, 6632), (2, 100178), (3, 389040)])
def test_old_definitions(capsys, models_dir, number, parameters):
    status, lines, errors = run(capsys, models_dir / "mtcnn" / f"det{number}.prototxt")
    assert status == 0 and "] " in errors  # told that the file is of an old form
    assert figures(lines, "total")[1] == f"{parameters:,}"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "error: the following arguments are required: NET; minicaffe summary -help lists all flags"),
        (["absent.prototxt"], "error: Could not open file absent.prototxt: No such file or directory"),
        (["NET", "more"], "error: one argument too many: 'more'; minicaffe summary -help lists all flags"),
        (["NET", "-phase", "VAL"], "error: argument --phase: invalid choice: 'VAL'"),
        (["NET", "-level", "high"], "error: argument --level: invalid int32 value: 'high'"),
        (["NET", "-weight", "x"], "error: unknown command line flag 'weight'; do you mean --weights?"),
        (["NET", "-weights", "absent"], "error: Couldn't open absent: no such file or directory; check the path"),
        (["NET", "-weights", "NET"], "error: NETFILE: "),
    ],
)
def test_errors_are_one_line(capsys, net, words, text):
    status, shown, errors = run(capsys, *[net if word == "NET" else word for word in words])
    assert (status, shown) == (1, [])
    assert errors.startswith(text.replace("NETFILE", str(net))) and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ('type: "Softmaxx"', 'l" (Softmaxx): type is "Softmaxx": Unknown layer type: Softmaxx'),
        (
            'type: "Python" python_param { module: "mine" layer: "Mine" }',
            'l" (Python): python_param.module is "mine": this net would run the code of that module',
        ),
        (
            'type: "Data" data_param { source: "gone" batch_size: 1 }',
            'l" (Data): data_param.source cannot be used: gone: no such',
        ),
        ('type: "ReLU" bottom: "z"', "l\" (ReLU): bottom[0] is 'z': Unknown bottom blob 'z'"),
    ],
)
def test_a_net_that_cannot_be_built(capsys, net, settings, text):
    net.write_text(f'{NET}layer {{ name: "l" top: "l" {settings} }}\n')
    status, shown, errors = run(capsys, net)
    assert (status, shown) == (1, [])
    assert errors.startswith(f'error: {net}:6: layer "{text}') and errors.count("\n") == 1


def test_a_solver_file_is_told_apart(capsys, net):
    net.write_text('net: "x"\nbase_lr: 0.1')
    status, _, errors = run(capsys, net)
    assert status == 1
    assert f"{net}:1:1: net is not a field of NetParameter, but of SolverParameter" in errors


def test_as_a_module(net):
    command = [sys.executable, "-m", "minicaffe.tools.summary", str(net)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("small, TEST\n") and done.stderr == ""
