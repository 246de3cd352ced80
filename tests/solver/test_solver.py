"""A training run: what happens when, what is logged, who may ask for what."""

import math
import re
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from solver_kit import CLASSIFIER, feed, least_squares, messages, samples, weights, write_solver

import minicaffe
from minicaffe import backend, log
from minicaffe.errors import DeviceError, MinicaffeError
from minicaffe.net.net import Net
from minicaffe.solver import Action, AdamSolver, SGDSolver, Solver, get_solver
from minicaffe.solver.display import Progress

FIXED = 'base_lr: 0.1 lr_policy: "fixed"'
NUMBER = r"-?[\d.]+(e[+-]\d+)?"


def make(tmp_path, settings, net=CLASSIFIER, **options):
    """A solver whose snapshots go into the folder."""
    return Solver(write_solver(tmp_path, f'snapshot_prefix: "{tmp_path}/s" {settings}', net), **options)


def matched(lines, patterns):
    """All lines, each against its pattern; {number} stands for a number."""
    assert len(lines) == len(patterns), "\n".join(lines)
    for line, pattern in zip(lines, patterns, strict=True):
        expected = re.escape(pattern).replace(re.escape("{number}"), NUMBER)
        assert re.fullmatch(expected, line), f"{line!r} is not {pattern!r}"


# --- the log of a run --------------------------------------------------------------------------


def test_a_whole_run(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} max_iter: 4 display: 2 test_iter: 2 test_interval: 2 snapshot: 2")
    assert messages(capsys)[-1] == "Solver scaffolding done."
    solver.solve()
    test = [
        "    Test net output #0: accuracy = {number}",
        "    Test net output #1: loss = {number} (* 1 = {number} loss)",
    ]
    shown = ["    Train net output #0: loss = {number} (* 1 = {number} loss)"]

    def saved(iteration):
        return [
            f"Snapshotting to binary proto file {tmp_path}/s_iter_{iteration}.caffemodel",
            f"Snapshotting solver state to binary proto file {tmp_path}/s_iter_{iteration}.solverstate",
        ]

    matched(
        messages(capsys),
        [
            "Solving classifier",
            "Learning Rate Policy: fixed",
            "Iteration 0, Testing net (#0)",
            *test,
            "Iteration 0 (0 iter/s, {number}s/2 iters), loss = {number}",
            *shown,
            "Iteration 0, lr = 0.1",
            *saved(2),
            "Iteration 2, Testing net (#0)",
            *test,
            "Iteration 2 ({number} iter/s, {number}s/2 iters), loss = {number}",
            *shown,
            "Iteration 2, lr = 0.1",
            *saved(4),
            "Iteration 4, loss = {number}",
            "Iteration 4, Testing net (#0)",
            *test,
            "Optimization Done.",
        ],
    )
    assert sorted(path.name for path in tmp_path.glob("s_*")) == [
        f"s_iter_{i}.{kind}" for i in (2, 4) for kind in ("caffemodel", "solverstate")
    ]


def test_speed_counts_from_the_line_before(tmp_path, capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    solver = make(tmp_path, f"{FIXED} display: 2")
    # Each iteration takes a quarter of a second, and 0.4 ms, which are cut off.
    solver.add_callback(lambda: clock.__setitem__(0, clock[0] + 0.2502), lambda: None)
    messages(capsys)
    solver.step(5)
    lines = [line for line in messages(capsys) if "iter/s" in line]
    matched(
        lines,
        [
            "Iteration 0 (0 iter/s, 0.25s/2 iters), loss = {number}",
            "Iteration 2 (4 iter/s, 0.5s/2 iters), loss = {number}",
            "Iteration 4 (4 iter/s, 0.5s/2 iters), loss = {number}",
        ],
    )


def test_no_measurable_time_divides_by_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    solver = make(tmp_path, f"{FIXED} display: 3")
    messages(capsys)
    solver.step(4)
    matched(
        [line for line in messages(capsys) if "iter/s" in line],
        ["Iteration 0 (0 iter/s, 0s/3 iters), loss = {number}", "Iteration 3 (3 iter/s, 0s/3 iters), loss = {number}"],
    )


def test_scripts_for_caffes_logs_find_what_they_look_for(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} max_iter: 2 display: 1 test_iter: 1 test_interval: 1")
    solver.solve()
    text = capsys.readouterr().err
    assert re.search(r"\] Solving ", text)
    assert {match[1] for match in re.finditer(r"Iteration (\d+)", text)} == {"0", "1", "2"}
    assert re.search(r"Train net output #(\d+): (\S+) = ([\.\deE+-]+)", text).groups()[:2] == ("0", "loss")
    assert re.search(r"Test net output #(\d+): (\S+) = ([\.\deE+-]+)", text).groups()[:2] == ("0", "accuracy")
    assert re.search(r"lr = 0\.1$", text, re.MULTILINE)


MANY_OUTPUTS = """
name: "many"
layer { name: "d" type: "DummyData" top: "b" top: "a" dummy_data_param { shape { dim: 2 } shape { dim: 3 }
        data_filler { value: 0.5 } data_filler { value: 2 } } %s }
"""


def test_outputs_are_sorted_and_elements_counted_over_all(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} display: 1", MANY_OUTPUTS % "loss_weight: 0.25 loss_weight: 0")
    messages(capsys)
    solver.step(1)
    assert messages(capsys)[1:] == [
        "    Train net output #0: a = 2",
        "    Train net output #1: a = 2",
        "    Train net output #2: a = 2",
        "    Train net output #3: b = 0.5 (* 0.25 = 0.125 loss)",
        "    Train net output #4: b = 0.5 (* 0.25 = 0.125 loss)",
        "Iteration 0, lr = 0.1",
    ]


def test_a_silent_run_logs_nothing(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} max_iter: 3 snapshot_after_train: false")
    messages(capsys)
    solver.step(3)
    assert messages(capsys) == []


def test_multistep_tells_its_steps(tmp_path, capsys):
    solver = make(tmp_path, 'base_lr: 0.1 lr_policy: "multistep" gamma: 0.1 stepvalue: 2 stepvalue: 3 display: 1')
    messages(capsys)
    solver.step(4)
    told = [line for line in messages(capsys) if "lr =" in line or "MultiStep" in line]
    assert told == [
        "Iteration 0, lr = 0.1",
        "Iteration 1, lr = 0.1",
        "MultiStep Status: Iteration 2, step = 1",
        "Iteration 2, lr = 0.01",
        "MultiStep Status: Iteration 3, step = 2",
        "Iteration 3, lr = 0.001",
    ]


# --- what happens when -------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_iter_size_and_outputs_are_the_last(tmp_path, rng, capsys):
    solver = make(tmp_path, 'lr_policy: "fixed" iter_size: 4 display: 1', least_squares(2), dtype="float64")
    x, t = samples(rng)
    feed(solver.net, x, t)
    start = weights(solver.net)
    messages(capsys)
    solver.step(1)
    errors = (x @ start[:3] + start[3] - t[:, 0]) ** 2 / 2
    first, second, _ = messages(capsys)
    assert first.endswith(f"loss = {errors.mean():g}")
    assert second == f"    Train net output #0: loss = {errors[-2:].mean():g} (* 1 = {errors[-2:].mean():g} loss)"


def test_the_displayed_loss_is_smoothed_within_a_step_only(tmp_path, rng, capsys):
    solver = make(tmp_path, 'lr_policy: "fixed" average_loss: 3 display: 1', least_squares(1), dtype="float64")
    x, t = samples(rng, 10)
    feed(solver.net, x, t)
    start = weights(solver.net)
    losses = (x @ start[:3] + start[3] - t[:, 0]) ** 2 / 2
    messages(capsys)
    solver.step(5)
    solver.step(2)
    shown = [re.search(r"loss = (\S+)$", line)[1] for line in messages(capsys) if "iter/s" in line]
    expected = [losses[max(0, i - 2) : i + 1].mean() for i in range(5)] + [losses[5], losses[5:7].mean()]
    assert shown == [f"{loss:g}" for loss in expected]


def test_the_last_look_continues_the_window(tmp_path, rng, capsys):
    settings = 'lr_policy: "fixed" average_loss: 2 display: 2 max_iter: 2 snapshot_after_train: false'
    solver = make(tmp_path, settings, least_squares(1), dtype="float64")
    x, t = samples(rng, 10)
    feed(solver.net, x, t)
    start = weights(solver.net)
    losses = (x @ start[:3] + start[3] - t[:, 0]) ** 2 / 2
    messages(capsys)
    solver.solve()
    assert f"Iteration 2, loss = {losses[1:3].mean():g}" in messages(capsys)


@pytest.mark.parametrize(("initially", "tests"), [(True, [0, 2, 4]), (False, [2, 4])])
def test_tests_come_before_the_update_of_their_iteration(tmp_path, capsys, initially, tests):
    settings = f"{FIXED} max_iter: 4 test_iter: 3 test_interval: 2 snapshot_after_train: false"
    solver = make(tmp_path, f"{settings} test_initialization: {str(initially).lower()}")
    seen = []
    solver.test_nets[0].before_forward(lambda i: i == 0 and seen.append(solver.iter))
    solver.solve()
    assert seen == [iteration for iteration in tests for _ in range(3)]


def test_a_test_gives_the_mean_of_its_passes_and_the_loss(tmp_path, rng, capsys):
    settings = f"{FIXED} test_iter: 4 test_interval: 9 test_compute_loss: true"
    solver = make(tmp_path, settings, least_squares(2), dtype="float64")
    x, t = samples(rng)
    feed(solver.net, x, t)
    feed(solver.test_nets[0], x, t)
    w = weights(solver.net)
    messages(capsys)
    solver.step(1)
    loss = ((x @ w[:3] + w[3] - t[:, 0]) ** 2 / 2).mean()
    assert messages(capsys) == [
        "Iteration 0, Testing net (#0)",
        f"Test loss: {loss:g}",
        f"    Test net output #0: loss = {loss:g} (* 1 = {loss:g} loss)",
    ]


def test_no_passes_are_no_outputs(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} test_iter: 0 test_interval: 9 test_compute_loss: true")
    messages(capsys)
    solver.step(1)
    assert messages(capsys) == ["Iteration 0, Testing net (#0)", "Test loss: nan"]


def test_an_output_that_changes_its_size_cannot_be_averaged(tmp_path):
    net = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 } } }'
    solver = make(tmp_path, f"{FIXED} test_iter: 2 test_interval: 1", net)
    test_net, sizes = solver.test_nets[0], iter([2, 5])
    test_net.after_forward(lambda layer: test_net.blobs["d"].reshape(next(sizes)))
    text = "output 'd' of the testing net has 5 values in this pass and had 2 in the first"
    with pytest.raises(MinicaffeError, match=text):
        solver.step(1)


def test_test_nets_use_the_memory_of_the_train_net(tmp_path):
    solver = make(tmp_path, f"{FIXED} test_iter: 1 test_interval: 1")
    test_net = solver.test_nets[0]
    assert not np.shares_memory(test_net.params["ip"][0].data, solver.net.params["ip"][0].data)
    solver.step(1)
    assert np.shares_memory(test_net.params["ip"][0].data, solver.net.params["ip"][0].data)
    assert_array_equal(test_net.params["ip"][0].data, solver.net.params["ip"][0].data)


def test_the_events_of_one_step(tmp_path):
    solver, events = make(tmp_path, FIXED), []
    net = solver.net
    solver.add_callback(lambda: events.append("start"), lambda: events.append("ready"))
    net.before_forward(lambda i: events.append(f"bf{i}"))
    net.after_forward(lambda i: events.append(f"af{i}"))
    net.before_backward(lambda i: events.append(f"bb{i}"))
    net.after_backward(lambda i: events.append(f"ab{i}"))
    solver.step(1)
    forward = [f"{when}{i}" for i in range(3) for when in ("bf", "af")]
    backward = [f"{when}{i}" for i in (2, 1, 0) for when in ("bb", "ab")]
    assert events == ["start", *forward, *backward, "ready"]


def test_a_callback_may_be_an_object_and_its_errors_come_through(tmp_path):
    class Callback:
        def on_start(self):
            raise KeyError("mine")

        def on_gradients_ready(self):
            pass

    solver = make(tmp_path, FIXED)
    solver.add_callback(Callback())
    with pytest.raises(KeyError, match="mine"):
        solver.step(1)


@pytest.mark.parametrize("given", [(3,), (print, 3), (3, print)])
def test_what_is_no_callback(tmp_path, given):
    with pytest.raises(TypeError, match="add_callback takes two functions without arguments, or an object with"):
        make(tmp_path, FIXED).add_callback(*given)


def test_what_is_no_number_of_iterations_and_no_net(tmp_path):
    solver = make(tmp_path, FIXED)
    for iterations in ("3", 1.5, None):
        with pytest.raises(TypeError, match="integer"):
            solver.step(iterations)
    with pytest.raises(TypeError, match="weights are shared with another net, not with 3"):
        solver.share_weights(3)
    assert solver.iter == 0


def test_gradients_are_cleared_for_each_step(tmp_path):
    solver, sums = make(tmp_path, "base_lr: 0 lr_policy: 'fixed'"), []
    solver.add_callback(lambda: sums.append(np.abs(solver.net.params["ip"][0].diff).sum()), lambda: None)
    solver.net.params["ip"][0].diff[...] = 7
    solver.step(2)
    assert sums == [0, 0]


def test_the_loss_falls(tmp_path, capsys):
    solver = make(tmp_path, 'base_lr: 0.5 momentum: 0.9 lr_policy: "inv" gamma: 0.01 power: 0.5 average_loss: 10')
    solver.step(10)
    before = solver._window.smoothed
    solver.step(60)
    assert solver._window.smoothed < before / 10


@pytest.mark.parametrize("max_iter", [0, -5])
def test_nothing_to_do_still_saves_and_tests(tmp_path, capsys, max_iter):
    solver = make(tmp_path, f"{FIXED} max_iter: {max_iter} test_iter: 1 test_interval: 5")
    messages(capsys)
    solver.solve()
    lines = messages(capsys)
    assert lines[2] == f"Snapshotting to binary proto file {tmp_path}/s_iter_0.caffemodel"
    assert lines[4] == "Iteration 0, Testing net (#0)"
    assert solver.iter == 0


# --- requests ----------------------------------------------------------------------------------


def asking(*actions):
    """An action function that asks for these, one a call, then for nothing."""
    left = list(actions)
    return lambda: left.pop(0) if left else Action.NONE


N, STOP, SAVE = Action.NONE, Action.STOP, Action.SNAPSHOT


def test_stop_ends_after_the_iteration_and_saves(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} max_iter: 9 display: 3")
    solver.action_function = asking(N, STOP)
    solver.solve()
    assert solver.iter == 2
    assert messages(capsys)[-3:] == [
        f"Snapshotting to binary proto file {tmp_path}/s_iter_2.caffemodel",
        f"Snapshotting solver state to binary proto file {tmp_path}/s_iter_2.solverstate",
        "Optimization stopped early.",
    ]
    solver.solve()
    assert solver.iter == 9


def test_stop_where_a_snapshot_was_due_saves_once(tmp_path, capsys):
    solver = make(tmp_path, f"{FIXED} max_iter: 9 snapshot: 2")
    solver.action_function = asking(N, STOP)
    solver.solve()
    assert sum("solver state" in line for line in messages(capsys)) == 1


def test_snapshot_saves_and_goes_on(tmp_path):
    solver = make(tmp_path, f"{FIXED} max_iter: 3 snapshot_after_train: false")
    solver.action_function = asking(N, SAVE)
    solver.solve()
    assert solver.iter == 3
    assert [path.name for path in tmp_path.glob("*state")] == ["s_iter_2.solverstate"]


def test_a_stop_in_a_test_abandons_it(tmp_path, capsys):
    settings = f"{FIXED} max_iter: 9 test_iter: 5 test_iter: 5 test_interval: 3"
    solver = make(tmp_path, settings)
    passes = []
    solver.test_nets[0].before_forward(lambda i: i == 0 and passes.append(1))
    # Before the second pass: a snapshot, then the stop, then nothing more.
    solver.action_function = asking(N, SAVE, STOP)
    messages(capsys)
    solver.solve()
    assert len(passes) == 1
    assert solver.iter == 0
    lines = messages(capsys)
    assert lines[2] == "Iteration 0, Testing net (#0)"
    assert [line for line in lines if "output" in line or "(#1)" in line] == []
    assert "Test interrupted." in lines
    assert lines[-1] == "Optimization stopped early."


def test_who_follows_the_run(tmp_path):
    class Follower(Progress):
        def __init__(self):
            self.seen = []

        def advanced(self, iteration):
            self.seen.append(iteration)

        def displayed(self, loss):
            assert math.isfinite(loss)
            self.seen.append("loss")

        def tested(self, net, means):
            assert [len(mean) for mean in means] == [1, 1]
            self.seen.append("test")

    solver = make(tmp_path, f"{FIXED} display: 2 test_iter: 1 test_interval: 3")
    solver.progress = Follower()
    solver.step(4)
    assert solver.progress.seen == ["test", "loss", 1, 2, "loss", 3, "test", 4]


# --- pycaffe's face ----------------------------------------------------------------------------


def test_attributes(tmp_path):
    solver = make(tmp_path, "base_lr: 0.125 max_iter: 7 display: 3 layer_wise_reduce: false lr_policy: 'fixed'")
    assert (solver.iter, solver.lr) == (0, 0.125)
    param = solver.param
    assert (param.max_iter, param.display, param.base_lr, param.layer_wise_reduce) == (7, 3, 0.125, False)
    param.base_lr = 0.5
    assert (solver.lr, param.base_lr) == (0.5, 0.5)
    for name in ("max_iter", "display", "layer_wise_reduce", "momentum"):
        with pytest.raises(AttributeError):
            setattr(param, name, 1)


def test_asking_for_the_rate_advances_multistep_as_in_caffe(tmp_path):
    solver = make(tmp_path, 'base_lr: 1 lr_policy: "multistep" gamma: 0.5 stepvalue: 0 stepvalue: 0')
    assert [solver.lr, solver.lr, solver.lr] == [0.5, 0.25, 0.25]


def test_apply_update_is_the_update_alone(tmp_path):
    solver = make(tmp_path, 'base_lr: 0.01 lr_policy: "fixed"')
    for blob in solver.net.params["ip"]:
        blob.data[...], blob.diff[...] = 0, 1
    solver.apply_update()
    assert_allclose(weights(solver.net), -0.01, rtol=1e-6)
    assert solver.iter == 1


def test_share_weights(tmp_path):
    solver = make(tmp_path, FIXED)
    other = Net(str(tmp_path / "net.prototxt"), minicaffe.TEST)
    solver.share_weights(other)
    solver.net.params["ip"][0].data[...] = 5
    assert (other.params["ip"][0].data == 5).all()


def test_which_class_comes_out(tmp_path):
    path = write_solver(tmp_path, f'{FIXED} type: "SGD"')
    assert type(get_solver(path)) is SGDSolver
    assert type(Solver(path)) is Solver
    assert isinstance(SGDSolver(path), Solver)


def test_a_class_ignores_the_type_and_the_mode(tmp_path, monkeypatch):
    path = write_solver(tmp_path, f'{FIXED} type: "Adam" solver_mode: GPU')
    SGDSolver(path).step(1)
    assert not backend.active().is_gpu
    assert type(get_solver(path)) is AdamSolver
    assert not backend.active().is_gpu


def test_solver_itself_takes_the_mode_from_the_file(tmp_path, fake_gpu):
    assert Solver(write_solver(tmp_path, f"{FIXED} solver_mode: CPU")).net.backend.name == "cpu"
    assert Solver(write_solver(tmp_path, f"{FIXED} solver_mode: GPU device_id: 1")).net.backend.name == "gpu:1"
    # A file that says nothing leaves it.
    assert Solver(write_solver(tmp_path, FIXED)).net.backend.name == "gpu:1"


def test_a_gpu_that_is_not_there_is_missed_before_anything_is_read(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(f'{FIXED} net: "no such file" solver_mode: GPU device_id: 99')
    with pytest.raises(DeviceError, match="cannot use GPU 99"):
        Solver(path)


def test_nets_outlive_their_solver(tmp_path):
    solver = make(tmp_path, f"{FIXED} test_iter: 1 test_interval: 1")
    nets = [solver.net, *solver.test_nets]
    del solver
    for net in nets:
        net.forward()


def test_random_seed_makes_runs_alike(tmp_path):
    def run(seed):
        solver = make(tmp_path, f"{FIXED} random_seed: {seed}")
        solver.step(3)
        return weights(solver.net)

    assert_array_equal(run(3), run(3))
    assert_array_equal(run(2**40 + 3), run(3))  # Caffe keeps 32 bits
    assert (run(4) != run(3)).any()
    assert (run(-1) != run(-1)).any()


def test_the_same_numbers_on_a_gpu(tmp_path, rng, fake_gpu, capsys):
    settings = (
        "base_lr: 0.1 momentum: 0.9 weight_decay: 0.01 lr_policy: 'fixed' average_loss: 3 max_iter: 4 random_seed: 5"
    )
    settings += " display: 2 test_iter: 2 test_interval: 2 clip_gradients: 0.1"
    runs = []
    for mode in ("CPU", "GPU"):
        solver = make(tmp_path, f"{settings} solver_mode: {mode}", least_squares(2))
        x, t = samples(np.random.default_rng(1))
        feed(solver.net, x, t)
        feed(solver.test_nets[0], x, t)
        messages(capsys)
        solver.solve()
        lines = [re.sub(r"\(.*iters\)", "", line) for line in messages(capsys)]
        runs.append((weights(solver.net), lines, solver.net.backend.name))
    (cpu, cpu_log, _), (gpu, gpu_log, name) = runs
    assert name == "gpu:0"
    assert_allclose(gpu, cpu, rtol=1e-5)
    digits = [re.sub(r"\d+\.\d{4,}", lambda match: f"{float(match[0]):.3f}", text) for text in (*cpu_log, *gpu_log)]
    assert digits[: len(cpu_log)] == digits[len(cpu_log) :]


def test_the_driver_costs_little(tmp_path):
    """A net that computes next to nothing: what remains is the driver. A generous limit, for busy machines."""
    log.set_level(log.FATAL)
    solver = make(tmp_path, FIXED, MANY_OUTPUTS % "")
    solver.step(100)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        solver.step(200)
        best = min(best, (time.perf_counter() - start) / 200)
    assert best < 500e-6
