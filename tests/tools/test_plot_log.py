"""Logs as tables, and as pictures."""

import math
import struct
import sys

import pytest

from minicaffe.errors import FileError, MinicaffeError, ParamError
from minicaffe.tools.command import run_command
from minicaffe.tools.log_reader import parse_log, read_log
from minicaffe.tools.plot_log import _draw, curves, main, plot

# As Caffe wrote it, with a foreign line and a bar's remains in between.
CAFFES = """\
Log file created at: 2015/02/10 13:39:22
I0210 13:39:22.000000 25210 solver.cpp:48] Initializing solver from parameters:
base_lr: 0.01
I0210 13:39:23.500000 25210 solver.cpp:273] Solving LeNet
I0210 13:39:23.500000 25210 solver.cpp:274] Learning Rate Policy: inv
I0210 13:39:23.500000 25210 solver.cpp:331] Iteration 0, Testing net (#0)
I0210 13:39:24.500000 25210 solver.cpp:398]     Test net output #0: accuracy = 0.0825
I0210 13:39:24.500000 25210 solver.cpp:398]     Test net output #1: loss = 2.36781 (* 1 = 2.36781 loss)
I0210 13:39:25.000000 25210 solver.cpp:219] Iteration 0 (0 iter/s, 0.05s/100 iters), loss = 2.41
I0210 13:39:25.000000 25210 solver.cpp:238]     Train net output #0: loss = 2.42 (* 1 = 2.42 loss)
I0210 13:39:25.000000 25210 sgd_solver.cpp:105] Iteration 0, lr = 0.01
W0210 13:39:25.000000 25210 other.cpp:1] Iteration of something else
 12%|###   | 50/100\rI0210 13:39:35.250000 25210 solver.cpp:219] Iteration 100 (10 iter/s, 10s/100 iters), loss = 1e-05
I0210 13:39:35.250000 25210 solver.cpp:238]     Train net output #0: loss = nan (* 1 = nan loss)
I0210 13:39:35.250000 25210 sgd_solver.cpp:105] Iteration 100, lr = 0.00992565
I0210 13:39:36.500000 25210 solver.cpp:311] Iteration 200, loss = 0.2
I0210 13:39:36.500000 25210 solver.cpp:331] Iteration 200, Testing net (#0)
I0210 13:39:37.500000 25210 solver.cpp:398]     Test net output #0: accuracy = 0.99
I0210 13:39:37.500000 25210 solver.cpp:398]     Test net output #1: loss = 0.03 (* 1 = 0.03 loss)
I0210 13:39:37.500000 25210 solver.cpp:316] Optimization Done.
"""


def rows(log):
    return [(row.iteration, row.seconds, row.loss, row.rate) for row in log.train]


def test_a_log_of_caffe():
    log = parse_log(CAFFES.splitlines(), "caffe.log")
    assert rows(log) == [(0, 1.5, 2.41, 0.01), (100, 11.75, 1e-05, 0.00992565), (200, 13.0, 0.2, None)]
    assert log.train[0].outputs == {"loss": 2.42}
    assert math.isnan(log.train[1].outputs["loss"])
    assert [(row.iteration, row.seconds, row.outputs) for row in log.tests[0]] == [
        (0, 1.0, {"accuracy": 0.0825, "loss": 2.36781}),
        (200, 14.0, {"accuracy": 0.99, "loss": 0.03}),
    ]


def lines(*messages, day="0210", seconds=0):
    return [f"I{day} 13:00:{seconds + i:02d}.000000     7 solver.py:1] {text}" for i, text in enumerate(messages)]


def shown(iteration, loss):
    return f"Iteration {iteration} (1 iter/s, 1s/1 iters), loss = {loss}"


def test_a_resumed_run_replaces_what_it_did_anew():
    first = lines("Solving a", shown(0, 5), shown(10, 4), shown(20, 3))
    # Ten seconds later, from the snapshot of iteration 10.
    second = lines("Solving a", shown(10, 4.5), shown(20, 3.5), shown(30, 2), seconds=13)
    log = parse_log(first + second)
    assert [(row.iteration, row.loss) for row in log.train] == [(0, 5), (10, 4.5), (20, 3.5), (30, 2)]
    # Seconds count training, not the pause.
    assert [row.seconds for row in log.train] == [1, 4, 5, 6]


def test_midnight_new_year_and_new_prefixes():
    old = ["I1231 23:59:59.500000     7 s.py:1] Solving a", "I0101 00:00:01.000000     7 s.py:1] " + shown(0, 1)]
    new = ["I20241231 23:59:59.5 7 s.cc:1] Solving a", "I20250101 00:00:01.000000 7 s.cc:1] " + shown(0, 1)]
    for text in (old, new):
        assert parse_log(text).train[0].seconds == 1.5


def test_several_testing_nets_and_outputs_of_one_name():
    log = parse_log(
        lines(
            "Solving a",
            "Iteration 0, Testing net (#0)",
            "    Test net output #0: acc = 0.5",
            "Iteration 0, Testing net (#1)",
            "    Test net output #0: acc = 0.25",
            "    Test net output #1: acc = 0.75",
        )
    )
    assert [log.tests[i][0].outputs for i in (0, 1)] == [{"acc": 0.5}, {"acc": 0.25, "acc[1]": 0.75}]
    assert [label for label, _, _ in curves(log, "accuracy")] == ["test #0 acc", "test #1 acc", "test #1 acc[1]"]


def test_curves_leave_out_what_is_no_number():
    log = parse_log(lines("Solving a", shown(0, 1), shown(1, "nan"), shown(2, "inf"), shown(3, "-2.5e-3")))
    assert curves(log, "loss") == [("train", [0, 3], [1.0, -0.0025])]
    assert curves(log, "loss", "seconds") == [("train", [1, 4], [1.0, -0.0025])]
    assert curves(log, "rate") == curves(log, "accuracy") == []


def test_garbage_is_skipped():
    garbage = ["", "I", "I0230 25:00:00.0 1 a.py:1] " + shown(0, 1), "Iteration 7, loss = 3", "\x00\xff", "I" * 5000]
    log = parse_log(garbage)
    assert (log.train, log.tests) == ([], {})


@pytest.fixture
def caffes_log(tmp_path):
    path = tmp_path / "caffe.log"
    path.write_text(CAFFES)
    return path


def png_size(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", header[16:24])


@pytest.mark.parametrize("x", ["iterations", "seconds"])
def test_a_picture(tmp_path, caffes_log, x):
    pytest.importorskip("matplotlib")
    target = tmp_path / "curve.png"
    assert main([str(caffes_log), "-o", str(target), "--x", x, "--title", "LeNet"]) == 0
    width, height = png_size(target)
    assert width == 900
    assert height > 700  # three panels


def test_several_logs_in_one_drawing(tmp_path, caffes_log):
    pytest.importorskip("matplotlib")
    other = tmp_path / "other.log"
    other.write_text("\n".join(lines("Solving a", shown(0, 1), shown(5, 0.5))))
    target = tmp_path / "curve.svg"
    assert main([str(caffes_log), str(other), "-o", str(target)]) == 0
    text = target.read_text()
    assert text.startswith("<?xml") and "</svg>" in text


def test_only_what_is_asked_for_is_drawn(tmp_path, caffes_log):
    pytest.importorskip("matplotlib")
    target = tmp_path / "curve.png"
    assert main([str(caffes_log), "-o", str(target), "--panels", "loss,accuracy"]) == 0
    assert 500 < png_size(target)[1] < 700
    with pytest.raises(ParamError, match="--panels is loss,lr, must be some of loss, accuracy, rate"):
        main([str(caffes_log), "-o", str(target), "--panels", "loss,lr"])
    with pytest.raises(ParamError, match="the logs hold nothing of what is to be drawn: accuracy"):
        plot([parse_log(lines("Solving a", shown(0, 1)))], target, panels=["accuracy"])


@pytest.mark.parametrize(("tests", "side"), [(1, "left"), (2, "right")])
def test_the_last_accuracy_is_written_where_neither_axis_nor_curve_is(tests, side):
    """On the side of its point that `ha` tells: text with ha "left" begins there."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    log = parse_log(CAFFES.splitlines())
    log.tests[0] = log.tests[0][:tests]
    _draw(axes, [log], "accuracy", "iterations")
    assert [(text.get_text(), text.get_ha()) for text in axes.texts] == [(("0.0825", "0.99")[tests - 1], side)]


def test_an_extension_that_cannot_be_drawn(tmp_path, caffes_log):
    pytest.importorskip("matplotlib")
    with pytest.raises(
        ParamError, match=r"curve\.doc: has an extension that nothing is drawn as; end it in one of: .*png"
    ):
        plot([read_log(caffes_log)], tmp_path / "curve.doc")
    assert not (tmp_path / "curve.doc").exists()


def test_without_matplotlib(tmp_path, caffes_log, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MinicaffeError, match=r'pip install "minicaffe\[plot\]"'):
        plot([read_log(caffes_log)], tmp_path / "curve.png")


def test_a_log_without_numbers_and_one_that_is_not_there(tmp_path, capsys):
    empty = tmp_path / "empty.log"
    empty.write_text("hello\n")
    assert run_command(main, [str(empty), "-o", str(tmp_path / "x.png")]) == 1
    assert f"{empty}: holds no line of a training run" in capsys.readouterr().err
    with pytest.raises(FileError, match=r"absent\.log: cannot be read: no such file or directory"):
        read_log(tmp_path / "absent.log")
