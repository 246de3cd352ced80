"""The snapshots under a prefix: the newest that is whole is found, old ones are cleared away."""

import errno
import os
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from solver_kit import history, messages, weights, write_solver

from minicaffe.errors import FileError, ParamError, SolverError
from minicaffe.solver import Solver, pairs
from minicaffe.solver.pairs import Pair, clear_away, pairs_under

SETTINGS = 'base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" max_iter: 5 snapshot: 1'


def make(folder, settings=SETTINGS, prefix="s", **options):
    text = f'snapshot_prefix: "{folder}/{prefix}" {settings}'
    return Solver(write_solver(folder, text), **options)


@pytest.fixture(params=["BINARYPROTO", "HDF5"])
def trained(request, tmp_path):
    """A run of five iterations, each with its snapshot; its settings."""
    settings = f"{SETTINGS} snapshot_format: {request.param}"
    make(tmp_path, settings).solve()
    return settings


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("s_iter"))


def suffix(settings):
    return ".h5" if "HDF5" in settings else ""


# --- the newest --------------------------------------------------------------------------------


def test_the_newest_is_taken(tmp_path, trained, capsys):
    solver, named = make(tmp_path, trained), make(tmp_path, trained)
    state = f"{tmp_path}/s_iter_5.solverstate{suffix(trained)}"
    assert solver.restore_newest() == state
    named.restore(state)
    assert solver.iter == 5
    assert_array_equal(weights(solver.net), weights(named.net))
    assert_array_equal(history(solver), history(named))


def test_bad_ones_are_skipped_and_told(tmp_path, trained, capsys):
    """Cut short; a bit flipped; another's weights; no weights at all."""
    end = suffix(trained)
    files = {i: [tmp_path / f"s_iter_{i}.{kind}{end}" for kind in ("caffemodel", "solverstate")] for i in range(1, 6)}
    os.truncate(files[5][1], files[5][1].stat().st_size // 2)
    flipped = bytearray(files[4][0].read_bytes())
    flipped[len(flipped) // 2] ^= 4
    files[4][0].write_bytes(flipped)
    files[3][0].unlink()
    solver = make(tmp_path, trained)
    messages(capsys)
    assert solver.restore_newest() == str(files[2][1])
    assert solver.iter == 2
    lines = [line for line in messages(capsys) if line.startswith("Skipping")]
    assert len(lines) == 3
    for i, line, words in zip(
        (5, 4, 3),
        lines,
        (
            "the file is cut short" if not end else "it was cut short",
            "the pair was mixed",
            "the weights that belong to it",
        ),
        strict=True,
    ):
        assert line.startswith(f"Skipping a snapshot: {files[i][1]}: ") and words in line


def test_without_a_snapshot_a_run_begins(tmp_path, capsys):
    solver = make(tmp_path)
    assert solver.restore_newest() is None
    assert messages(capsys)[-1] == f"There is no snapshot under {tmp_path}/s yet: training begins at iteration 0"
    assert solver.iter == 0


def test_where_none_can_be_used_nothing_is_overwritten(tmp_path, trained):
    """By a run from the start, of another type."""
    adam = trained.replace("momentum: 0.9", 'type: "Adam"')
    before = names(tmp_path)
    with pytest.raises(SolverError) as caught:
        make(tmp_path, adam).restore_newest()
    assert str(caught.value) == (
        f"none of the 5 snapshots under snapshot_prefix '{tmp_path}/s' can be used, for the reasons logged; mend one, "
        "or move them away, or set another snapshot_prefix to begin anew"
    )
    assert names(tmp_path) == before


def test_the_iteration_counts_not_the_time(tmp_path, capsys):
    """But it is told where an earlier iteration was written later."""
    make(tmp_path).solve()
    os.utime(tmp_path / "s_iter_2.solverstate", (2e9, 2e9))
    solver = make(tmp_path)
    assert solver.restore_newest() == f"{tmp_path}/s_iter_5.solverstate"
    assert messages(capsys)[-1] == (
        f"{tmp_path}/s_iter_2.solverstate was written after {tmp_path}/s_iter_5.solverstate, by another run? If you "
        "meant that, name it"
    )


def test_of_two_formats_the_later_is_taken(tmp_path):
    for form in ("HDF5", "BINARYPROTO"):
        make(tmp_path, f"{SETTINGS} snapshot_format: {form}").solve()
    os.utime(tmp_path / "s_iter_5.solverstate.h5", (2e9, 2e9))
    assert make(tmp_path).restore_newest() == f"{tmp_path}/s_iter_5.solverstate.h5"


def test_names_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        *("s_iter_2.solverstate", "s_iter_10.solverstate", "s_iter_9.solverstate.h5"),
        *("s_iter_.solverstate", "s_iter_3.solverstate.bak", "xs_iter_4.solverstate", "s_iter_11.caffemodel"),
        *("s.x_iter_5.solverstate", ".s_iter_6.solverstate.1@h.00000000.tmp", "s_iter_-1.solverstate"),
    ):
        (tmp_path / name).touch()
    assert pairs_under("s") == [
        Pair(10, "s_iter_10.solverstate", "s_iter_10.caffemodel"),
        Pair(9, "s_iter_9.solverstate.h5", "s_iter_9.caffemodel.h5"),
        Pair(2, "s_iter_2.solverstate", "s_iter_2.caffemodel"),
    ]
    # A prefix is no pattern.
    assert [pair.iteration for pair in pairs_under(f"{tmp_path}/s.x")] == [5]
    assert pairs_under(f"{tmp_path}/no/where") == pairs_under("?") == []


# --- how many stay -----------------------------------------------------------------------------


def test_the_newest_stay(tmp_path, trained, capsys):
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    make(tmp_path, trained, snapshot_keep=2).solve()
    end = suffix(trained)
    assert names(tmp_path) == [f"s_iter_{i}.{kind}{end}" for i in (4, 5) for kind in ("caffemodel", "solverstate")]
    removed = [line for line in messages(capsys) if line.startswith("Removed the old snapshot")]
    assert removed[:2] == [
        f"Removed the old snapshot {tmp_path}/s_iter_1.solverstate{end}",
        f"Removed the old snapshot {tmp_path}/s_iter_1.caffemodel{end}",
    ]
    assert len(removed) == 6


def test_what_is_not_this_runs_past_stays(tmp_path):
    """Later iterations, other prefixes, and weights whose solverstate somebody removed."""
    make(tmp_path).solve()
    (tmp_path / "s_iter_1.solverstate").unlink()
    (tmp_path / "s2_iter_1.solverstate").touch()
    clear_away(f"{tmp_path}/s", 1, 3)
    found = names(tmp_path)
    assert found == [
        "s_iter_1.caffemodel",
        *(f"s_iter_{i}.{k}" for i in (3, 4, 5) for k in ("caffemodel", "solverstate")),
    ]
    assert (tmp_path / "s2_iter_1.solverstate").exists()


def test_nothing_is_removed_for_a_snapshot_that_failed(tmp_path, monkeypatch):
    solver = make(tmp_path, SETTINGS, snapshot_keep=1)
    solver.step(2)
    assert names(tmp_path) == ["s_iter_2.caffemodel", "s_iter_2.solverstate"]
    (tmp_path / "s_iter_3.caffemodel").mkdir()
    solver.step(1)
    assert "s_iter_2.solverstate" in names(tmp_path)


def test_what_cannot_be_removed_is_told(tmp_path, capsys):
    make(tmp_path).solve()
    (tmp_path / "s_iter_1.solverstate").unlink()
    (tmp_path / "s_iter_1.solverstate").mkdir()
    clear_away(f"{tmp_path}/s", 4, 5)
    assert messages(capsys)[-1].startswith(f"Cannot remove the old snapshot {tmp_path}/s_iter_1.solverstate: ")
    assert "s_iter_1.caffemodel" in names(tmp_path)


@pytest.mark.parametrize("keep", [0, -1])
def test_none_cannot_be_kept(tmp_path, keep):
    with pytest.raises(ParamError, match=f"snapshot_keep is {keep}, must be 1 or more: snapshots to keep"):
        make(tmp_path, snapshot_keep=keep)


def test_a_resumed_run_clears_away_what_the_first_left(tmp_path):
    make(tmp_path).solve()
    solver = make(tmp_path, SETTINGS.replace("max_iter: 5", "max_iter: 7"), snapshot_keep=2)
    solver.restore_newest()
    solver.solve()
    assert names(tmp_path) == [f"s_iter_{i}.{kind}" for i in (6, 7) for kind in ("caffemodel", "solverstate")]
    assert np.isfinite(weights(solver.net)).all()


def test_a_folder_that_cannot_be_listed(tmp_path, capsys, monkeypatch):
    """Written to it may be all the same: the snapshot counts, and training goes on."""

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(pairs.os, "listdir", refuse)
    solver = make(tmp_path, snapshot_keep=1)
    solver.solve()
    assert (tmp_path / "s_iter_5.solverstate").exists()
    reason = f"{tmp_path}: cannot be listed: permission denied; give yourself permission to read it, or set another"
    warnings = [line for line in messages(capsys) if line.startswith("Cannot look for")]
    assert warnings == [f"Cannot look for old snapshots to remove: {reason} snapshot_prefix"] * 5
    with pytest.raises(FileError) as caught:
        solver.restore_newest()
    assert str(caught.value) == f"{reason} snapshot_prefix"


@pytest.mark.parametrize("step", [1, 2])
def test_killed_while_it_clears_away(tmp_path, monkeypatch, step):
    """The next start finds the pair whole, or nothing of it."""
    make(tmp_path).solve()
    unlink, calls = os.unlink, []

    def killed(path):
        calls.append(path)
        if len(calls) == step:
            raise KeyboardInterrupt
        unlink(path)

    monkeypatch.setattr(pairs.os, "unlink", killed)
    monkeypatch.setattr(pairs, "temporary_beside", of_dead_process)
    with pytest.raises(KeyboardInterrupt):
        clear_away(f"{tmp_path}/s", 4, 5)
    monkeypatch.undo()
    assert "s_iter_1.solverstate" not in names(tmp_path)
    make(tmp_path)
    there = [f"s_iter_{i}.{kind}" for i in range(step, 6) for kind in ("caffemodel", "solverstate")]
    assert names(tmp_path) == there
    assert not list(tmp_path.glob(".*"))


def of_dead_process(path):
    """A temporary name as a process that is over would have given it."""
    folder, name = os.path.split(path)
    return f"{folder}/.{name}.999999@{os.uname().nodename}.01234567.tmp"


def test_weights_that_cannot_be_removed_keep_their_solverstate(tmp_path, capsys):
    make(tmp_path).solve()
    (tmp_path / "s_iter_1.caffemodel").unlink()
    (tmp_path / "s_iter_1.caffemodel").mkdir()
    clear_away(f"{tmp_path}/s", 4, 5)
    assert messages(capsys)[-1].startswith(f"Cannot remove the old snapshot {tmp_path}/s_iter_1.caffemodel: ")
    assert "s_iter_1.solverstate" in names(tmp_path)
    assert not list(tmp_path.glob(".*"))
