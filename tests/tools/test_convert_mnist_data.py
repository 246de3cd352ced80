"""IDX files into a database: keys, values, the note of generated digits, and what happens to a target that is there."""

import numpy as np
import pytest

from minicaffe.cli.main import main
from minicaffe.errors import DataError, FileError, FormatError, ParamError
from minicaffe.io import idx
from minicaffe.io.database import create_database, open_database
from minicaffe.proto import caffe_pb2
from minicaffe.tools.convert_mnist_data import convert
from minicaffe.tools.mnist_files import MARKER, marker_text

COUNT = 1003  # one commit, and some records more
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 4), np.uint8)
LABELS = np.arange(COUNT).astype(np.uint8)


@pytest.fixture
def files(tmp_path):
    """The two IDX files and the target."""
    paths = [tmp_path / name for name in ("images", "labels", "database")]
    paths[0].write_bytes(idx.encode_images(IMAGES))
    paths[1].write_bytes(idx.encode_labels(LABELS))
    return paths


def read(path, kind):
    with open_database(path, kind) as database:
        return database.note, list(database.records())


def test_records_are_as_caffes_converter_writes_them(files, kind):
    assert convert(*files, kind)
    note, records = read(files[2], kind)
    assert note == ""
    assert [key for key, _ in records] == [f"{i:08d}".encode() for i in range(COUNT)]
    for i in (0, 1, 127, 128, 200, 255, 256, COUNT - 1):
        # By hand: channels 1, height 3, width 4, data, label; nothing else on the wire.
        label = caffe_pb2.Datum(label=i % 256 - 256 * (i % 256 > 127)).SerializeToString()
        assert records[i][1] == b"\x08\x01\x10\x03\x18\x04\x22\x0c" + IMAGES[i].tobytes() + label
    assert caffe_pb2.Datum.FromString(records[200][1]).label == -56


def test_command_line(files, kind, capsys):
    names = list(map(str, files))
    assert main(["convert_mnist_data", f"-backend={kind}", *names]) == 0
    assert len(read(files[2], kind)[1]) == COUNT
    shown = capsys.readouterr().err
    for line in ("A total of 1003 items.", "Rows: 3 Cols: 4", "Processed 1003 files."):
        assert f"] {line}\n" in shown
    assert main(["convert_mnist_data", *names[:2], "--backend", kind, names[2]]) == 1
    assert f"error: {files[2]}: is there already; delete it, or add --update" in capsys.readouterr().err
    for update in ("-update", "--update", "-update=true"):
        assert main(["convert_mnist_data", update, "--backend", kind, *names]) == 0
        assert "complete, left as it is" in capsys.readouterr().err
    assert main(["convert_mnist_data", "-noupdate", "--backend", kind, *names]) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a", "b"], "error: the following arguments are required: DB; minicaffe convert_mnist_data -help lists"),
        (["a", "b", "c", "d"], "error: one argument too many: 'd'"),
        (["a", "b", "c", "-bckend", "lmdb"], "error: unknown command line flag 'bckend'; do you mean --backend?"),
        (["a", "b", "c"], "error: a: cannot be read: No such file"),
    ],
)
def test_usage(capsys, words, text):
    assert main(["convert_mnist_data", *words]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(text)


def test_an_unknown_backend_removes_nothing(files, capsys):
    convert(*files)
    names = list(map(str, files))
    assert main(["convert_mnist_data", "--update", "--backend", "sqlite", *names]) == 1
    text = 'error: Unknown database backend "sqlite"; known are lmdb and leveldb\n'
    assert capsys.readouterr().err.endswith(text)
    with pytest.raises(ParamError, match="Unknown database backend"):
        convert(*files, "sqlite", update=True)
    assert len(read(files[2], "lmdb")[1]) == COUNT


def mark_as_generated(images):
    (images.parent / MARKER).write_text(marker_text({images.name: images.read_bytes()}, 1))


def test_generated_digits_carry_their_warning_and_real_ones_take_their_place(files, kind, capsys):
    mark_as_generated(files[0])
    assert convert(*files, kind)
    assert "NOT MNIST" in read(files[2], kind)[0]
    assert "WARNING: generated digits, NOT MNIST" in capsys.readouterr().err
    assert not convert(*files, kind, update=True)
    (files[0].parent / MARKER).unlink()
    assert convert(*files, kind, update=True)
    assert read(files[2], kind)[0] == ""


def test_update_replaces_other_digits(files, kind, capsys):
    convert(*files, kind)
    files[0].write_bytes(idx.encode_images(IMAGES ^ (np.arange(COUNT) == COUNT - 1)[:, None, None]))
    assert convert(*files, kind, update=True)
    assert caffe_pb2.Datum.FromString(read(files[2], kind)[1][-1][1]).data == (IMAGES[-1] ^ 1).tobytes()
    assert "incomplete or of other digits, made anew" in capsys.readouterr().err


@pytest.mark.parametrize("count", [0, 1000])
def test_update_replaces_a_database_that_ends_early(files, kind, count):
    convert(*files, kind)
    records = read(files[2], kind)[1]
    other = files[2].parent / "short"
    with create_database(other, kind) as writer:
        for key, value in records[:count]:
            writer.put(key, value)
    assert convert(files[0], files[1], other, kind, update=True)
    assert read(other, kind)[1] == records


@pytest.mark.parametrize("damage", ["empty folder", "truncated", "other backend"])
def test_update_replaces_what_is_no_whole_database(files, kind, damage):
    target = files[2]
    if damage == "empty folder":
        target.mkdir()
    elif damage == "truncated":
        convert(*files, kind)
        largest = max(target.iterdir(), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:5000])
    else:
        pytest.importorskip("plyvel")
        convert(*files, {"lmdb": "leveldb", "leveldb": "lmdb"}[kind])
    assert convert(*files, kind, update=True)
    assert len(read(target, kind)[1]) == COUNT


def test_nothing_but_a_database_is_ever_removed(files, kind):
    convert(*files, kind)
    (files[2] / "thesis.txt").write_text("mine")
    files[1].write_bytes(idx.encode_labels(LABELS[::-1]))
    with pytest.raises(FileError, match="database: is to be made anew, but holds thesis"):
        convert(*files, kind, update=True)
    assert (files[2] / "thesis.txt").exists()
    files[2] = files[0].parent / "a file"
    files[2].write_text("mine too")
    with pytest.raises(FileError, match="a file: is to be made anew, but is a file"):
        convert(*files, kind, update=True)


def test_a_failure_leaves_no_target(files, kind):
    files[1].write_bytes(idx.encode_labels(LABELS[1:]))
    with pytest.raises(FormatError, match=r"holds 1002 labels, but .*images holds 1003 images"):
        convert(*files, kind)
    assert not files[2].exists()


def test_no_images(files):
    files[0].write_bytes(idx.encode_images(IMAGES[:0]))
    files[1].write_bytes(idx.encode_labels(LABELS[:0]))
    with pytest.raises(DataError, match="images: holds no images"):
        convert(*files)
