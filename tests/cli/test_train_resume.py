"""minicaffe train -snapshot auto and -snapshot_keep: runs that may be killed and started again, always the same way."""

import pytest
from cli_kit import run, saved, solver

from minicaffe.io.solverstate import read_solverstate

SNAPSHOTS = "max_iter: {} snapshot: 2"


def test_auto_begins_then_goes_on_then_is_done(tmp_path, capsys):
    words = ["-snapshot", "auto"]
    status, logged, _ = run(capsys, "train", solver(tmp_path, SNAPSHOTS.format(4)), *words)
    assert status == 0
    assert f"There is no snapshot under {tmp_path}/s yet: training begins at iteration 0" in logged
    state = f"{tmp_path}/s_iter_4.solverstate"
    for last in (6, 6):
        status, logged, _ = run(capsys, "train", solver(tmp_path, SNAPSHOTS.format(last)), *words)
        assert status == 0
        assert logged.index(f"Resumed from {state}") < logged.index("Starting Optimization")
        state = f"{tmp_path}/s_iter_6.solverstate"
    assert saved(tmp_path) == [2, 4, 6]


def test_auto_takes_weights_where_there_is_no_snapshot_yet(tmp_path, capsys):
    """By flag, or of the solver file: the same words start a run and go on with it."""
    run(capsys, "train", solver(tmp_path, "max_iter: 3"))
    weights = tmp_path / "pretrained.caffemodel"
    (tmp_path / "s_iter_3.caffemodel").rename(weights)
    (tmp_path / "s_iter_3.solverstate").unlink()
    for words, settings in ((["-weights", weights], ""), ([], f'weights: "{weights}"')):
        path = solver(tmp_path, f"{SNAPSHOTS.format(2)} {settings}")
        for line in ("There is no snapshot under", "Resumed from"):
            status, logged, _ = run(capsys, "train", path, "-snapshot", "auto", *words)
            assert status == 0
            assert f"Finetuning from {weights}" in logged
            assert any(found.startswith(line) for found in logged)
        (tmp_path / "s_iter_2.solverstate").unlink()


def test_auto_refuses_to_begin_over_snapshots_that_it_cannot_use(tmp_path, capsys):
    run(capsys, "train", solver(tmp_path))
    path = solver(tmp_path, 'type: "Adam" max_iter: 4')
    status, logged, last = run(capsys, "train", path, "-snapshot", "auto")
    assert status == 1
    assert last.startswith("error: none of the 1 snapshots under snapshot_prefix")
    assert f"Skipping a snapshot: {tmp_path}/s_iter_4.solverstate: holds 2 blobs of history" in logged[-1]


def test_keep(tmp_path, capsys):
    status, _, _ = run(capsys, "train", solver(tmp_path, "max_iter: 7 snapshot: 1"), "-snapshot_keep=3")
    assert status == 0
    assert saved(tmp_path) == [5, 6, 7]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-snapshot_keep", "0"], "error: snapshot_keep is 0, must be 1 or more: snapshots to keep; leave it out to"),
        (["-snapshot_keep", "x"], "error: argument --snapshot_keep: invalid int32 value: 'x'"),
        (["-max_iter", "99999999999"], "error: argument --max_iter: invalid int32 value: '99999999999'"),
        (["-sigterm_effect", "x"], "error: --sigterm_effect x: Invalid signal effect, must be stop, snapshot or none"),
    ],
)
def test_bad_flags(tmp_path, capsys, words, text):
    status, _, last = run(capsys, "train", solver(tmp_path), *words)
    assert status == 1
    assert last.startswith(text)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("s_iter_4.caffemodel", "looks like weights (a NetParameter), must hold a solver state, binary; give the .sol"),
        ("net.prototxt", "is text, must hold a solver state, binary; give the .solverstate here, and weights alone"),
        ("absent.solverstate", "Couldn't open {}/absent.solverstate: no such file or directory; check the path"),
        ("weights.h5", "is HDF5 weights, must hold a solver state; give the .solverstate.h5 here, and weights alone"),
        ("binary.h5", "it is one in binary form: take the .h5 off its name"),
        ("empty.solverstate", "is empty, must hold a solver state, binary; give the .solverstate here"),
    ],
)
def test_what_is_no_solverstate(tmp_path, capsys, given, text):
    run(capsys, "train", solver(tmp_path))
    state = tmp_path / "s_iter_4.solverstate"
    assert read_solverstate(state).iter == 4
    run(capsys, "train", solver(tmp_path, "max_iter: 4 snapshot_format: HDF5"))
    (tmp_path / "s_iter_4.caffemodel.h5").rename(tmp_path / "weights.h5")
    (tmp_path / "binary.h5").write_bytes(state.read_bytes())
    (tmp_path / "empty.solverstate").touch()
    status, _, last = run(capsys, "train", solver(tmp_path), "-snapshot", tmp_path / given)
    assert status == 1
    assert last.startswith("error: ") and given in last and text.format(tmp_path) in last
