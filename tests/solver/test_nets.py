"""Which nets a solver builds, in what state, with which weights."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from solver_kit import CLASSIFIER, messages, write_solver

from minicaffe.errors import FileError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import parse_net
from minicaffe.solver import Solver
from minicaffe.solver.nets import merged_state

SETTINGS = 'base_lr: 0.1 lr_policy: "fixed"'


def net_text(name, rules=""):
    """A net whose layer "marked" is there only where `rules` hold."""
    return f"""
    name: "{name}"
    layer {{ name: "data" type: "DummyData" top: "data" dummy_data_param {{ shape {{ dim: 2 dim: 3 }} }} }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {{ num_output: 2 }} }}
    layer {{ name: "marked" type: "ReLU" bottom: "ip" top: "marked" {rules} }}
    """


def written(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.prototxt").write_text(text)
    return str(tmp_path)


def solver_of(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solver.prototxt").write_text(f"{SETTINGS}\n{text}")
    return Solver("solver.prototxt")


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ('net: "a.prototxt"', "Creating training net from net file: a.prototxt"),
        ('train_net: "a.prototxt"', "Creating training net from train_net file: a.prototxt"),
        ("net_param {%s}", "Creating training net specified in net_param."),
        ("train_net_param {%s}", "Creating training net specified in train_net_param."),
    ],
)
def test_four_ways_to_name_the_train_net(tmp_path, monkeypatch, capsys, field, line):
    written(tmp_path, a=net_text("a"))
    solver = solver_of(tmp_path, field % net_text("a") if "%" in field else field, monkeypatch)
    assert solver.net.name == "a"
    assert solver.net.phase == caffe_pb2.TRAIN
    assert len(solver.test_nets) == 0
    assert line in messages(capsys)


def test_the_order_of_test_nets(tmp_path, monkeypatch, capsys):
    written(tmp_path, a=net_text("a"), b=net_text("b"))
    solver = solver_of(
        tmp_path,
        'net: "a.prototxt" test_net: "b.prototxt" test_iter: 1 test_iter: 1 test_iter: 1 test_iter: 1 '
        f"test_net_param {{ {net_text('c')} }} test_interval: 9",
        monkeypatch,
    )
    assert [net.name for net in solver.test_nets] == ["c", "b", "a", "a"]
    assert all(net.phase == caffe_pb2.TEST for net in solver.test_nets)
    assert [line for line in messages(capsys) if line.startswith("Creating test net")] == [
        "Creating test net (#0) specified by test_net_param",
        "Creating test net (#1) specified by test_net file: b.prototxt",
        "Creating test net (#2) specified by net file: a.prototxt",
        "Creating test net (#3) specified by net file: a.prototxt",
    ]


def test_inline_nets_are_upgraded_and_serve_twice(tmp_path, monkeypatch):
    old = """name: "old" input: "data" input_dim: 2 input_dim: 3 input_dim: 1 input_dim: 1
             layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" inner_product_param { num_output: 2 } }"""
    solver = solver_of(tmp_path, f"net_param {{ {old} }} test_iter: 1 test_interval: 1", monkeypatch)
    assert solver.net.layer_names == solver.test_nets[0].layer_names == ["input", "ip"]


def test_no_test_iter_means_no_tests(tmp_path):
    assert Solver(write_solver(tmp_path, SETTINGS)).test_nets == []


@pytest.mark.parametrize(
    ("of_net", "of_solver", "phase", "level", "stages"),
    [
        ("", {}, 0, 0, []),
        ("state { phase: TEST }", {}, 1, 0, []),
        ("state { phase: TEST }", {"phase": 0}, 0, 0, []),
        ("state { level: 2 stage: 'a' }", {}, 0, 2, ["a"]),
        ("state { level: 2 stage: 'a' }", {"level": 5, "stage": ["b", "c"]}, 0, 5, ["a", "b", "c"]),
        ("state { level: 2 }", {"level": 0}, 0, 0, []),
    ],
)
def test_later_states_override_and_stages_add_up(of_net, of_solver, phase, level, stages):
    merged = merged_state(caffe_pb2.TRAIN, parse_net(of_net), caffe_pb2.NetState(**of_solver))
    assert (merged.phase, merged.level, list(merged.stage)) == (phase, level, stages)


def test_states_reach_the_nets(tmp_path, monkeypatch):
    rules = 'include { stage: "s" min_level: 2 }'
    written(tmp_path, a=net_text("a", rules))
    solver = solver_of(
        tmp_path,
        'net: "a.prototxt" test_iter: 1 test_iter: 1 test_interval: 1 train_state { level: 2 stage: "s" } '
        'test_state { level: 1 stage: "s" } test_state { level: 3 stage: "s" }',
        monkeypatch,
    )
    nets = [solver.net, *solver.test_nets]
    assert ["marked" in net.layer_names for net in nets] == [True, False, True]


def test_weights_go_into_all_nets_in_order(tmp_path, monkeypatch, capsys):
    written(tmp_path, a=net_text("a"))
    first = solver_of(tmp_path, 'net: "a.prototxt"', monkeypatch)
    for name, value in (("one", 1), ("two", 2), ("three", 3)):
        first.net.params["ip"][0].data[...] = value
        first.net.params["ip"][1].data[...] = value
        first.net.save(f"{name}.caffemodel")
    messages(capsys)
    solver = solver_of(
        tmp_path,
        'net: "a.prototxt" test_iter: 1 test_interval: 1 weights: "one.caffemodel, three.caffemodel,"\n'
        'weights: " two.caffemodel"',
        monkeypatch,
    )
    for net in [solver.net, *solver.test_nets]:
        assert_array_equal(net.params["ip"][0].data, np.full((2, 3), 2))
    tuned = [line for line in messages(capsys) if line.startswith("Finetuning")]
    assert tuned == [f"Finetuning from {name}.caffemodel" for name in ("one", "three", "two")] * 2


@pytest.mark.parametrize(
    ("field", "index"), [("net", ""), ("train_net", ""), ("test_net", "[0]")], ids=["net", "train_net", "test_net"]
)
def test_a_net_file_that_is_not_there(tmp_path, field, index):
    path = tmp_path / "solver.prototxt"
    tested = f'train_net: "{tmp_path}/net.prototxt" test_iter: 1 test_interval: 1' if field == "test_net" else ""
    write_solver(tmp_path, SETTINGS)
    path.write_text(f'{SETTINGS} {tested}\n{field}: "absent.prototxt"')
    with pytest.raises(FileError) as caught:
        Solver(path)
    assert str(caught.value) == (
        f"{path}:2: {field}{index} cannot be used: Could not open file absent.prototxt: No such file or directory; "
        f"correct it (relative paths begin at {os.getcwd()})"
    )


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileError, match=r"absent\.caffemodel"):
        Solver(write_solver(tmp_path, f'{SETTINGS} weights: "{tmp_path}/absent.caffemodel"', CLASSIFIER))


def test_the_solver_decides_on_debug_info(tmp_path, capsys):
    net = "debug_info: true\n" + CLASSIFIER
    settings = f"{SETTINGS} test_iter: 1 test_interval: 1 display: 2"
    quiet = Solver(write_solver(tmp_path, settings, net))
    quiet.step(3)
    assert not [line for line in messages(capsys) if "[Forward]" in line]
    loud = Solver(write_solver(tmp_path, settings + " debug_info: true", CLASSIFIER))
    messages(capsys)
    loud.step(3)
    lines = messages(capsys)
    # Train net: iterations 0 and 2. Test net: before 0, 1 and 2.
    assert sum("[Forward] Layer ip, top blob ip data" in line for line in lines) == 2 + 3
    assert sum("[Backward] Layer ip, param blob 0 diff" in line for line in lines) == 2
