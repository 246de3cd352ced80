"""Logs as tables, and as pictures."""

import math
import re
import struct
import sys

import pytest

from minicaffe.errors import MinicaffeError, ParamError
from minicaffe.tools.command import run_command
from minicaffe.tools.curve_picture import draw, plot
from minicaffe.tools.learning_curves import PANELS, curves
from minicaffe.tools.log_reader import parse_log, read_log
from minicaffe.tools.plot_log import main

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
    found = [(curve.net, curve.output) for curve in curves(log, "accuracy")]
    assert found == [(0, "acc"), (1, "acc"), (1, "acc[1]")]


def test_what_is_no_number_is_a_gap_or_the_end():
    log = parse_log(
        lines("Solving a", shown(0, 1), shown(1, "nan"), shown(2, "-2.5e-3"), shown(3, "inf"), shown(4, "nan"))
    )
    (curve,) = curves(log, "loss")
    assert (curve.net, curve.output, curve.x) == (None, "", [0, 1, 2, 3, 4])
    assert repr(curve.y) == "[1.0, nan, -0.0025, nan, nan]"
    assert (curve.last, curve.diverged) == ((2, -0.0025), 3)
    assert curves(log, "loss", "seconds")[0].x == [1, 2, 3, 4, 5]
    assert curves(log, "rate") == curves(log, "accuracy") == []
    (curve,) = curves(parse_log(lines("Solving a", shown(0, "nan"), shown(1, 2))), "loss")
    assert (curve.last, curve.diverged) == ((1, 2), None)
    assert curves(parse_log(lines("Solving a", shown(0, "nan"), shown(1, "inf"))), "loss") == []


def test_what_belongs_where():
    text = lines(
        "Solving a",
        shown(0, 5),
        "    Train net output #0: accuracy = 0.5",
        "    Train net output #1: my_LOSS = 7",
        "Iteration 0, lr = 0.25",
        "Iteration 0, Testing net (#0)",
        "    Test net output #0: top5 = 0.75",
        "    Test net output #1: loss1/loss = 3",
    )
    found = {panel: [(c.net, c.output, c.y) for c in curves(parse_log(text), panel)] for panel in PANELS}
    assert found == {
        "loss": [(None, "", [5]), (0, "loss1/loss", [3])],
        "accuracy": [(None, "accuracy", [0.5]), (0, "top5", [0.75])],
        "rate": [(None, "", [0.25])],
    }


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


@pytest.fixture
def axes():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.mark.parametrize("x", ["iterations", "seconds"])
def test_a_picture(tmp_path, caffes_log, x, capsys):
    pytest.importorskip("matplotlib")
    target = tmp_path / "curve.png"
    assert main([str(caffes_log), "-o", str(target), "-x", x, "--title", "LeNet"]) == 0
    width, height = png_size(target)
    assert width == 900
    assert height > 700  # three panels
    assert capsys.readouterr().err == f"{target}: 1 log drawn\n"


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_same_logs_give_the_same_bytes(tmp_path, caffes_log, kind):
    pytest.importorskip("matplotlib")
    other = tmp_path / "other.log"
    other.write_text("\n".join(lines("Solving a", shown(0, 1), shown(5, 0.5))))
    targets = [tmp_path / f"{name}.{kind}" for name in ("first", "second")]
    for target in targets:
        assert main([str(caffes_log), str(other), "-output", str(target), "--panels=loss"]) == 0
    first, second = (target.read_bytes() for target in targets)
    assert first == second and len(first) > 3000
    if kind == "svg":
        assert first.startswith(b"<?xml") and first.rstrip().endswith(b"</svg>")
        assert main([str(caffes_log), "-output", str(targets[1]), "--panels=loss"]) == 0
        assert targets[1].read_bytes() != first


def test_only_what_is_asked_for_is_drawn(tmp_path, caffes_log):
    pytest.importorskip("matplotlib")
    target = tmp_path / "curve.png"
    assert main([str(caffes_log), "-o", str(target), "--panels", "loss, accuracy,loss"]) == 0
    assert 500 < png_size(target)[1] < 700
    with pytest.raises(ParamError, match="the logs hold nothing of what is to be drawn: accuracy"):
        plot([parse_log(lines("Solving a", shown(0, 1)))], target, panels=["accuracy"])


# --- what is drawn -----------------------------------------------------------------------------


def log_of(name, *losses, accuracies=(), nets=1, rates=()):
    messages = ["Solving a"]
    for i, accuracy in enumerate(accuracies):
        for net in range(nets):
            messages += [f"Iteration {i}, Testing net (#{net})", f"    Test net output #0: acc = {accuracy - net / 10}"]
    messages += [text for i, loss in enumerate(losses) for text in (shown(i, loss), f"Iteration {i}, lr = 0.1")]
    messages += [f"Iteration {i}, lr = {rate}" for i, rate in enumerate(rates)]
    return parse_log(lines(*messages), name)


def legend(axes):
    found = axes.get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


@pytest.mark.parametrize(("tests", "side"), [(1, "left"), (2, "right")])
def test_the_last_accuracy_is_written_where_neither_axis_nor_curve_is(axes, tests, side):
    """On the side of its point that `ha` tells: text with ha "left" begins there."""
    log = parse_log(CAFFES.splitlines())
    log.tests[0] = log.tests[0][:tests]
    draw(axes, [log], "accuracy", "iterations")
    assert [(text.get_text(), text.get_ha()) for text in axes.texts] == [(("0.0825", "0.99")[tests - 1], side)]
    assert legend(axes) == ["test accuracy"]


def test_last_accuracies_of_several_curves_stand_in_the_legend_best_first(axes):
    logs = [log_of("a", accuracies=[0.1, 0.5]), log_of("b", accuracies=[0.1, 0.75], nets=2)]
    draw(axes, logs, "accuracy", "iterations")
    assert legend(axes) == ["test #0 acc: 0.75", "test #1 acc: 0.65", "test #0 acc: 0.5"]
    assert len(axes.texts) == 0


def test_a_log_has_one_colour_in_all_panels():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    logs = [log_of(name, 3, 2, accuracies=[0.1, 0.5]) for name in "abc"]
    panels = [Figure().subplots() for _ in PANELS]
    for axes, panel in zip(panels, PANELS, strict=True):
        draw(axes, logs, panel, "iterations")
    colors = [[line.get_color() for line in axes.lines] for axes in panels]
    assert colors[0] == colors[1] == colors[2] and len(set(colors[0])) == 3


@pytest.mark.parametrize("count", [2, 10, 11, 40])
def test_colours_differ(axes, count):
    draw(axes, [log_of(str(i), i + 1) for i in range(count)], "loss", "iterations")
    assert len({line.get_color() for line in axes.lines}) == count


def test_nets_and_outputs_of_one_log_differ(axes):
    outputs = [f"    Test net output #{i}: acc{i} = 0.5" for i in range(3)]
    nets = [text for net in range(3) for text in (f"Iteration 0, Testing net (#{net})", *outputs)]
    draw(axes, [parse_log(lines("Solving a", *nets))], "accuracy", "iterations")
    styles = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == len(axes.lines) == 9


def test_what_the_lines_of_several_logs_are_stands_there_in_black(axes):
    logs = [parse_log(CAFFES.splitlines(), name) for name in "ab"]
    draw(axes, logs, "loss", "iterations")
    assert legend(axes) == ["train", "test loss"]
    assert {handle.get_color() for handle in axes.get_legend().get_lines()} == {"black"}


def test_a_run_that_diverged_ends_with_a_cross(axes):
    draw(axes, [log_of("a", 4, 2, "nan", "nan")], "loss", "iterations")
    curve, cross = axes.lines
    assert (cross.get_marker(), list(cross.get_xdata()), list(cross.get_ydata())) == ("x", [1], [2])
    assert cross.get_color() == curve.get_color()
    assert legend(axes) == ["train (no number from 2 on)"]


@pytest.mark.parametrize(
    ("panel", "log", "scale"),
    [
        ("loss", log_of("a", 4, 2), "log"),
        ("loss", log_of("a", 4, "nan"), "log"),
        ("loss", log_of("a", 4, 0), "linear"),
        ("rate", log_of("a", rates=[0.1, 0.01]), "linear"),
        ("rate", log_of("a", rates=[0.1, 0.01, 0.001]), "log"),
        ("rate", log_of("a", rates=[0.1, 0]), "linear"),
        ("accuracy", log_of("a", accuracies=[0.001, 1]), "linear"),
    ],
)
def test_scales(axes, panel, log, scale):
    draw(axes, [log], panel, "iterations")
    assert axes.get_yscale() == scale


def test_the_names_of_logs_stand_above_all_panels(tmp_path, monkeypatch):
    """By their paths where two have one name; with the iteration at which one diverged."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: figures.append(figure))
    for name, losses in (("a/x.log", (3, 2)), ("b/x.log", (3, "nan")), ("y.log", (1, 2))):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines("Solving a", *[shown(i, loss) for i, loss in enumerate(losses)])))
    paths = [str(tmp_path / name) for name in ("a/x.log", "b/x.log", "y.log")]
    assert main([*paths, "-o", str(tmp_path / "x.png"), "--title", "Three"]) == 0
    (found,) = figures[0].legends
    assert found.get_title().get_text() == "Three"
    texts = [text.get_text() for text in found.get_texts()]
    assert texts == [paths[0], f"{paths[1]} (no number from 1 on)", "y.log"]


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-o", "PNG"], "the following arguments are required: LOG; minicaffe plot_log -help lists all flags"),
        (["LOG"], "the following arguments are required: --output/--o; minicaffe plot_log -help lists all flags"),
        (["LOG", "-o"], "argument --output/--o: expected one argument; minicaffe plot_log -help lists all flags"),
        (["LOG", "-o", "PNG", "-x", "epochs"], "argument --x: invalid choice: 'epochs' (choose from"),
        (["LOG", "-o", "PNG", "--panels", "loss,lr"], "--panels is loss,lr, must be some of loss, accuracy, rate"),
        (["LOG", "-o", "PNG", "--panels", ","], "--panels is ,, must be some of loss, accuracy, rate"),
        (["LOG", "-o", "PNG", "-titel", "a"], "unknown command line flag 'titel'; do you mean --title?"),
        (
            ["LOG", "-o", "FOLDER/curve.doc"],
            "FOLDER/curve.doc: has an extension that nothing is drawn as; end it in one",
        ),
        (["LOG", "-o", "FOLDER/curve"], "FOLDER/curve: has an extension that nothing is drawn as; end it in one of"),
        (["LOG", "-o", "FOLDER/no/x.png"], "FOLDER/no/x.png: cannot be written: no such file or directory; create the"),
        (["EMPTY", "-o", "PNG"], "EMPTY: holds no line of a training run, as 'I0210 13:39:22.381027 25210 solver.cpp"),
        (["LOG", "FOLDER/absent.log", "-o", "PNG"], "FOLDER/absent.log: cannot be read: no such file or directory"),
    ],
)
def test_bad_input(tmp_path, caffes_log, capsys, words, text):
    pytest.importorskip("matplotlib")
    (tmp_path / "empty.log").write_text("hello\n")
    places = {"LOG": caffes_log, "PNG": tmp_path / "x.png", "EMPTY": tmp_path / "empty.log", "FOLDER": tmp_path}

    def placed(word):
        return re.sub(r"^(LOG|PNG|EMPTY|FOLDER)\b", lambda match: str(places[match[0]]), word)

    assert run_command(main, [placed(word) for word in words]) == 1
    assert capsys.readouterr().err.startswith(f"error: {placed(text)}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["caffe.log", "empty.log"]


def test_without_matplotlib(tmp_path, caffes_log, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MinicaffeError, match=r'pip install "minicaffe\[plot\]"'):
        plot([read_log(caffes_log)], tmp_path / "curve.png")
