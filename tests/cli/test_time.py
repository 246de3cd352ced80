"""minicaffe time: Caffe's lines, in Caffe's units and order; and what is refused."""

import os
import pty
import re
import subprocess
import sys

import pytest
from solver_kit import CLASSIFIER

from minicaffe import backend
from minicaffe.cli import time as command
from minicaffe.cli.main import main
from minicaffe.layers.base import TRAIN
from minicaffe.net.net import Net

NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
LAYERS = ["data", "ip", "loss"]


@pytest.fixture
def model(tmp_path):
    """The classifier, with one long and one optional name."""
    path = tmp_path / "net.prototxt"
    tail = 'layer { name: "only_at_stage_s" type: "Silence" bottom: "accuracy" include { phase: TEST stage: "s" } }'
    path.write_text(CLASSIFIER + tail)
    return str(path)


def run(capsys, *words):
    """(exit status, messages, last line of stderr)."""
    capsys.readouterr()
    status = main(["time", *map(str, words)])
    text = capsys.readouterr().err
    logged = re.findall(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] (.*)$", text, re.MULTILINE)
    return status, logged, text.splitlines()[-1] if text else ""


def benchmark(logged):
    """The lines from the first pass on."""
    return logged[logged.index("Performing Forward") :]


def test_the_lines_of_caffe(capsys, model):
    status, logged, _ = run(capsys, "-model", model, "-iterations", 2)
    assert status == 0 and logged[0] == "Use CPU."
    layers = [rf" *{name}\t{direction}: {NUMBER} ms\." for name in LAYERS for direction in ("forward", "backward")]
    expected = [
        "Performing Forward",
        f"Initial loss: {NUMBER}",
        "Performing Backward",
        r"\*\*\* Benchmark begins \*\*\*",
        r"Testing for 2 iterations\.",
        r"Iteration: 1 forward-backward time: \d+ ms\.",
        r"Iteration: 2 forward-backward time: \d+ ms\.",
        "Average time per layer: ",
        *layers,
        rf"Average Forward pass: {NUMBER} ms\.",
        rf"Average Backward pass: {NUMBER} ms\.",
        rf"Average Forward-Backward: {NUMBER} ms\.",
        r"Total Time: \d+ ms\.",
        r"\*\*\* Benchmark ends \*\*\*",
    ]
    lines = benchmark(logged)
    assert len(lines) == len(expected)
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(expected, lines, strict=True)), lines
    # Names are right-aligned in ten columns.
    assert lines[8].startswith("      data\tforward: ") and lines[11].startswith("        ip\tbackward: ")


def value(lines, start):
    (line,) = [line for line in lines if line.startswith(start)]
    return float(re.search(NUMBER, line.removeprefix(start))[0])


def test_units(capsys, model, monkeypatch):
    """Of a clock that ticks 1.5 ms a reading: layers in fractions, iterations and the whole in whole milliseconds."""
    ticks = iter(range(10000))
    monkeypatch.setattr("minicaffe.net.timing.Clock.__call__", lambda clock: 1500.0 * next(ticks))
    _, logged, _ = run(capsys, "-model", model, "-iterations", 4)
    lines = benchmark(logged)
    assert lines[5] == "Iteration: 1 forward-backward time: 21 ms."  # 14 ticks
    assert value(lines, "        ip\tforward: ") == value(lines, "      loss\tbackward: ") == 1.5
    assert value(lines, "Average Forward pass: ") == value(lines, "Average Backward pass: ") == 7 * 1.5
    # 15 readings an iteration, and one at each end.
    assert value(lines, "Total Time: ") == 91  # 61 * 1.5 = 91.5
    assert value(lines, "Average Forward-Backward: ") == 91 / 4


def test_fractions_of_milliseconds_on_a_gpu(capsys, model, fake_gpu):
    backend.set_mode_cpu()
    status, logged, _ = run(capsys, "-model", model, "-iterations", 1, "-gpu", "1,0")
    assert status == 0
    assert logged[:3] == [
        "Not using GPU #0 for single-GPU function",
        "Use GPU with device ID 1",
        "GPU device name: Fake GPU 1",
    ]
    lines = benchmark(logged)
    assert value(lines, "Total Time: ") % 1 > 0
    assert value(lines, "Average Forward pass: ") > 0


def test_phase_level_and_stage(capsys, model):
    def names(*words):
        _, logged, _ = run(capsys, "-model", model, "-iterations", 1, *words)
        return [re.match(r" *(\S+)\tforward", line)[1] for line in logged if "\tforward: " in line]

    test = ["data", "label_data_1_split", "ip", "ip_ip_0_split", "accuracy", "loss"]
    assert names() == names("-phase", "TRAIN") == LAYERS
    assert names("--phase=TEST", "-level", 1) == test
    assert names("-phase", "TEST", "-stage", "r,s") == [*test, "only_at_stage_s"]


def test_weights_count_in_the_initial_loss(capsys, model, tmp_path):
    with Net(model, TRAIN) as net:
        for blob in net.params["ip"]:
            blob.data[...] = 0
        net.save(tmp_path / "zero.caffemodel")
    _, logged, _ = run(capsys, "-model", model, "-iterations", 1, "-weights", tmp_path / "zero.caffemodel")
    assert value(logged, "Initial loss: ") == pytest.approx(1.09861)  # ln 3: all three classes alike


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "error: Need a model definition to time: --model FILE"),
        (["-model", "absent.prototxt"], "error: Could not open file absent.prototxt: No such file or directory"),
        (["-model", "MODEL", "-iterations", "0"], "error: --iterations is 0, must be 1 or more; it counts batches"),
        (["-model", "MODEL", "-iterations", "-3"], "error: --iterations is -3, must be 1 or more; it counts batches"),
        (["-model", "MODEL", "-phase", "VAL"], "error: argument --phase: invalid choice: 'VAL'"),
        (["-model", "MODEL", "-gpu", "first"], "error: -gpu first: give the number of a GPU, as nvidia-smi lists them"),
        (["-model", "MODEL", "-gpu", ","], "error: -gpu ,: give the number of a GPU, as nvidia-smi lists them"),
        (["-model", "MODEL", "-gpu", "99"], "error: cannot use GPU 99: "),
        (["-model", "MODEL", "-weights", "absent"], "error: Could not open file absent: no such file or directory"),
        (
            ["-model", "MODEL", "-weights", "a,b"],
            "error: --weights a,b: there is no file of that name, and a list of files is for train alone; give one",
        ),
        (["MODEL"], "error: one argument too many: "),
        (["-modle", "MODEL"], "error: unknown command line flag 'modle'; do you mean --model?"),
    ],
)
def test_errors_are_one_line(capsys, model, words, text):
    status, logged, last = run(capsys, *[model if word == "MODEL" else word for word in words])
    assert status == 1
    assert last.startswith(text)
    assert "*** Benchmark begins ***" not in logged


def test_large_times_are_written_as_a_stream_of_c_plus_plus_does():
    assert command.milliseconds(1999.9) == "1"
    assert command.milliseconds(1234567890.0) == "1.23457e+06"


BAR = r"100%\|.*\| 400/400 \["


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_bar_on_terminals_alone(model, on_terminal):
    words = [sys.executable, "-m", "minicaffe", "time", "-model", model, "-iterations", "400"]
    if not on_terminal:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert not re.search(BAR, done.stderr) and "*** Benchmark ends ***" in done.stderr
        return
    main_end, child_end = pty.openpty()
    process = subprocess.Popen(words, stderr=child_end, env={**os.environ, "COLUMNS": "120"})
    os.close(child_end)
    parts = []
    try:
        while part := os.read(main_end, 65536):
            parts.append(part)
    except OSError:  # the other end is closed
        pass
    os.close(main_end)
    assert process.wait(60) == 0
    assert re.search(BAR, b"".join(parts).decode())
