"""parse_log: tables of Caffe's logs and our own; the rules of Caffe's script, and what that loses."""

import csv
import datetime
import math
import re
import stat

import hypothesis
import pytest
from hypothesis import strategies as st
from solver_kit import write_solver

from minicaffe.cli.main import main
from minicaffe.tools.log_reader import parse_log, read_log
from minicaffe.tools.parse_log import tables, write_tables

# Displays every 100 iterations, a test every 200, as Caffe 1.0 logs them.
CAFFES = """\
I0210 13:39:22.000000 25210 caffe.cpp:218] Using GPUs 0
I0210 13:39:23.500000 25210 solver.cpp:273] Solving LeNet
I0210 13:39:23.500000 25210 solver.cpp:274] Learning Rate Policy: inv
I0210 13:39:23.500000 25210 solver.cpp:331] Iteration 0, Testing net (#0)
I0210 13:39:24.500000 25210 solver.cpp:398]     Test net output #0: accuracy = 0.0825
I0210 13:39:24.600000 25210 solver.cpp:398]     Test net output #1: loss = 2.36781 (* 1 = 2.36781 loss)
I0210 13:39:25.000000 25210 solver.cpp:219] Iteration 0 (-1.4013e-45 iter/s, 0.05s/100 iters), loss = 2.41
I0210 13:39:25.250000 25210 solver.cpp:238]     Train net output #0: loss = 2.42 (* 1 = 2.42 loss)
I0210 13:39:25.300000 25210 sgd_solver.cpp:105] Iteration 0, lr = 0.01
I0210 13:39:35.250000 25210 solver.cpp:219] Iteration 100 (10 iter/s, 10s/100 iters), loss = 0.3
I0210 13:39:35.250000 25210 solver.cpp:238]     Train net output #0: loss = 0.25 (* 1 = 0.25 loss)
I0210 13:39:35.250000 25210 sgd_solver.cpp:105] Iteration 100, lr = 0.00992565
I0210 13:39:36.500000 25210 solver.cpp:331] Iteration 200, Testing net (#0)
I0210 13:39:37.500000 25210 solver.cpp:398]     Test net output #0: accuracy = 0.97
I0210 13:39:37.500000 25210 solver.cpp:398]     Test net output #1: loss = 0.09 (* 1 = 0.09 loss)
I0210 13:39:45.250000 25210 solver.cpp:219] Iteration 200 (10 iter/s, 10s/100 iters), loss = 0.2
I0210 13:39:45.750000 25210 solver.cpp:238]     Train net output #0: loss = 1e-05 (* 1 = 1e-05 loss)
I0210 13:39:45.750000 25210 sgd_solver.cpp:105] Iteration 200, lr = 0.00985258
I0210 13:39:55.750000 25210 solver.cpp:448] Snapshotting to binary proto file lenet_iter_300.caffemodel
I0210 13:39:56.500000 25210 solver.cpp:311] Iteration 300, loss = 0.2
I0210 13:39:56.500000 25210 solver.cpp:331] Iteration 300, Testing net (#0)
I0210 13:39:57.500000 25210 solver.cpp:398]     Test net output #0: accuracy = 0.99
I0210 13:39:57.500000 25210 solver.cpp:398]     Test net output #1: loss = 0.03 (* 1 = 0.03 loss)
I0210 13:39:57.500000 25210 solver.cpp:316] Optimization Done.
"""
TRAIN = """\
NumIters,Seconds,LearningRate,loss
0,1.75,0.01,2.42
100,11.75,0.01,0.25
200,22.25,0.00992565,1e-05
"""
TEST = """\
NumIters,Seconds,LearningRate,accuracy,loss
0,1.0,0.00992565,0.0825,2.36781
200,14.0,0.00992565,0.97,0.09
300,34.0,0.00985258,0.99,0.03
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "lenet.log"
    path.write_text(CAFFES)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tables"
    path.mkdir()
    return path


def run(capsys, *words):
    """(exit status, stdout, stderr)."""
    capsys.readouterr()
    status = main(["parse_log", *map(str, words)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_log_of_caffe(capsys, log, folder):
    assert run(capsys, log, folder) == (0, "", "")
    assert contents(folder) == {"lenet.log.train": TRAIN, "lenet.log.test": TEST}


# --- Caffe's rules, from their description -----------------------------------------------------


def by_the_script(text, net):
    """Rows [iteration, seconds, rate, {output: value}] by the description of Caffe's script, losses and all."""
    rows, row, iteration, rate, start = [], None, None, math.nan, None
    for line in text.splitlines():
        # I0210 13:39:22.381027
        places = ((1, 3), (3, 5), (6, 8), (9, 11), (12, 14), (15, 21))
        time = datetime.datetime(2015, *(int(line[begin:end]) for begin, end in places))
        start = time if start is None and "Solving" in line else start
        if found := re.search(r"Iteration (\d+)", line):
            iteration = int(found[1])
        if found := re.search(r"lr = ([\d.e-]+)", line):
            rate = float(found[1])
        if found := re.search(rf"{net} net output #\d+: (\S+) = ([\d.eE+-]+)", line):
            if row is None or row[0] != iteration:
                rows += [row] if row else []
                row = [iteration, (time - start).total_seconds(), rate, {}]
            row[3][found[1]] = float(found[2])
        if row and rows and len(row[3]) == len(rows[0][3]):
            rows.append(row)
            row = None
    # The script takes the second's in any case; where the first row has a rate of its own we keep that.
    if len(rows) > 1 and math.isnan(rows[0][2]):
        rows[0][2] = rows[1][2]
    return rows


def by_us(text, suffix):
    heading, *rows = tables(parse_log(text.splitlines())).get(suffix, [[]])
    return [[*row[:3], dict(zip(heading[3:], row[3:], strict=True))] for row in rows]


def written_log(runs):
    """A log: for each (iteration step, whether it is tested, whether it is shown, milliseconds) one turn."""
    moment, iteration = datetime.datetime(2015, 2, 10, 13), 0
    lines = []

    def add(text):
        lines.append(f"I{moment:%m%d %H:%M:%S.%f}     7 solver.cpp:1] {text}")

    add("Solving net")
    for step, tested, shown, milliseconds in runs:
        if tested:
            add(f"Iteration {iteration}, Testing net (#0)")
            moment += datetime.timedelta(milliseconds=milliseconds)
            add(f"    Test net output #0: accuracy = {iteration / 7:g}")
            add(f"    Test net output #1: loss = {1 / (1 + iteration):g} (* 1 = 3 loss)")
        if shown:
            add(f"Iteration {iteration} (1 iter/s, 1s/1 iters), loss = {iteration}.5")
            add(f"    Train net output #0: loss = {iteration / 3:g} (* 1 = 3 loss)")
            add(f"Iteration {iteration}, lr = {0.1 / (1 + iteration):g}")
        iteration += step
        moment += datetime.timedelta(milliseconds=milliseconds)
    return "\n".join(lines)


TURNS = st.tuples(st.integers(1, 500), st.booleans(), st.booleans(), st.integers(0, 10**8))


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.lists(TURNS, max_size=12))
def test_what_the_script_has_we_have(runs):
    text = written_log(runs)
    for net, suffix, place in (("Train", ".train", 2), ("Test", ".test", 1)):
        theirs, ours = by_the_script(text, net), by_us(text, suffix)
        assert len(ours) == sum(turn[place] for turn in runs)
        # The script closes its first row when the second begins: it loses one that is alone.
        assert len(theirs) == (len(ours) if len(ours) > 1 else 0)
        assert all(same(us, them) for us, them in zip(ours, theirs, strict=False))


def same(us, them):
    rates = us[2] == them[2] or (math.isnan(us[2]) and math.isnan(them[2]))
    return rates and [us[0], us[1], us[3]] == [them[0], them[1], them[3]]


# --- what the script loses ---------------------------------------------------------------------


def lines(*messages, day="0210", hour=13):
    """Log lines, a second apart."""
    return [f"I{day} {hour:02d}:00:{i:02d}.000000     7 solver.py:1] {text}" for i, text in enumerate(messages)]


def shown(iteration, *outputs, rate=0.1):
    """The lines of a displayed iteration; outputs: texts such as "loss = 1"."""
    found = [f"    Train net output #{i}: {text}" for i, text in enumerate(outputs)]
    return [f"Iteration {iteration} (1 iter/s, 1s/1 iters), loss = 1", *found, f"Iteration {iteration}, lr = {rate}"]


def scored(iteration, *outputs, net=0):
    found = [f"    Test net output #{i}: {text}" for i, text in enumerate(outputs)]
    return [f"Iteration {iteration}, Testing net (#{net})", *found]


def test_the_only_row(tmp_path):
    found = tables(parse_log(lines("Solving a", *scored(0, "acc = 0.5"), *shown(0, "loss = 2", rate=0.25))))
    assert found[".train"][1:] == [[0, 4.0, 0.25, 2.0]]
    assert found[".test"][1:] == [[0, 2.0, 0.25, 0.5]]
    (row,) = tables(parse_log(lines("Solving a", *scored(0, "acc = 0.5"))))[".test"][1:]
    assert math.isnan(row[2])


def test_an_incomplete_last_row():
    log = parse_log(lines("Solving a", *scored(0, "acc = 0.5", "loss = 1"), *scored(5, "acc = 0.75")))
    assert [row[3:] for row in tables(log)[".test"]] == [["acc", "loss"], [0.5, 1.0], [0.75, ""]]


def test_outputs_that_come_later():
    log = parse_log(lines("Solving a", *scored(0, "loss = 1"), *scored(5, "acc = 0.75", "loss = 2")))
    assert [row[3:] for row in tables(log)[".test"]] == [["loss", "acc"], [1.0, ""], [2.0, 0.75]]


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-inf", "-1.5e-07"])
def test_what_is_no_number(text):
    (row,) = tables(parse_log(lines("Solving a", *shown(0, f"loss = {text} (* 1 = {text} loss)"))))[".train"][1:]
    assert repr(row[3]) == repr(float(text))


def test_an_output_of_several_values():
    log = parse_log(lines("Solving a", *scored(0, "acc = 0.5", "each = 1", "each = 2", "each = 3", "loss = 4")))
    heading, row = tables(log)[".test"]
    assert dict(zip(heading[3:], row[3:], strict=True)) == {
        "acc": 0.5, "each": 1.0, "each[1]": 2.0, "each[2]": 3.0, "loss": 4.0,
    }  # fmt: skip


def test_several_testing_nets(capsys, tmp_path, folder):
    text = lines("Solving a", *scored(0, "acc = 0.5"), *scored(0, "top5 = 0.75", net=1), *scored(9, "acc = 1"))
    (tmp_path / "a.log").write_text("\n".join(text))
    assert run(capsys, tmp_path / "a.log", folder)[0] == 0
    found = contents(folder)
    assert sorted(found) == ["a.log.test", "a.log.test1"]
    assert found["a.log.test"] == "NumIters,Seconds,LearningRate,acc\n0,2.0,nan,0.5\n9,6.0,nan,1.0\n"
    assert found["a.log.test1"] == "NumIters,Seconds,LearningRate,top5\n0,4.0,nan,0.75\n"


def test_a_resumed_run(tmp_path):
    """Its rows replace those it did anew, and seconds count training, neither the pause nor the start."""
    first = lines("Solving a", *shown(0, "loss = 5"), *shown(10, "loss = 4"), *shown(20, "loss = 3"))
    second = lines("Initializing solver", "Solving a", *shown(10, "loss = 4.5"), *shown(20, "loss = 2"), hour=15)
    rows = tables(parse_log(first + second))[".train"][1:]
    # The first run came to its 9th second; its rate of iteration 20 is the last before the second run.
    assert [row[:2] + row[3:] for row in rows] == [[0, 2.0, 5.0], [10, 11.0, 4.5], [20, 14.0, 2.0]]


def test_a_log_without_its_beginning():
    text = lines("    Test net output #0: acc = 0.5", *shown(10, "loss = 4"), "    Test net output #0: acc = 0.75")
    found = tables(parse_log(text))
    assert found[".train"][1:] == [[10, 1.0, 0.1, 4.0]]
    assert found[".test"][1:] == [[10, 3.0, 0.1, 0.75]]


def test_dates():
    """Midnight at the end of a year, and at the end of a February that has 29 days."""
    for days in (("1231", "0101"), ("0229", "0301"), ("20231231", "20240101"), ("20240228", "20240229")):
        text = [
            f"I{days[0]} 23:59:59.5      7 s.py:1] Solving a",
            f"I{days[1]} 00:00:00.250000      7 s.py:1] Iteration 3, loss = 1",
            f"I{days[1]} 00:00:01.25      7 s.py:1]     Train net output #0: loss = 1",
        ]
        assert tables(parse_log(text))[".train"][1][:2] == [3, 1.75]
    text = ["I1231 00:00:00.0 7 s.py:1] Solving a", "I0229 00:00:00.0 7 s.py:1] Iteration 3, loss = 1"]
    assert parse_log(text).train[0].seconds == 60 * 86400


WORDS = [
    *"0123456789.,:()#= \n٣",
    "Iteration ",
    "loss = ",
    "lr = ",
    "Train net output #",
    "Testing net (#",
    "nan",
    "e5",
]
WORDS += ["I0210 13:39:22.000000 7 s.cpp:1] ", "I0010 99:39:22.0 7 s.cpp:1] ", "    ", "Solving "]


@hypothesis.given(st.lists(st.sampled_from(WORDS), max_size=40), st.integers(0, len(CAFFES)), st.text(max_size=8))
def test_damaged_lines_are_no_crash(words, at, text):
    """What can be read is read, and the tables are whole."""
    damaged = CAFFES[:at] + text + "".join(words) + CAFFES[at:]
    for found in tables(parse_log(damaged.splitlines())).values():
        heading, *rows = found
        assert rows and all(len(row) == len(heading) for row in rows)
        assert [row[0] for row in rows] == sorted({row[0] for row in rows})


@pytest.mark.parametrize("text", ["1..2", "1e", "--1", "0x10", "1,5"])
def test_what_only_looks_like_a_number(text):
    """As far as it is one it is read."""
    log = parse_log(lines("Solving a", f"Iteration 1, loss = {text}", *shown(2, "loss = 3")))
    assert [row.loss for row in log.train] == [1.0]
    assert parse_log(lines(f"Iteration {'9' * 5000}, loss = 1")).train == []


# --- our own logs ------------------------------------------------------------------------------


def test_a_log_of_our_own(capsys, tmp_path, folder):
    settings = f"""base_lr: 0.1 lr_policy: "step" gamma: 0.5 stepsize: 4 max_iter: 8 display: 2 test_iter: 2
    test_interval: 4 snapshot: 0 snapshot_prefix: "{tmp_path}/s" random_seed: 1 snapshot_after_train: false"""
    path = tmp_path / "own.log"
    assert main(["train", write_solver(tmp_path, settings), "--log_file", str(path)]) == 0
    assert run(capsys, path, folder, "-verbose") == (
        0, f"Wrote {folder}/own.log.train\nWrote {folder}/own.log.test\n", "",
    )  # fmt: skip
    with open(folder / "own.log.train", newline="") as file:
        train = list(csv.DictReader(file))
    with open(folder / "own.log.test", newline="") as file:
        test = list(csv.DictReader(file))
    assert [row["NumIters"] for row in train] == ["0", "2", "4", "6"]
    assert [float(row["LearningRate"]) for row in train] == [0.1, 0.1, 0.1, 0.05]
    assert [row["NumIters"] for row in test] == ["0", "4", "8"]
    assert set(test[0]) == {"NumIters", "Seconds", "LearningRate", "accuracy", "loss"}
    seconds = [float(row["Seconds"]) for row in test]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    assert [float(row["loss"]) for row in test] == [row.outputs["loss"] for row in read_log(path).tests[0]]


# --- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize(("flag", "delimiter"), [(";", ";"), ("\t", "\t"), ("\\t", "\t"), (" ", " "), ("|", "|")])
def test_delimiters(capsys, log, folder, flag, delimiter):
    assert run(capsys, log, folder, "--delimiter", flag)[0] == 0
    assert contents(folder)["lenet.log.train"] == TRAIN.replace(",", delimiter)


def test_names_that_hold_the_delimiter_are_quoted(tmp_path):
    found = tables(parse_log(lines("Solving a", *shown(0, 'a,"b" = 1'))))
    (path,) = write_tables(found, f"{tmp_path}/x")
    with open(path, newline="") as file:
        assert next(csv.reader(file))[3:] == ['a,"b"']


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["LOG"], "the following arguments are required: "),
        (["absent.log", "."], "absent.log: cannot be read: no such file or directory"),
        (["FOLDER", "."], "FOLDER: cannot be read: is a directory"),
        (
            ["EMPTY", "FOLDER"],
            "EMPTY: holds no line of a training run, as 'I0210 13:39:22.381027 25210 solver.cpp:204]",
        ),
        (["SILENT", "FOLDER"], "SILENT: shows no output of a net: no 'Train net output #0: loss = 1'"),
        (["LOG", "FOLDER", "-delimiter", ", "], "--delimiter is ', ', must be one character that is no part of a"),
        (["LOG", "FOLDER", "-delimiter", "e"], "--delimiter is 'e', must be one character that is no part of a"),
        (["LOG", "FOLDER", "-delimiter="], "--delimiter is '', must be one character that is no part of a number"),
        (["LOG", "FOLDER", "-delimiter", "."], "--delimiter is '.', must be one character that is no part of a"),
        (
            ["LOG", "FOLDER/absent"],
            "FOLDER/absent/lenet.log.train: cannot be written: no such file or directory; create",
        ),
        (["LOG", "LOG"], "LOG/lenet.log.train: cannot be written: not a directory; a part of the path is a file"),
        (["LOG", "FOLDER", "-quiet"], "unknown command line flag 'quiet'; minicaffe parse_log -help lists all flags"),
    ],
)
def test_what_is_refused(capsys, log, folder, tmp_path, words, text):
    (tmp_path / "empty.log").write_bytes(b"\xff\x00nothing\n")
    (tmp_path / "silent.log").write_text("\n".join(lines("Solving a", "Iteration 5, loss = 1")))
    places = {"LOG": log, "FOLDER": folder, "EMPTY": tmp_path / "empty.log", "SILENT": tmp_path / "silent.log"}

    def placed(word):
        return re.sub("|".join(places), lambda match: str(places[match[0]]), word)

    status, out, err = run(capsys, *map(placed, words))
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {placed(text)}") and err.count("\n") == 1
    assert contents(folder) == {}


def test_all_tables_or_none(capsys, log, folder):
    """A .test that cannot be replaced leaves the old .train."""
    (folder / "lenet.log.train").write_text("old")
    (folder / "lenet.log.test").mkdir()
    status, _, err = run(capsys, log, folder)
    assert status == 1 and f"{folder}/lenet.log.test: cannot be written: is a directory" in err
    assert (folder / "lenet.log.train").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["lenet.log.test", "lenet.log.train"]
    assert stat.S_ISDIR((folder / "lenet.log.test").stat().st_mode)
