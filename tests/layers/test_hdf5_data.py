"""HDF5Data: its tops, its place in the files, and what it refuses. The order of rows: tests/io/test_hdf5_rows.py."""

import os

import numpy as np
import pytest
from harness import check_rejected, make_layer
from hdf5_kit import write_file, write_list, write_numbered
from net_kit import layer, make_net
from numpy.testing import assert_array_equal

from minicaffe import log
from minicaffe.errors import DataError, FileError, FormatError
from minicaffe.proto.caffe_pb2 import TEST, TRAIN

ROW = (3, 4, 5)


def prototxt(source, batch_size=3, more="", tops=("data", "label")):
    names = " ".join(f'top: "{name}"' for name in tops)
    return f'type: "HDF5Data" {names} hdf5_data_param {{ source: "{source}" batch_size: {batch_size} {more} }}'


@pytest.fixture
def source(tmp_path):
    """A list of files of 4 and 3 rows, numbered through."""
    return write_list(tmp_path, *write_numbered(tmp_path, [4, 3], ROW))


def numbers(run):
    """The rows' numbers of one batch, which must be in each value."""
    data, label = (top.data for top in run.forward().top)
    assert (data == (label - 100).reshape(-1, 1, 1, 1)).all()
    return [int(number) for number in label - 100]


def test_batches_straddle_files_and_wrap(backend, order, source):
    run = make_layer(prototxt(source), tops=2)
    assert [top.shape for top in run.top] == [(3, *ROW), (3,)]
    assert [numbers(run) for _ in range(4)] == [[0, 1, 2], [3, 4, 5], [6, 0, 1], [2, 3, 4]]


def test_a_batch_larger_than_all_files(backend, order, source):
    run = make_layer(prototxt(source, 16), tops=2)
    assert numbers(run) == [*range(7), *range(7), 0, 1]


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_shuffling_in_either_phase_is_repeatable(source, phase):
    runs = [make_layer(prototxt(source, 7, "shuffle: true"), tops=2, phase=phase) for _ in range(2)]
    epochs = [numbers(runs[0]) for _ in range(4)]
    assert [numbers(runs[1]) for _ in range(4)] == epochs
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1


def test_each_top_reads_the_dataset_of_its_name(backend, tmp_path):
    x, y, z = np.arange(8.0).reshape(4, 2), np.arange(4) - 2, np.arange(4, dtype=np.uint8)
    source = write_list(tmp_path, write_file(tmp_path / "a.h5", x=x, y=y, z=z))
    run = make_layer(prototxt(source, 4, tops=("z", "x")), tops=2).forward()
    assert_array_equal(run.top[0].data, z)
    assert_array_equal(run.top[1].data, x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_doubles_keep_what_the_net_can_hold(tmp_path, rng, dtype):
    values = rng.normal(size=(3, 2))
    source = write_list(tmp_path, write_file(tmp_path / "a.h5", data=values))
    run = make_layer(prototxt(source, tops=["data"]), dtype=dtype).forward()
    assert_array_equal(run.top[0].data, values.astype(dtype))


def test_tops_come_back_to_their_shapes(source):
    run = make_layer(prototxt(source), tops=2)
    run.top[0].reshape(1, 2)
    assert numbers(run) == [0, 1, 2]
    run.backward()
    assert numbers(run) == [3, 4, 5]


def test_paths_begin_at_the_current_folder(tmp_path, monkeypatch):
    write_numbered(tmp_path, [4], ROW)
    write_list(tmp_path, "0.h5")
    monkeypatch.chdir(tmp_path)
    assert numbers(make_layer(prototxt("list.txt"), tops=2)) == [0, 1, 2]


def test_caffes_lines_in_the_log(source, capsys):
    before = log.set_level(log.INFO)
    try:
        make_layer(prototxt(source), tops=2)
    finally:
        log.set_level(before)
    lines = capsys.readouterr().err
    assert f"] Loading list of HDF5 filenames from: {source}\n" in lines
    assert "] Number of HDF5 files: 2\n" in lines


# --- state ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", ["", "shuffle: true"])
@pytest.mark.parametrize("batches", [0, 1, 3, 7])
def test_a_restored_layer_goes_on(source, more, batches):
    text = prototxt(source, 4, more)
    run, other = make_layer(text, tops=2), make_layer(text, tops=2)
    for _ in range(batches):
        run.forward()
    state = run.layer.state()
    assert set(state) == {"epoch", "index", "rows"} and all(type(value) is int for value in state.values())
    numbers(other)
    other.layer.restore(state)
    assert [numbers(other) for _ in range(5)] == [numbers(run) for _ in range(5)]


@pytest.mark.parametrize(
    "state, kind, words",
    [
        ({}, FormatError, "it has no epoch for this layer, must be a whole number"),
        ({"epoch": 0, "index": -1, "rows": 7}, FormatError, "its index is -1"),
        ({"epoch": 0, "index": 8, "rows": 7}, FormatError, "its index is 8, must be at most 7"),
        ({"epoch": 0.5, "index": 1, "rows": 7}, FormatError, "its epoch is 0.5, must be a whole number"),
        ({"epoch": 0, "index": 8, "rows": 9}, DataError, "7 rows, when the snapshot was taken they had 9"),
    ],
)
def test_states_that_do_not_fit(source, state, kind, words):
    run = make_layer(prototxt(source), tops=2)
    numbers(run)
    with pytest.raises(kind, match=words) as caught:
        run.layer.restore(state)
    assert type(caught.value) is kind and 'layer "the_layer" (HDF5Data)' in str(caught.value)
    assert numbers(run) == [3, 4, 5]


def test_in_a_net(source, rng):
    text = layer("d", "HDF5Data", "", "data label", f'hdf5_data_param {{ source: "{source}" batch_size: 16 }}')
    text += layer("r", "ReLU", "data", "y") + layer("p", "Pooling", "data", "z", "pooling_param { kernel_size: 2 }")
    nets = [make_net(text, memory_order=order) for order in ("c", "batch_innermost")]
    outputs = [net.forward() for net in nets]
    for name in ("y", "z", "label"):
        assert_array_equal(outputs[0][name], outputs[1][name])
    assert_array_equal(outputs[0]["label"] - 100, [*range(7), *range(7), 0, 1])
    other = make_net(text)
    other.restore(nets[0].state())
    assert_array_equal(other.forward()["label"], nets[0].forward()["label"])


# --- files that are not there -----------------------------------------------------------------------


def test_sources_that_are_refused(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_list(tmp_path, "no.h5", file="absent.txt")
    write_list(tmp_path, "absent.txt", file="text.txt")
    here = f"(relative paths begin at {os.getcwd()})"
    for name, kind, words in [
        ("no.txt", FileError, ["no.txt: cannot be read: no such file", here]),
        ("absent.txt", FileError, ["no.h5: no such file", here]),
        (str(tmp_path / "no.txt"), FileError, [f"cannot be used: {tmp_path}/no.txt: cannot be read"]),
        ("text.txt", FormatError, ["absent.txt: is no HDF5 file"]),
        ("0.h5", FormatError, ["0.h5: is an HDF5 file itself"]),
    ]:
        check_rejected(prototxt(name), [], kind, "hdf5_data_param.source", *words, tops=2)


def test_a_file_that_is_lost_on_the_way(tmp_path, source):
    run = make_layer(prototxt(source), tops=2)
    numbers(run)
    os.rename(tmp_path / "1.h5", tmp_path / "away.h5")
    with pytest.raises(FileError, match=r'layer "the_layer" \(HDF5Data\): hdf5_data_param.source .*1.h5: no such file'):
        run.forward()
    os.rename(tmp_path / "away.h5", tmp_path / "1.h5")
    assert numbers(run) == [3, 4, 5]
