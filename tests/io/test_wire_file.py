"""Reading whole files, and telling one kind from another."""

import hashlib
import os
import threading

import pytest
from watch import peak_of

from minicaffe.errors import FileError, FormatError
from minicaffe.io import wire_file
from minicaffe.io.wire_file import BLOB, SOLVER_STATE, WEIGHTS, is_hdf5, open_message, read_file, size_and_sha256
from minicaffe.proto import caffe_pb2

HDF5 = b"\x89HDF\r\n\x1a\n"
STATE = caffe_pb2.SolverState(iter=5, learned_net="lenet_iter_5.caffemodel")
MEAN = caffe_pb2.BlobProto(num=1, channels=3, height=1, width=1, data=[1, 2, 3])
MATRIX = caffe_pb2.BlobProto(shape={"dim": [2]}, data=[1, 2])
NETS = [
    caffe_pb2.NetParameter(name="LeNet", layer=[{"name": "conv1"}]),
    caffe_pb2.NetParameter(layer=[{"name": "conv1"}]),
    caffe_pb2.NetParameter(name="x" * 69, layers=[{"name": "conv1"}]),
    caffe_pb2.NetParameter(layers=[{"name": "conv1"}]),
]
READERS = [read_file, size_and_sha256, is_hdf5]


def opened(path, wanted=WEIGHTS):
    return open_message(path, "NetParameter", wanted, "give a .caffemodel")


def test_a_file_is_read_whole_and_once(tmp_path):
    content = os.urandom(3_000_001)
    (tmp_path / "f").write_bytes(content)
    read = []
    assert peak_of(lambda: read.append(read_file(tmp_path / "f"))) < 1.1 * len(content)
    (data,) = read
    assert data == content and data.readonly
    assert size_and_sha256(tmp_path / "f") == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_pipe_is_read_to_its_end(tmp_path):
    pipe, content = tmp_path / "pipe", bytes(range(256)) * 1000
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert read_file(pipe) == content
    writer.join()


@pytest.mark.parametrize("read", READERS)
def test_a_missing_file(tmp_path, read):
    path = tmp_path / "none.caffemodel"
    with pytest.raises(FileError) as caught:
        read(path)
    assert str(caught.value) == f"Couldn't open {path}: no such file or directory; check the path"
    assert caught.value.file == str(path)


@pytest.mark.parametrize("read", READERS)
def test_a_folder(tmp_path, read):
    with pytest.raises(FileError, match=r"Couldn't open .*: is a directory; check the path"):
        read(tmp_path)


def test_a_file_longer_than_a_message_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr(wire_file, "MAX_BYTES", 9)
    (tmp_path / "nine").write_bytes(bytes(9))
    assert len(read_file(tmp_path / "nine")) == 9
    (tmp_path / "ten").write_bytes(bytes(10))
    with pytest.raises(FormatError, match="ten: is 10 bytes long; a binary message ends at 9, larger"):
        read_file(tmp_path / "ten")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HDF5, True),
        (bytes(512) + HDF5 + b"x", True),
        (bytes(1024) + HDF5, True),
        (bytes(2048) + HDF5, True),
        (bytes(1536) + HDF5, False),
        (bytes(100) + HDF5, False),
        (HDF5[:-1], False),
        (b"", False),
        (bytes(5000), False),
    ],
)
def test_hdf5_is_told_by_its_signature(tmp_path, content, expected):
    (tmp_path / "weights.caffemodel").write_bytes(content)
    assert is_hdf5(tmp_path / "weights.caffemodel") is expected


@pytest.mark.parametrize("kind", ["weights", "state", "mean", "matrix"])
@pytest.mark.parametrize("wanted", [WEIGHTS, SOLVER_STATE, BLOB])
def test_each_kind_is_told_from_the_others(tmp_path, kind, wanted):
    content, found = {
        "weights": (NETS[0], WEIGHTS),
        "state": (STATE, SOLVER_STATE),
        "mean": (MEAN, BLOB),
        "matrix": (MATRIX, BLOB),
    }[kind]
    path = tmp_path / "file"
    path.write_bytes(content.SerializeToString())
    if wanted == found:
        assert opened(path, wanted).buffer == content.SerializeToString()
        return
    with pytest.raises(FormatError) as caught:
        opened(path, wanted)
    assert str(caught.value) == f"{path}: looks like {found}, must hold {wanted}, binary; give a .caffemodel"


@pytest.mark.parametrize("net", NETS)
def test_nets_of_each_age_pass_for_weights(tmp_path, net):
    (tmp_path / "w").write_bytes(net.SerializeToString())
    assert opened(tmp_path / "w").buffer == net.SerializeToString()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b'name: "LeNet"\nlayer { name: "a" }\n', "is text"),
        (b"# \xc3\xa9t\xc3\xa9, commentaire\r\n\tlayer{}", "is text"),
        (b'\n\n  base_lr : 0.01\nlr_policy: "step"\n' * 1000, "is text"),
        (HDF5 + bytes(100), "is HDF5"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, content, found):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(FormatError) as caught:
        opened(tmp_path / "w")
    assert str(caught.value) == f"{tmp_path / 'w'}: {found}, must hold {WEIGHTS}, binary; give a .caffemodel"
