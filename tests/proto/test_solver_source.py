"""Reading a solver: the old solver_type, the default snapshot_prefix, and nets written inside."""

import pytest

from minicaffe.errors import FileError, ParamError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import parse_solver, read_solver, upgrade_solver


@pytest.mark.parametrize(
    "old, new",
    [
        ("SGD", "SGD"),
        ("NESTEROV", "Nesterov"),
        ("ADAGRAD", "AdaGrad"),
        ("RMSPROP", "RMSProp"),
        ("ADADELTA", "AdaDelta"),
        ("ADAM", "Adam"),
    ],
)
def test_solver_type(old, new):
    source = parse_solver(f"solver_type: {old} base_lr: 1", "s.prototxt")
    assert source.param == caffe_pb2.SolverParameter(type=new, base_lr=1)
    assert source.upgraded
    assert source.notes[:2] == [
        (
            "INFO",
            "Attempting to upgrade input file specified using deprecated 'solver_type' field (enum): s.prototxt",
        ),
        ("INFO", "Successfully upgraded file specified using deprecated 'solver_type' field (enum)"),
    ]


def test_solver_type_beside_type():
    with pytest.raises(ParamError, match=r'^s\.prototxt:2: solver_type stands beside type: "Adam", its new form'):
        parse_solver('type: "Adam"\nsolver_type: SGD', "s.prototxt")


def test_a_current_solver_is_left_alone():
    source = parse_solver('type: "Adam" net: "n"')
    assert source.param == caffe_pb2.SolverParameter(type="Adam", net="n")
    assert (source.notes, source.nets, source.upgraded) == ([], {}, False)


@pytest.mark.parametrize("name, stem", [("lenet_solver.prototxt", "lenet_solver"), ("a.b.txt", "a.b"), ("s", "s")])
def test_snapshot_prefix_is_beside_the_file(tmp_path, name, stem):
    folder = tmp_path / "with.dot"
    folder.mkdir()
    (folder / name).write_text("base_lr: 1")
    source = read_solver(folder / name)
    assert source.param.snapshot_prefix == str(folder / stem)
    assert source.notes == [("INFO", f"snapshot_prefix was not specified and is set to {folder / stem}")]
    assert not source.upgraded


@pytest.mark.parametrize("slash", ["", "/"])
def test_snapshot_prefix_that_is_a_folder(tmp_path, slash):
    (tmp_path / "solver.prototxt").write_text(f'snapshot_prefix: "{tmp_path}{slash}"')
    source = read_solver(tmp_path / "solver.prototxt")
    assert source.param.snapshot_prefix == str(tmp_path / "solver")
    assert len(source.notes) == 1


@pytest.mark.parametrize("given", [False, True])
def test_snapshot_prefix_that_is_no_text(tmp_path, given):
    path = tmp_path / "s\udcff.prototxt"
    path.write_text(f'snapshot_prefix: "{tmp_path}"' if given else "base_lr: 1")
    text = "snapshot_prefix cannot be made of this file's name, which is no text \\(UTF-8\\); set a prefix of your own$"
    with pytest.raises(ParamError, match=text):
        read_solver(path)
    path.write_text('snapshot_prefix: "here/lenet"')
    assert read_solver(path).param.snapshot_prefix == "here/lenet"


def test_snapshot_prefix_that_is_given(tmp_path):
    (tmp_path / "solver.prototxt").write_text('\nbase_lr: 1\nsnapshot_prefix: "here/lenet"')
    source = read_solver(tmp_path / "solver.prototxt")
    assert (source.param.snapshot_prefix, source.notes) == ("here/lenet", [])
    assert source.origin.file == str(tmp_path / "solver.prototxt")
    assert source.origin.line_of("snapshot_prefix") == 3


def test_a_missing_solver(tmp_path):
    with pytest.raises(FileError, match="Could not open file"):
        read_solver(tmp_path / "absent.prototxt")


INLINE = """
net_param { name: "generic"
  input: "x" input_dim: [1, 2, 3, 4]
  layers { name: "a"
    type: RELU bottom: "x" top: "x" }
}
test_net_param { name: "first" layer { name: "b" } }
test_net_param {
  layer { name: "c"
    type: "BatchNorm" param {} param {} param {} }
}
"""


def check_inline(source):
    assert [layer.type for layer in source.param.net_param.layer] == ["Input", "ReLU"]
    assert source.param.test_net_param[1].layer[0].param[2].lr_mult == 0
    assert set(source.nets) == {"net_param", "test_net_param[0]", "test_net_param[1]"}
    assert source.nets["net_param"].param == source.param.net_param
    assert source.nets["net_param"].upgraded and not source.nets["test_net_param[0]"].upgraded


def test_inline_nets():
    source = parse_solver(INLINE, "s.prototxt")
    check_inline(source)
    generic, last = source.nets["net_param"], source.nets["test_net_param[1]"]
    assert [(origin.file, origin.line) for origin in generic.origins] == [("s.prototxt", 3), ("s.prototxt", 4)]
    assert generic.origins[1].line_of("type") == 5
    assert generic.origins[0].line_of("input_param.shape[0].dim[2]") == 3
    assert (last.origins[0].line, last.origins[0].line_of("param[1]")) == (9, 10)
    assert last.origin.line == 8
    assert ("INFO", "Successfully upgraded file specified using deprecated input fields") in source.notes


def test_a_solver_made_in_code():
    param = parse_solver(INLINE).param
    param.net_param.Clear()
    param.net_param.layers.add(name="a", type=18)
    param.solver_type = caffe_pb2.SolverParameter.ADAM
    before = caffe_pb2.SolverParameter()
    before.CopyFrom(param)
    source = upgrade_solver(param)
    assert param == before
    assert source.param.type == "Adam" and not source.param.HasField("solver_type")
    assert source.param.net_param.layer[0].type == "ReLU"
    assert not source.param.HasField("snapshot_prefix")


def test_a_v0_net_inside():
    source = parse_solver('train_net_param { layers { layer { name: "d" type: "data" kernelsize: 3 } top: "x" } }')
    assert source.param.train_net_param.layer[0].type == "Data"
    assert not source.nets["train_net_param"].compatible


def test_an_error_inside_an_inline_net():
    with pytest.raises(ParamError, match=r"^s:3: the net holds both layers"):
        parse_solver("net_param {\n layer {}\n layers {} }", "s")
