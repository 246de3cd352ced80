"""HDF5Output: what the file holds and when, and that nobody's work is overwritten."""

import os

import h5py
import numpy as np
import pytest
from harness import check_rejected, make_layer
from hdf5_kit import write_file, write_list
from net_kit import inputs, layer, make_net, refused, set_blobs
from numpy.testing import assert_array_equal

from minicaffe import log
from minicaffe.errors import FileError, GraphError, ParamError, ShapeError

SHAPE = (2, 3, 4, 5)
FIELD = "hdf5_output_param.file_name"


def prototxt(path):
    return f'name: "the_layer" type: "HDF5Output" hdf5_output_param {{ file_name: "{path}" }}'


def run_on(path, *bottoms, **options):
    return make_layer(prototxt(path), *bottoms, tops=0, **options)


def contents(path):
    with h5py.File(path, "r") as file:
        return {name: file[name][...] for name in file}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [SHAPE, (17, 3, 4, 5), (2, 3), (1, 1, 2), (0, 3)])
def test_the_file_holds_both_with_four_axes(backend, order, tmp_path, rng, shape, dtype):
    data, label = rng.normal(size=shape).astype(dtype), rng.normal(size=shape[:1]).astype(dtype)
    run_on(tmp_path / "out.h5", data, label, dtype=dtype).forward()
    found = contents(tmp_path / "out.h5")
    assert set(found) == {"data", "label"} and found["data"].dtype == found["label"].dtype == dtype
    assert_array_equal(found["data"], data.reshape(shape + (1,) * (4 - len(shape))))
    assert_array_equal(found["label"], label.reshape(-1, 1, 1, 1))


def test_scalars(tmp_path):
    run_on(tmp_path / "out.h5", np.array(3.0), np.array(4.0)).forward()
    assert {name: array.shape for name, array in contents(tmp_path / "out.h5").items()} == {
        "data": (1, 1, 1, 1),
        "label": (1, 1, 1, 1),
    }


def test_nothing_flows_back(backend, tmp_path):
    run = run_on(tmp_path / "out.h5", np.ones(SHAPE), np.ones(2)).forward()
    run.bottom[0].diff[...] = 7
    run.backward([True, True])
    assert (run.bottom[0].diff == 7).all()


def test_the_file_is_there_and_empty_once_the_net_is_built(tmp_path):
    path = write_file(tmp_path / "out.h5", old=np.zeros(3))
    run = run_on(path, np.ones(SHAPE), np.ones(2))
    assert contents(path) == {}
    run.forward()
    assert set(contents(path)) == {"data", "label"}
    assert os.listdir(tmp_path) == ["out.h5"]


def test_a_net_that_is_refused_leaves_the_old_file(tmp_path):
    path = write_file(tmp_path / "out.h5", old=np.zeros(3))
    out = layer("out", "HDF5Output", "a b", "", f'hdf5_output_param {{ file_name: "{path}" }}')
    refused(GraphError, inputs("a", "b") + out + layer("r", "ReLU", "missing", "y"), "missing")
    assert set(contents(path)) == {"old"}


def test_a_second_pass_is_refused_and_the_first_is_kept(tmp_path):
    run = run_on(tmp_path / "out.h5", np.ones(SHAPE), np.ones(2)).forward()
    before = contents(tmp_path / "out.h5")
    words = [str(tmp_path / "out.h5"), "is written already", "first forward pass", "another file_name"]
    bottoms = [np.zeros(SHAPE), np.zeros(2)]
    check_rejected(prototxt(tmp_path / "b.h5"), bottoms, FileError, FIELD, "b.h5", *words[1:], tops=0, act=twice)
    with pytest.raises(FileError) as caught:
        run.feed(*bottoms).forward()
    assert all(word in str(caught.value) for word in words)
    after = contents(tmp_path / "out.h5")
    assert all((before[name] == after[name]).all() for name in before)


def twice(run):
    run.forward().forward()


def test_two_layers_with_one_file(tmp_path):
    bottoms = [np.zeros(SHAPE), np.zeros(2)]
    first, second = (run_on(tmp_path / "out.h5", *bottoms) for _ in range(2))
    with pytest.raises(FileError, match="is not the file that was made when the net was built"):
        first.forward()
    second.forward()
    with pytest.raises(FileError, match="another layer or program writes it"):
        first.forward()


def test_a_file_that_others_have_written_is_kept(tmp_path):
    run = run_on(tmp_path / "out.h5", np.zeros(SHAPE), np.zeros(2))
    write_file(tmp_path / "out.h5", theirs=np.zeros(300))
    with pytest.raises(FileError, match="a file_name of its own"):
        run.forward()
    assert set(contents(tmp_path / "out.h5")) == {"theirs"}
    os.unlink(tmp_path / "out.h5")
    run.forward()
    assert set(contents(tmp_path / "out.h5")) == {"data", "label"}


def test_a_failed_write_can_be_made_good(tmp_path):
    os.mkdir(tmp_path / "folder")
    run = run_on(tmp_path / "folder" / "out.h5", np.ones(SHAPE), np.ones(2))
    os.rename(tmp_path / "folder", tmp_path / "away")
    with pytest.raises(FileError, match=r"\(HDF5Output\): hdf5_output_param.file_name .* no such file"):
        run.forward()
    os.rename(tmp_path / "away", tmp_path / "folder")
    run.forward()
    assert set(contents(tmp_path / "folder" / "out.h5")) == {"data", "label"}


def test_hdf5_data_reads_it(tmp_path, rng):
    path = tmp_path / "out.h5"
    net = make_net(
        inputs("a", shape=SHAPE)
        + inputs("b", shape=(2,))
        + layer("out", "HDF5Output", "a b", "", f'hdf5_output_param {{ file_name: "{path}" }}')
    )
    values = set_blobs(net, rng, "a", "b")
    net.forward()
    source = write_list(tmp_path, path)
    text = f'type: "HDF5Data" top: "label" top: "data" hdf5_data_param {{ source: "{source}" batch_size: 2 }}'
    label, data = (top.data for top in make_layer(text, tops=2).forward().top)
    assert_array_equal(data, values["a"].astype(np.float32))
    assert_array_equal(label.ravel(), values["b"].astype(np.float32))


def test_caffes_lines_in_the_log(tmp_path, capsys):
    run = run_on(tmp_path / "out.h5", np.ones(SHAPE), np.ones(2))
    before = log.set_level(log.INFO)
    try:
        run.forward()
    finally:
        log.set_level(before)
    lines = capsys.readouterr().err
    assert f"] Saving HDF5 file {tmp_path}/out.h5\n" in lines
    assert "] Successfully saved 2 rows\n" in lines


@pytest.mark.parametrize(
    "bottoms, words",
    [
        ([(2, 3), (3,)], ["bottom[0] 2 3 (6)", "bottom[1] 3 (3)", "the same first axis"]),
        ([(1,) * 5, (1,)], ["bottom[0] 1 1 1 1 1 (1) has 5 axes", "at most 4"]),
        ([(1,), (1,) * 5], ["bottom[1] 1 1 1 1 1 (1) has 5 axes"]),
    ],
)
def test_bottoms_that_are_refused(tmp_path, bottoms, words):
    check_rejected(prototxt(tmp_path / "out.h5"), bottoms, ShapeError, "", *words, tops=0)
    assert os.listdir(tmp_path) == []


def test_bottoms_that_change_before_the_pass(tmp_path):
    run = run_on(tmp_path / "out.h5", (2, 3), (2,))
    run.feed(np.ones((5, 2)), np.ones(5)).forward()
    assert contents(tmp_path / "out.h5")["data"].shape == (5, 2, 1, 1)
    other = run_on(tmp_path / "other.h5", (2, 3), (2,))
    with pytest.raises(ShapeError, match="the same first axis"):
        other.feed(np.ones((5, 2)), np.ones(4)).forward()


def test_files_that_cannot_be_written(tmp_path):
    bottoms = [(2,), (2,)]
    check_rejected('type: "HDF5Output"', bottoms, ParamError, FIELD, "is empty", tops=0)
    missing = tmp_path / "no" / "out.h5"
    check_rejected(prototxt(missing), bottoms, FileError, FIELD, str(missing), "mkdir -p", tops=0)
    check_rejected(prototxt(tmp_path), bottoms, FileError, FIELD, "is a directory", tops=0)


def test_blob_counts(tmp_path):
    text = prototxt(tmp_path / "out.h5")
    check_rejected(text, [(2,)], GraphError, "", "takes 2 bottom", tops=0)
    check_rejected(text, [(2,), (2,)], GraphError, "", "produces 0 top", tops=1)
