"""Snapshots: names and contents, going on from them bit for bit, and pairs that do not belong together."""

import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from solver_kit import CLASSIFIER, history, least_squares, messages, weights, write_solver

from minicaffe.errors import FileError, FormatError, ParamError, ShapeError, SolverError
from minicaffe.io import caffemodel_write
from minicaffe.io.caffemodel import read_caffemodel
from minicaffe.io.solverstate import SolverState, read_solverstate, write_solverstate
from minicaffe.proto import caffe_pb2
from minicaffe.solver import Action, Solver

SETTINGS = "base_lr: 0.1 momentum: 0.9 weight_decay: 0.01 random_seed: 3 average_loss: 3 test_iter: 2 test_interval: 4 "
SETTINGS += 'lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 6 display: 1'


def make(folder, settings=SETTINGS, net=CLASSIFIER):
    return Solver(write_solver(folder, f'snapshot_prefix: "{folder}/s" {settings}', net))


def saved_after(folder, iterations, settings=SETTINGS, net=CLASSIFIER):
    """The solverstate of a run of so many iterations."""
    solver = make(folder, settings, net)
    solver.step(iterations)
    return solver.snapshot()


def test_the_pair(tmp_path, capsys):
    solver = make(tmp_path)
    solver.step(3)
    messages(capsys)
    state = solver.snapshot()
    assert state == f"{tmp_path}/s_iter_3.solverstate"
    assert messages(capsys) == [
        f"Snapshotting to binary proto file {tmp_path}/s_iter_3.caffemodel",
        f"Snapshotting solver state to binary proto file {tmp_path}/s_iter_3.solverstate",
    ]
    # As Caffe would read it, fields that it does not know skipped.
    message = caffe_pb2.SolverState.FromString(Path(state).read_bytes())
    assert (message.iter, message.current_step) == (3, 1)
    assert message.learned_net == f"{tmp_path}/s_iter_3.caffemodel"
    assert [list(blob.shape.dim) for blob in message.history] == [[3, 5], [3]]
    assert_array_equal(np.concatenate([blob.data for blob in message.history]), history(solver))
    layers = {layer.name: layer for layer in read_caffemodel(message.learned_net)}
    assert_array_equal(layers["ip"].blobs[0].data, solver.net.params["ip"][0].data)


def test_the_pair_in_hdf5(tmp_path, capsys):
    solver = make(tmp_path, f"{SETTINGS} snapshot_format: HDF5")
    solver.step(3)
    messages(capsys)
    state = solver.snapshot()
    assert state == f"{tmp_path}/s_iter_3.solverstate.h5"
    assert messages(capsys) == [
        f"Snapshotting to HDF5 file {tmp_path}/s_iter_3.caffemodel.h5",
        f"Snapshotting solver state to HDF5 file {tmp_path}/s_iter_3.solverstate.h5",
    ]
    # As Caffe would read it.
    with h5py.File(state, "r") as file:
        assert (file["iter"][...].tolist(), file["current_step"][...].tolist()) == ([3], [1])
        assert file["learned_net"][()] == f"{tmp_path}/s_iter_3.caffemodel.h5".encode()
        assert [file["history"][str(i)].shape for i in range(2)] == [(3, 5), (3,)]
        assert sorted(file) == ["current_step", "history", "iter", "learned_net"]
        assert file.attrs["minicaffe"].nbytes < 64 * 1024
    with h5py.File(f"{tmp_path}/s_iter_3.caffemodel.h5", "r") as file:
        assert_array_equal(file["data/ip/0"], solver.net.params["ip"][0].data)
        assert "diff" not in file


@pytest.mark.parametrize("wanted", [True, False])
def test_snapshot_diff(tmp_path, wanted):
    state = saved_after(tmp_path, 1, f"{SETTINGS} snapshot_diff: {str(wanted).lower()}")
    layers = {layer.name: layer for layer in read_caffemodel(state.replace("solverstate", "caffemodel"))}
    assert (layers["ip"].blobs[0].diff is not None) is wanted
    saved_after(tmp_path, 1, f"{SETTINGS} snapshot_diff: {str(wanted).lower()} snapshot_format: HDF5")
    with h5py.File(tmp_path / "s_iter_1.caffemodel.h5", "r") as file:
        assert ("diff" in file) is wanted


def test_the_log_of_a_resumed_run(tmp_path, capsys):
    state = saved_after(tmp_path, 3)
    solver = make(tmp_path, f"{SETTINGS} max_iter: 3")
    messages(capsys)
    solver.solve(state)
    assert messages(capsys)[:5] == [
        "Solving classifier",
        "Learning Rate Policy: multistep",
        f"Restoring previous solver status from {state}",
        f"{tmp_path}/s_iter_3.caffemodel: copied 1 layer (18 values)",
        "SGDSolver: restoring history",
    ]


def test_settings_come_from_the_file_not_from_the_state(tmp_path):
    state = saved_after(tmp_path, 3)
    solver = make(tmp_path, 'base_lr: 0.25 lr_policy: "fixed" random_seed: 3 average_loss: 7')
    solver.restore(state)
    assert (solver.iter, solver.lr) == (3, 0.25)
    solver.step(1)


def test_a_state_of_caffe_has_nothing_but_caffes_fields(tmp_path):
    """No seal, no place in the data, old four-axis shapes of history."""
    path = saved_after(tmp_path, 3)
    state = read_solverstate(path)
    message = caffe_pb2.SolverState(iter=3, learned_net=state.learned_net, current_step=1)
    for blob in state.history:
        shape = (1,) * (4 - blob.data.ndim) + blob.data.shape
        names = ("num", "channels", "height", "width")
        message.history.add(data=blob.data.ravel(), **dict(zip(names, shape, strict=True)))
    old = tmp_path / "old.solverstate"
    old.write_bytes(message.SerializeToString())
    one, other = make(tmp_path), make(tmp_path)
    one.restore(path)
    other.restore(old)
    assert (other.iter, other._current_step) == (3, 1)
    assert_array_equal(weights(one.net), weights(other.net))
    assert_array_equal(history(one), history(other))
    # The data start anew.
    assert other.net.state()["layers"]["data"]["forward_count"] == 0
    assert one.net.state()["layers"]["data"]["forward_count"] == 3


def test_test_nets_may_come_and_go(tmp_path):
    state = saved_after(tmp_path, 5)
    make(tmp_path, f"{SETTINGS} test_iter: 1").restore(state)
    make(tmp_path, 'base_lr: 1 lr_policy: "fixed"').restore(state)


# --- where the weights are ---------------------------------------------------------------------


def test_weights_that_moved_with_their_state_are_found(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    state = saved_after(tmp_path / "a", 2)
    shutil.move(tmp_path / "a", tmp_path / "b")
    solver = make(tmp_path)
    messages(capsys)
    solver.restore(state.replace("/a/", "/b/"))
    assert messages(capsys)[0] == (
        f"{tmp_path}/a/s_iter_2.caffemodel is not there, or of another run; using {tmp_path}/b/s_iter_2.caffemodel, "
        "beside the solver state"
    )
    assert solver.iter == 2


def test_a_relative_name_is_looked_for_from_here_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    solver = Solver(write_solver(tmp_path, f'{SETTINGS} snapshot_prefix: "s"'))
    solver.step(1)
    state = solver.snapshot()
    assert state == "s_iter_1.solverstate"
    for name in ("elsewhere", "/"):
        monkeypatch.chdir(tmp_path / name)
        make(tmp_path).restore(tmp_path / state)


def test_weights_of_another_run_are_not_mixed_in(tmp_path):
    state = saved_after(tmp_path, 2)
    other = make(tmp_path)
    other.step(3)
    other.net.save(tmp_path / "s_iter_2.caffemodel")
    solver = make(tmp_path)
    before = weights(solver.net)
    with pytest.raises(SolverError) as caught:
        solver.restore(state)
    assert str(caught.value) == (
        f"{state}: {tmp_path}/s_iter_2.caffemodel holds other weights than those saved with this solver state "
        "(another size or SHA-256): the pair was mixed; resume from another one, or put the right file back"
    )
    assert_array_equal(weights(solver.net), before)
    assert solver.iter == 0


def test_weights_that_are_nowhere_are_named(tmp_path):
    state = saved_after(tmp_path, 2)
    os.remove(tmp_path / "s_iter_2.caffemodel")
    with pytest.raises(FileError) as caught:
        make(tmp_path).restore(state)
    assert str(caught.value) == (
        f"{state}: the weights that belong to it, {tmp_path}/s_iter_2.caffemodel, are not there, nor beside it: "
        f"put them beside it (relative paths begin at {os.getcwd()})"
    )


# --- states that do not fit --------------------------------------------------------------------


def unchanged_after(solver, path, kind):
    """The text of the refusal to restore; the solver is as it was."""
    before = weights(solver.net), history(solver), solver.iter
    with pytest.raises(kind) as caught:
        solver.restore(path)
    for one, other in zip(before, (weights(solver.net), history(solver), solver.iter), strict=True):
        assert_array_equal(one, other)
    return str(caught.value)


def test_the_history_of_another_solver(tmp_path):
    state = read_solverstate(saved_after(tmp_path, 2))
    path = str(tmp_path / "adam.solverstate")
    twice = [blob.data for blob in state.history] * 2
    write_solverstate(path, SolverState(2, state.learned_net, 0, twice, state.extra))
    text = unchanged_after(make(tmp_path), path, SolverError)
    assert text == (
        f"{path}: holds 4 blobs of history, this solver keeps 2: Incorrect length of history blobs. It was saved by "
        "another type of solver, or for another net"
    )


def test_the_history_of_another_net(tmp_path):
    state = saved_after(tmp_path, 2)
    solver = make(tmp_path, net=CLASSIFIER.replace("num_output: 3", "num_output: 4"))
    text = unchanged_after(solver, state, SolverError)
    assert text == (
        f'{state}: layer "ip": blob 0 of the history has shape 3 5 (15), the parameter that it belongs to 4 5 (20): '
        "the solver state was saved for another net"
    )


def test_the_weights_of_another_net(tmp_path):
    """The history has as many values, the weights another shape."""
    wide = CLASSIFIER.replace('type: "xavier" }', 'type: "xavier" } bias_term: false')
    tall = wide.replace("dim: 5", "dim: 3").replace("num_output: 3", "num_output: 5")
    state = saved_after(tmp_path, 2, net=tall)
    text = unchanged_after(make(tmp_path, net=wide), state, ShapeError)
    assert "Cannot copy param 0 weights from layer 'ip'; shape mismatch. Source param shape is 5 3 (15)" in text


@pytest.mark.parametrize("cut", [1, 5, 20, 60, 200])
def test_a_state_that_was_cut_short(tmp_path, cut):
    state = Path(saved_after(tmp_path, 2))
    state.write_bytes(state.read_bytes()[:-cut])
    assert str(state) in unchanged_after(make(tmp_path), state, FormatError)


def test_weights_handed_over_as_a_state(tmp_path):
    state = saved_after(tmp_path, 2)
    path = state.replace("solverstate", "caffemodel")
    assert path in unchanged_after(make(tmp_path), path, FormatError)


def test_a_state_that_is_not_there(tmp_path):
    assert "absent.solverstate" in unchanged_after(make(tmp_path), tmp_path / "absent.solverstate", FileError)


# --- folders that cannot be written ------------------------------------------------------------


def vanishing(folder, solver, iteration):
    """Take the snapshots' folder away once so many updates are done."""
    solver.add_callback(lambda: solver.iter == iteration and shutil.rmtree(folder), lambda: None)


def test_a_failed_snapshot_is_loud_and_training_goes_on(tmp_path, capsys):
    (tmp_path / "snapshots").mkdir()
    path = write_solver(tmp_path, f'{SETTINGS} max_iter: 6 snapshot: 2 snapshot_prefix: "{tmp_path}/snapshots/s"')
    solver = Solver(path)
    vanishing(tmp_path / "snapshots", solver, 3)
    with pytest.raises(FileError, match=r"Cannot write to snapshot prefix '.*snapshots/s'"):
        solver.solve()
    assert solver.iter == 6
    text = capsys.readouterr().err
    assert len(re.findall("Snapshot failed, training goes on: .*: Cannot write to snapshot prefix", text)) == 2
    assert "] Optimization Done." in text


def test_a_later_snapshot_makes_up_for_a_failed_one(tmp_path):
    (tmp_path / "snapshots").mkdir()
    path = write_solver(tmp_path, f'{SETTINGS} max_iter: 6 snapshot: 2 snapshot_prefix: "{tmp_path}/snapshots/s"')
    solver = Solver(path)
    vanishing(tmp_path / "snapshots", solver, 3)
    solver.add_callback(lambda: solver.iter == 5 and (tmp_path / "snapshots").mkdir(), lambda: None)
    solver.solve()
    assert (tmp_path / "snapshots" / "s_iter_6.solverstate").exists()


def test_weights_too_large_for_a_binary_file_end_no_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(caffemodel_write, "MAX_BYTES", 100)
    solver = make(tmp_path, f"{SETTINGS} max_iter: 4 snapshot: 2")
    with pytest.raises(ParamError, match=r"weights of .* bytes do not fit a binary file, .*; save as HDF5"):
        solver.solve()
    assert solver.iter == 4
    assert capsys.readouterr().err.count("Snapshot failed, training goes on: weights of") == 2
    assert list(tmp_path.glob("*s_iter*")) == []


def test_a_folder_that_is_none_is_found_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    solver = Solver(write_solver(tmp_path, f'{SETTINGS} max_iter: 6 snapshot_prefix: "{tmp_path}/file/s"'))
    with pytest.raises(FileError, match=r"Cannot write to snapshot prefix '.*/file/s': not a directory"):
        solver.solve()
    assert solver.iter == 0


def test_what_a_killed_process_left_is_cleared_away(tmp_path, capsys):
    stale = tmp_path / f".s_iter_9.caffemodel.999999@{os.uname().nodename}.01234567.tmp"
    stale.write_bytes(b"half")
    make(tmp_path, f"{SETTINGS} snapshot: 9")
    assert not stale.exists()
    assert any(line.startswith("Removed") and str(stale) in line for line in messages(capsys))


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
@pytest.mark.parametrize("done", ["nothing", "the weights"])
def test_what_a_killed_process_had_whole_is_finished(tmp_path, capsys, form, done):
    """It had removed the old solverstate already, or there was none."""
    state = Path(saved_after(tmp_path, 2, f"{SETTINGS} snapshot_format: {form}"))
    model = Path(str(state).replace("solverstate", "caffemodel"))
    expected = {path: path.read_bytes() for path in (state, model)}
    for path in (state,) if done == "the weights" else (state, model):
        path.rename(dead(path))
    solver = make(tmp_path, f"{SETTINGS} snapshot_format: {form}")
    messages(capsys)
    assert solver.restore_newest() == str(state)
    assert messages(capsys)[0] == f"Finished the snapshot {state}, which a process that was killed had written"
    assert {path: path.read_bytes() for path in expected} == expected
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kind", ["solverstate", "caffemodel"])
def test_what_a_killed_process_had_not_whole_is_not_finished(tmp_path, kind):
    state = Path(saved_after(tmp_path, 2))
    model = Path(str(state).replace("solverstate", "caffemodel"))
    for path in (state, model):
        data = path.read_bytes()
        path.rename(dead(path)).write_bytes(data[:-1] if kind in path.name else data)
    assert make(tmp_path, f"{SETTINGS} snapshot: 9").restore_newest() is None
    assert not list(tmp_path.glob("*s_iter*"))


def test_an_older_pair_that_is_still_there_stays(tmp_path):
    state = Path(saved_after(tmp_path, 2))
    for path in (state, Path(str(state).replace("solverstate", "caffemodel"))):
        shutil.copy(path, dead(path))
        path.write_bytes(b"older")
    make(tmp_path, f"{SETTINGS} snapshot: 9")
    assert state.read_bytes() == b"older"
    assert not list(tmp_path.glob(".*"))


def dead(path):
    """The name under which a process that is over was writing a file."""
    return path.with_name(f".{path.name}.999999@{os.uname().nodename}.01234567.tmp")


def test_a_snapshot_asked_for_at_the_last_iteration_is_not_written_twice(tmp_path, capsys):
    solver = make(tmp_path, f"{SETTINGS} max_iter: 2 snapshot: 2")
    solver.action_function = lambda: Action.NONE
    messages(capsys)
    solver.solve()
    assert sum("solver state" in line for line in messages(capsys)) == 1


def test_shared_parameters_are_saved_by_every_sharer(tmp_path):
    net = (
        least_squares(param='param { name: "w" }')
        + """
    layer { name: "ip2" type: "InnerProduct" bottom: "x" top: "z" param { name: "w" }
            inner_product_param { num_output: 1 } }"""
    )
    state = saved_after(tmp_path, 1, 'base_lr: 1 lr_policy: "fixed"', net)
    layers = {layer.name: layer for layer in read_caffemodel(state.replace("solverstate", "caffemodel"))}
    assert_array_equal(layers["ip"].blobs[0].data, layers["ip2"].blobs[0].data)
    assert len(read_solverstate(state).history) == 3
