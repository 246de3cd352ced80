"""A run that was stopped and resumed is bit for bit the run that was not: weights, history, data, log."""

import json

import numpy as np
import pytest
from resume_kit import FORMATS, LAST, SETTINGS, SOURCES, Run, assert_same_end, write_run, write_sources

from minicaffe.errors import DataError
from minicaffe.solver import Action
from minicaffe.solver.snapshot import read_snapshot

EVERY = tuple(range(1, LAST))
SOME = (1, 7, 20, 39)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("sources"))


def straight_run(path, capsys):
    run = Run(path, capsys)
    run.solve()
    return run


def snapshots_of(run, iterations):
    """Let a run take snapshots on its way, after these updates; their paths will be in the dict returned."""
    paths = {}

    def poll():
        if run.solver.iter in iterations and run.solver.iter not in paths:
            paths[run.solver.iter] = run.solver.snapshot()
        return Action.NONE

    run.solver.action_function = poll
    return paths


# What a source has to keep, what a rule has to keep and how it is written have nothing to do with one another: each
# source with either form, at every iteration with one of them; each rule with either form.
BY_SOURCE = [("SGD", source, FORMATS[i % 2], EVERY) for i, source in enumerate(SOURCES)]
BY_SOURCE += [("SGD", source, FORMATS[1 - i % 2], SOME) for i, source in enumerate(SOURCES)]
BY_RULE = [(kind, SOURCES[i % 4], FORMATS[i % 2], SOME) for i, kind in enumerate([*SETTINGS][1:])]
BY_RULE += [(kind, SOURCES[(i + 2) % 4], FORMATS[1 - i % 2], SOME) for i, kind in enumerate([*SETTINGS][1:])]


@pytest.mark.parametrize("kind, source, snapshot_format, iterations", BY_SOURCE + BY_RULE)
def test_from_any_iteration(tmp_path, sources, capsys, kind, source, snapshot_format, iterations):
    path = write_run(tmp_path, sources[source], kind, snapshot_format)
    with Run(path, capsys) as straight:
        paths = snapshots_of(straight, iterations)
        straight.solve()
        assert sorted(paths) == sorted(iterations)
        for iteration in iterations:
            with Run(path, capsys) as resumed:
                resumed.solver.restore(paths[iteration])
                resumed.solve()
                assert_same_end(resumed, straight, iteration)


def test_snapshots_do_not_disturb_a_run(tmp_path, sources, capsys):
    path = write_run(tmp_path, sources["ImageData"], settings="random_seed: 7")
    with straight_run(path, capsys) as one, Run(path, capsys) as other:
        snapshots_of(other, EVERY)
        other.solve()
        assert_same_end(other, one, 0)


@pytest.mark.parametrize("source", ["LMDB", "HDF5"])
def test_stopped_at_any_moment_at_which_a_run_may_be(tmp_path, sources, capsys, source):
    """After each update, and before each pass of each test: a test that was cut off is done again, whole."""
    path = write_run(tmp_path, sources[source], settings="random_seed: 7")
    unseeded = path.with_name("unseeded.prototxt")
    unseeded.write_text(path.read_text().replace("random_seed: 7", ""))
    with straight_run(path, capsys) as straight:
        # 40 updates; tests of 2 and 1 passes before updates 1, 8, 15, 22, 29 and 36.
        for poll in range(0, 40 + 6 * 3, 3):
            with Run(path, capsys) as stopped:
                asked = iter([Action.NONE] * poll + [Action.STOP])
                stopped.solver.action_function = lambda asked=asked: next(asked, Action.NONE)
                stopped.solve()
                assert stopped.lines[-1] == "Optimization stopped early."
                iteration = stopped.solver.iter
            # Iteration 0 where it was stopped within the first test.
            with Run(unseeded, capsys) as resumed:
                resumed.solver.restore(tmp_path / f"s_iter_{iteration}.solverstate")
                resumed.solve()
                assert_same_end(resumed, straight, iteration)


def test_a_snapshot_within_a_test_begins_it_anew(tmp_path, sources, capsys):
    """SIGHUP's snapshot may come between two passes of a test, whose net has then moved on."""
    path = write_run(tmp_path, sources["LMDB"])
    with Run(path, capsys) as straight:
        asked = iter([Action.NONE] * (3 + 14 + 3 + 1) + [Action.SNAPSHOT])
        straight.solver.action_function = lambda: next(asked, Action.NONE)
        straight.solve()
        saved = [line for line in straight.lines if line.startswith("Snapshotting solver state")]
        assert saved == [f"Snapshotting solver state to binary proto file {tmp_path}/s_iter_14.solverstate"]
        before = straight.lines.index(saved[0])
        assert straight.lines[before - 2] == "Iteration 14, Testing net (#0)"
        with Run(path, capsys) as resumed:
            resumed.solver.restore(tmp_path / "s_iter_14.solverstate")
            resumed.solve()
            assert_same_end(resumed, straight, 14)


def test_a_test_that_fails_is_over(tmp_path, sources, capsys, monkeypatch):
    """A snapshot taken later, by a program that goes on, keeps where the testing nets are then."""
    path = write_run(tmp_path, sources["LMDB"])
    with Run(path, capsys) as run:
        test_net = run.solver.test_nets[1]
        monkeypatch.setattr(test_net, "run_forward", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.solver.step(1)
        monkeypatch.undo()
        test_net.run_forward()
        _, extra, _ = read_snapshot(run.solver.snapshot())
        assert extra["test_nets"] == [net.state() for net in run.solver.test_nets]


LSTM = """
layer { name: "data" type: "DummyData" top: "data" top: "label" top: "cont"
        dummy_data_param { shape { dim: 2 dim: 3 dim: 4 } shape { dim: 2 dim: 3 dim: 5 } shape { dim: 2 dim: 3 }
                           data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" }
                           data_filler { type: "constant" value: 1 } } }
layer { name: "memory" type: "LSTM" bottom: "data" bottom: "cont" top: "hidden"
        recurrent_param { num_output: 5 weight_filler { type: "uniform" min: -0.5 max: 0.5 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "hidden" bottom: "label" top: "loss" }
"""


@pytest.mark.parametrize("snapshot_format", FORMATS)
def test_memories_go_on(tmp_path, capsys, snapshot_format):
    """Of the training net and of the testing ones: a recurrent layer begins with what it ended with."""
    path = write_run(tmp_path, LSTM, "Adam", snapshot_format, body="")
    with Run(path, capsys) as straight:
        paths = snapshots_of(straight, SOME)
        straight.solve()
        states = straight.solver.net.state()["layers"], straight.solver.test_nets[0].state()["layers"]
        assert states[0]["memory"] != states[1]["memory"]
        for iteration in SOME:
            with Run(path, capsys) as resumed:
                resumed.solver.restore(paths[iteration])
                resumed.solve()
                assert_same_end(resumed, straight, iteration)


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_kept_is_small(tmp_path, sources, capsys, source):
    path = write_run(tmp_path, sources[source])
    with Run(path, capsys) as run:
        run.solver.step(10)
        _, extra, _ = read_snapshot(run.solver.snapshot())
    assert len(json.dumps(extra)) < 2000
    assert set(extra) == {"model", "net", "test_nets", "loss_window", "threads"}


def test_another_number_of_threads_is_told(tmp_path, sources, capsys, monkeypatch):
    path = write_run(tmp_path, sources["LMDB"])
    with Run(path, capsys) as run:
        state = run.solver.snapshot()
        monkeypatch.setattr(type(run.solver.net.backend), "threads", 5)
        capsys.readouterr()
        run.solver.restore(state)
        assert "threads, this one uses 5: it goes on, but not bit for bit; set MINICAFFE_NUM_THREADS=" in (
            capsys.readouterr().err
        )


def test_a_state_that_cannot_be_taken_up_changes_nothing(tmp_path, sources, capsys, monkeypatch):
    """Not even where the training net's data were put back before a testing net's turned out to be others."""
    path = write_run(tmp_path, sources["LMDB"])
    with Run(path, capsys) as run:
        run.solver.step(3)
        state = run.solver.snapshot()
        run.solver.step(2)
        arrays, numbers = run.values()
        layer = run.solver.test_nets[1].graph.layers[0]
        refusals = iter([DataError("gone")])

        def seek(state, original=layer.seek):
            for refusal in refusals:
                raise refusal
            original(state)

        monkeypatch.setattr(layer, "seek", seek)
        with pytest.raises(DataError, match="gone"):
            run.solver.restore(state)
        after, others = run.values()
        # The window of losses is of the run's own: a step begins a new one.
        assert (numbers[0], numbers[2]) == (others[0], others[2])
        for one, other in zip(arrays, after, strict=True):
            np.testing.assert_array_equal(one, other)
