"""The three upgrade tools: exit statuses, what is written, and that the new file means what the old one did."""

import os
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from data_kit import write_database
from numpy.testing import assert_array_equal

from minicaffe.cli.main import main
from minicaffe.io.caffemodel import read_caffemodel
from minicaffe.io.datum import make_datum
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.printer import format_text
from minicaffe.proto.text import read_text
from minicaffe.proto.upgrade import parse_solver, read_net

EXAMPLES = Path(__file__).parents[2] / "examples" / "mnist"
NET, BINARY, SOLVER = "upgrade_net_proto_text", "upgrade_net_proto_binary", "upgrade_solver_proto_text"
V1 = 'layers { name: "r" type: RELU bottom: "x" top: "y" blobs_lr: 1 }'
INPUT = 'input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4\n'


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a tool on bytes or text or a file; (exit status, (severity, message) of each log line, last of stderr)."""

    def call(tool, content, *words):
        source = content if isinstance(content, Path) else tmp_path / "old"
        if isinstance(content, str):
            source.write_text(content)
        elif isinstance(content, bytes):
            source.write_bytes(content)
        capsys.readouterr()
        status = main([tool, str(source), str(tmp_path / "new"), *words])
        text = capsys.readouterr().err
        logged = re.findall(r"^([IWE])\d{4} .*?\] (.*)$", text, re.MULTILINE)
        return status, logged, text.splitlines()[-1]

    return call


def already(path):
    return ("E", f"File already in latest proto format: {path}")


# --- nets as text ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet_2013_train", "lenet_2013_test", "lenet_2014_train_test"])
def test_old_definitions_of_lenet(tmp_path, run, name):
    old = EXAMPLES / f"{name}.prototxt"
    status, logged, _ = run(NET, old)
    assert status == 0
    age = "V0LayerParameter" if "2013" in name else "V1LayerParameter"
    assert ("I", f"Attempting to upgrade input file specified using deprecated {age}: {old}") in logged
    assert ("I", f"Wrote upgraded NetParameter text proto to {tmp_path}/new") in logged
    assert all(severity != "E" for severity, _ in logged)
    # The tool does what its advice to others is.
    assert not any("rewrite" in text for _, text in logged)
    assert any("rewrite" in text for _, text in read_net(old).notes)
    # As it stands, without another upgrade.
    new = read_text(tmp_path / "new", caffe_pb2.NetParameter).message
    assert len(new.layer) > 5 and not new.layers
    assert new == read_net(old).param
    assert run(NET, tmp_path / "new")[1][0] == already(tmp_path / "new")


def test_the_new_file_builds_the_same_net(tmp_path, run, monkeypatch, rng):
    pytest.importorskip("plyvel")
    images = rng.integers(0, 256, (64, 1, 28, 28), np.uint8)
    (tmp_path / "examples" / "mnist").mkdir(parents=True)
    values = [make_datum(image, i % 10) for i, image in enumerate(images)]
    write_database(tmp_path / "examples" / "mnist" / "mnist_train_leveldb", values, "leveldb")
    assert run(NET, EXAMPLES / "lenet_2013_train.prototxt")[0] == 0
    monkeypatch.chdir(tmp_path)
    with Net(EXAMPLES / "lenet_2013_train.prototxt", caffe_pb2.TRAIN) as old, Net("new", caffe_pb2.TRAIN) as new:
        assert new.layer_names == old.layer_names
        assert new.params_lr == old.params_lr
        new.share_with(old)
        assert new.run_forward() == old.run_forward()
        assert {name: blob.shape for name, blob in new.blobs.items()} == {n: b.shape for n, b in old.blobs.items()}


def test_the_text_is_in_the_order_of_the_schema(tmp_path, run):
    text = 'layers { top: "y" type: POOLING bottom: "x" pooling_param { stride: 2 kernel_size: 3 } name: "p" }\n'
    assert run(NET, f'{text} force_backward: true name: "n" # gone')[0] == 0
    layer = '  name: "p"\n  type: "Pooling"\n  bottom: "x"\n  top: "y"\n'
    pooling = "  pooling_param {\n    kernel_size: 3\n    stride: 2\n  }\n"
    assert (tmp_path / "new").read_text() == f'name: "n"\nforce_backward: true\nlayer {{\n{layer}{pooling}}}\n'


def test_a_net_of_today_is_written_too(tmp_path, run):
    status, logged, _ = run(NET, EXAMPLES / "lenet_train_test.prototxt")
    assert status == 0
    wrote = ("I", f"Wrote upgraded NetParameter text proto to {tmp_path}/new")
    assert logged == [already(EXAMPLES / "lenet_train_test.prototxt"), wrote]
    param = read_text(EXAMPLES / "lenet_train_test.prototxt", caffe_pb2.NetParameter).message
    assert (tmp_path / "new").read_text() == format_text(param)


def test_settings_without_a_place_give_status_1_and_the_rest_is_written(tmp_path, run):
    layer = 'layers { layer { name: "r" type: "relu" kernelsize: 3 } bottom: "x" top: "y" }'
    status, logged, _ = run(NET, INPUT + layer)
    assert status == 1
    assert ("E", "Unknown parameter kernelsize for layer type relu: dropped") in logged
    assert ("E", "Encountered error(s) while upgrading prototxt; see details above.") in logged
    new = read_text(tmp_path / "new", caffe_pb2.NetParameter).message
    assert [layer.type for layer in new.layer] == ["Input", "ReLU"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('layer { name: "x" kind: "ReLU" }', 'old:1:19: layer "x": kind is not a field of LayerParameter'),
        ("layers {", "old:1:9: layers[0] begins in line 1 and does not end; close it with } or >"),
        ("base_lr: 0.1", "old:1:1: base_lr is not a field of NetParameter, but of SolverParameter"),
        (b"\x0a\x03net\x00\xff", "old:2: is no text file (UTF-8); a prototxt is expected here, not binary data"),
    ],
)
def test_text_that_is_no_net_gives_status_2(tmp_path, run, text, place):
    status, logged, last = run(NET, text)
    assert status == 2
    assert logged == [("E", f"Failed to parse input text file as NetParameter: {tmp_path}/old")]
    assert last.startswith(f"error: {tmp_path}/{place}")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'{V1}\nlayer {{ name: "s" type: "ReLU" }}', "old:1: the net holds both layers { ... }, the old form, and"),
        (
            'layers { layer { name: "p" type: "pool" } bottom: "q" top: "y" }',
            'old:1: layer "p": bottom[0] is "q", which no layer before it and no input of the net produces',
        ),
        ('\ninput: "x" input_dim: 2', "old:2: input_dim has 1 entries for 1 input fields, must have 4"),
    ],
)
def test_a_net_that_cannot_be_upgraded_gives_status_1(tmp_path, run, text, place):
    status, _, last = run(NET, text)
    assert status == 1
    assert last.startswith(f"error: {tmp_path}/{place}")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_real_definitions_with_input_fields(models_dir, tmp_path, run, name, rng):
    old, weights = (models_dir / "mtcnn" / f"{name}.{end}" for end in ("prototxt", "caffemodel"))
    status, logged, _ = run(NET, old)
    assert status == 0
    assert ("I", "Successfully upgraded file specified using deprecated input fields") in logged
    with Net(old, caffe_pb2.TEST, weights=weights) as one, Net(tmp_path / "new", caffe_pb2.TEST) as other:
        shutil.copy(weights, tmp_path / "weights")
        assert main([BINARY, str(tmp_path / "weights"), str(tmp_path / "weights")]) == 0
        other.copy_from(tmp_path / "weights")
        x = rng.normal(size=one.blobs["data"].shape).astype(np.float32)
        first = {blob: values.copy() for blob, values in one.forward(data=x).items()}
        second = other.forward(data=x)
        assert first.keys() == second.keys()
        for blob, values in first.items():
            assert_array_equal(second[blob], values)


# --- weights -----------------------------------------------------------------------------------

# Bit patterns that a way through Python's floats would change: NaNs that signal or bear a message, -0, a denormal.
BITS = np.array([0x7F800001, 0xFFC01234, 0x80000000, 0x00000001, 0x3F800000], "<u4")


def old_weights():
    """A V1 net with one layer: weights in one run, with sizes of the old kind; a bias value by value, and in double."""
    values = BITS.tobytes()
    weights = b"\x08\x01\x10\x01\x18\x01\x20\x05\x2a" + bytes([len(values)]) + values
    doubles = b"\x42\x08" + np.float64([0.1]).tobytes()
    bias = b"\x2d" + BITS[:1].tobytes() + b"\x3a\x03\x0a\x01\x01" + doubles + b"\x35" + BITS[1:2].tobytes()
    layer = b"\x22\x02ip" + b"\x28\x0e" + b"".join(b"\x32" + bytes([len(blob)]) + blob for blob in (weights, bias))
    return b"\x0a\x03net\x12" + bytes([len(layer)]) + layer, [weights, bias]


def test_blobs_keep_every_byte(tmp_path, run):
    data, blobs = old_weights()
    status, logged, _ = run(BINARY, data)
    assert status == 0
    assert ("I", f"Wrote upgraded NetParameter binary proto to {tmp_path}/new") in logged
    # Field 100, a layer: name 1, type 2, its blobs 7.
    layer = b"\x0a\x02ip\x12\x0cInnerProduct" + b"".join(b"\x3a" + bytes([len(blob)]) + blob for blob in blobs)
    assert (tmp_path / "new").read_bytes() == b"\x0a\x03net\xa2\x06" + bytes([len(layer)]) + layer
    # A second time nothing changes.
    assert run(BINARY, tmp_path / "new")[:2] == (0, [already(tmp_path / "new"), logged[-1]])


@pytest.mark.parametrize("name", ["lenet_iter_5000", "lenet_iter_10000"])
def test_real_weights_of_2014(models_dir, tmp_path, run, name):
    path = models_dir / "lenet-2014" / f"{name}.caffemodel"
    status, logged, _ = run(BINARY, path)
    assert status == 0
    assert ("I", "Successfully upgraded file specified using deprecated V1LayerParameter") in logged
    old, new = caffe_pb2.NetParameter.FromString(path.read_bytes()), caffe_pb2.NetParameter()
    new.ParseFromString((tmp_path / "new").read_bytes())
    assert not new.layers
    before = {layer.name: list(layer.blobs) for layer in old.layers}
    assert {layer.name: list(layer.blobs) for layer in new.layer} == before
    assert sum(map(len, before.values())) == 8
    for one, other in zip(read_caffemodel(path), read_caffemodel(tmp_path / "new"), strict=True):
        assert (one.name, one.type) == (other.name, other.type)
        for blob, same in zip(one.blobs, other.blobs, strict=True):
            assert (blob.shape, blob.legacy) == (same.shape, same.legacy)
            assert blob.data.tobytes() == same.data.tobytes()


@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_real_weights_of_today_stay_as_they_are(models_dir, tmp_path, run, name):
    path = models_dir / "mtcnn" / f"{name}.caffemodel"
    status, logged, _ = run(BINARY, path)
    assert status == 0
    assert logged[0] == already(path)
    assert (tmp_path / "new").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty, must hold weights (a NetParameter), binary"),
        (b'name: "net"', "is text, must hold weights (a NetParameter), binary"),
        (b"\x08\x01\x12\x01a\x1a\x00", "looks like a solver state, must hold weights"),
        (old_weights()[0][:-1], "Failed to parse NetParameter: at byte 7, field 2 takes 65 bytes, 64 are left"),
        # A blob of seven bytes of float32.
        (b"\x12\x0f\x22\x02ip\x32\x09\x2a\x07" + bytes(7), "7 bytes are no whole number of 4-byte values"),
    ],
)
def test_bytes_that_are_no_weights_give_status_2(tmp_path, run, data, text):
    status, logged, last = run(BINARY, data)
    assert status == 2
    assert logged == [("E", f"Failed to parse input binary file as NetParameter: {tmp_path}/old")]
    assert last.startswith(f"error: {tmp_path}/old: ") and text in last
    assert not (tmp_path / "new").exists()


def test_weights_that_cannot_be_upgraded_give_status_1(tmp_path, run):
    net = caffe_pb2.NetParameter(layer=[caffe_pb2.LayerParameter(name="a")])
    net.layers.add(name="b")
    status, _, last = run(BINARY, net.SerializeToString())
    assert status == 1
    assert last.startswith(f"error: {tmp_path}/old: Failed to upgrade NetParameter: ")
    assert not (tmp_path / "new").exists()


# --- solvers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [("ADAM", "Adam"), ("1", "Nesterov"), ("RMSPROP", "RMSProp")])
def test_the_type_of_a_solver(tmp_path, run, old, new):
    status, logged, _ = run(SOLVER, f'solver_type: {old}\nbase_lr: 0.01 net: "n" snapshot_prefix: "{tmp_path}"')
    assert status == 0
    assert ("I", "Successfully upgraded file specified using deprecated 'solver_type' field (enum)") in logged
    assert ("I", f"Wrote upgraded SolverParameter text proto to {tmp_path}/new") in logged
    assert not any("rewrite" in text for _, text in logged)
    # The prefix as it was, though it names a folder.
    text = f'base_lr: 0.01\nsnapshot_prefix: "{tmp_path}"\nnet: "n"\ntype: "{new}"\n'
    assert (tmp_path / "new").read_text() == text


def test_a_solver_of_today_is_written_too(tmp_path, run):
    path = EXAMPLES / "lenet_solver.prototxt"
    status, logged, _ = run(SOLVER, path)
    assert status == 0
    assert logged[0] == already(path)
    assert parse_solver((tmp_path / "new").read_text()).param == parse_solver(path.read_text()).param


def test_a_solver_without_a_prefix_gets_none(tmp_path, run):
    assert run(SOLVER, "base_lr: 1")[0] == 0
    assert (tmp_path / "new").read_text() == "base_lr: 1\n"


def test_nets_inside_a_solver_are_upgraded(tmp_path, run):
    status, logged, _ = run(SOLVER, f"net_param {{ {INPUT} {V1} }}")
    assert status == 0
    assert already(tmp_path / "old") not in logged
    param = read_text(tmp_path / "new", caffe_pb2.SolverParameter).message
    assert [layer.type for layer in param.net_param.layer] == ["Input", "ReLU"]
    lost = 'layers { layer { name: "r" type: "relu" kernelsize: 3 } bottom: "x" top: "y" }'
    assert run(SOLVER, f"net_param {{ {INPUT} {lost} }}")[0] == 1


def test_solvers_that_cannot_be(tmp_path, run):
    status, logged, last = run(SOLVER, "base_lr: 0.1\nsolver_type: BEST")
    assert status == 2
    assert logged == [("E", f"Failed to parse input text file as SolverParameter: {tmp_path}/old")]
    assert last.startswith(f"error: {tmp_path}/old:2:14: solver_type is BEST")
    status, _, last = run(SOLVER, 'type: "Adam"\nsolver_type: SGD')
    assert status == 1
    assert last.startswith(f'error: {tmp_path}/old:2: solver_type stands beside type: "Adam", its new form')
    assert not (tmp_path / "new").exists()


# --- all three ---------------------------------------------------------------------------------

GOOD = {NET: V1.encode(), BINARY: old_weights()[0], SOLVER: b"solver_type: SGD"}
TOOLS = pytest.mark.parametrize("tool", [NET, BINARY, SOLVER])


@TOOLS
def test_a_missing_file(tmp_path, run, tool):
    status, _, last = run(tool, tmp_path / "absent")
    assert status == 1
    start = "Couldn't open" if tool == BINARY else "Could not open file"
    assert last.lower().startswith(f"error: {start} {tmp_path}/absent: no such file or directory".lower())


@TOOLS
def test_too_few_and_too_many_arguments(tmp_path, run, capsys, tool):
    status, _, last = run(tool, GOOD[tool], "third")
    assert (status, last) == (1, f"error: one argument too many: 'third'; minicaffe {tool} -help lists all flags")
    assert main([tool, "old"]) == 1
    text = f"error: the following arguments are required: OUT; minicaffe {tool} -help lists all flags\n"
    assert capsys.readouterr().err == text


@TOOLS
def test_a_file_may_take_its_own_place(tmp_path, run, tool):
    assert run(tool, GOOD[tool])[0] == 0
    (tmp_path / "old").chmod(0o640)
    assert main([tool, str(tmp_path / "old"), str(tmp_path / "old")]) == 0
    assert (tmp_path / "old").read_bytes() == (tmp_path / "new").read_bytes()
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640


@TOOLS
def test_an_output_that_cannot_be_written_leaves_what_was_there(tmp_path, run, tool, monkeypatch):
    (tmp_path / "new").write_text("before")

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    status, _, last = run(tool, GOOD[tool])
    assert status == 1
    start = f"error: {tmp_path}/new: cannot be written: no space left on device; free some space"
    assert last.startswith(start)
    assert (tmp_path / "new").read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]
