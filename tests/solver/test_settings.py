"""Solver files that make no run are refused before a net is built, with file, line and field."""

import pytest
from solver_kit import CLASSIFIER, write_solver

from minicaffe.errors import FileError, ParamError
from minicaffe.solver import Solver, get_solver

GOOD = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 2'


def refusal(tmp_path, settings, kind=ParamError):
    with pytest.raises(kind) as caught:
        Solver(write_solver(tmp_path, settings))
    return str(caught.value).replace(str(tmp_path), "DIR")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("average_loss: 0", "average_loss is 0, must be 1 or more; it counts iterations"),
        ("iter_size: 0", "iter_size is 0, must be 1 or more; it counts iterations"),
        ("iter_size: -3", "iter_size is -3, must be 1 or more; it counts iterations"),
        (
            'train_net: "other.prototxt"',
            "train_net is given beside net: SolverParameter must not contain more than one of these fields specifying "
            "a train net: net, net_param, train_net, train_net_param; keep one",
        ),
        (
            'net_param { name: "x" }',
            "net_param is given beside net: SolverParameter must not contain more than one of these fields specifying "
            "a train net: net, net_param, train_net, train_net_param; keep one",
        ),
        (
            'test_net: "a" test_net: "b" test_iter: 1',
            "test_iter has 1 entries, must have 2 or more: test_iter must be specified for each test network",
        ),
        (
            "test_interval: 1 test_iter: 1 test_state { } test_state { }",
            "test_state has 2 entries, must have none or 1: one for each test net",
        ),
        (
            "test_iter: 1",
            "test_interval is 0, must be 1 or more where there are test nets; it counts iterations",
        ),
        (
            "test_iter: 1 test_interval: -2",
            "test_interval is -2, must be 1 or more where there are test nets; it counts iterations",
        ),
        (
            'type: "Sgd"',
            'type is "Sgd": Unknown solver type: Sgd (known types: AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD); '
            'do you mean "SGD"?',
        ),
    ],
)
def test_settings_that_contradict_each_other(tmp_path, settings, text):
    line = "1" if settings == "test_iter: 1" else "3"
    assert refusal(tmp_path, f"{GOOD}\n{settings}") == f"DIR/solver.prototxt:{line}: {text}"


def test_no_train_net(tmp_path):
    path = tmp_path / "s.prototxt"
    path.write_text(GOOD)
    text = (
        "s.prototxt: SolverParameter must specify a train net using one of these fields: "
        "net, net_param, train_net, train_net_param"
    )
    with pytest.raises(ParamError, match=text):
        Solver(path)


def test_test_iter_without_a_generic_net_has_an_entry_for_each_test_net(tmp_path):
    (tmp_path / "net.prototxt").write_text(CLASSIFIER)
    path = tmp_path / "s.prototxt"
    path.write_text(f'train_net: "{tmp_path}/net.prototxt"\ntest_iter: 1\ntest_iter: 1\ntest_net: "a"\n{GOOD}')
    with pytest.raises(ParamError, match=r"prototxt:2: test_iter has 2 entries, must have 1: test_iter must be"):
        Solver(path)


@pytest.mark.parametrize("make", [Solver, get_solver])
def test_a_file_that_is_not_there(tmp_path, make):
    with pytest.raises(FileError, match=r"Could not open file .*absent\.prototxt"):
        make(tmp_path / "absent.prototxt")


def test_an_unknown_field_names_its_neighbour(tmp_path):
    text = refusal(tmp_path, "base_rl: 0.1")
    assert text.startswith("DIR/solver.prototxt:2:")
    assert "base_rl" in text and "base_lr" in text


def test_a_prefix_that_cannot_be_written_is_found_first(tmp_path):
    text = refusal(tmp_path, f'{GOOD} snapshot: 1 snapshot_prefix: "{tmp_path}/no/where/x"', FileError)
    assert text.startswith(
        "DIR/solver.prototxt:2: snapshot_prefix cannot be used: "
        "Cannot write to snapshot prefix 'DIR/no/where/x': no such file or directory; create the folder first"
    )


def test_without_snapshots_the_prefix_is_not_looked_at_until_solve(tmp_path):
    solver = Solver(write_solver(tmp_path, f'{GOOD} snapshot_prefix: "{tmp_path}/no/where/x"'))
    solver.step(1)
    with pytest.raises(FileError, match="Cannot write to snapshot prefix"):
        solver.solve()
    assert solver.iter == 1


@pytest.mark.parametrize(
    "settings",
    [
        'max_iter: 0 lr_policy: "fixed"',
        'max_iter: 2 lr_policy: "fixed"',  # no base_lr: it reads as 0
        GOOD + " gamma: -1 stepsize: -1 power: -1 delta: -1 rms_decay: 7 stepvalue: 3 display: 0",
    ],
)
def test_what_is_not_refused(tmp_path, settings):
    Solver(write_solver(tmp_path, f'{settings} snapshot_prefix: "{tmp_path}/x"')).solve()


def test_a_missing_policy_is_found_before_the_first_iteration(tmp_path):
    solver = Solver(write_solver(tmp_path, "base_lr: 0.1 test_iter: 1 test_interval: 1"))
    with pytest.raises(ParamError, match=r"solver\.prototxt:1: lr_policy is not set: Unknown learning rate policy"):
        solver.step(1)
    assert solver.iter == 0


def test_a_rate_that_is_no_number_ends_the_run(tmp_path):
    solver = Solver(write_solver(tmp_path, 'base_lr: 0.1 max_iter: 1\nlr_policy: "poly" power: 0.5'))
    solver.step(1)
    with pytest.raises(
        RuntimeError, match=r"prototxt:3: lr_policy is \"poly\", which gives a rate of nan at iteration 2; "
    ):
        solver.step(2)
    assert solver.iter == 2
