"""Rows of many HDF5 files: which come when, in order and shuffled, and what does not go together."""

import os
import tempfile
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np
import pytest
from hdf5_kit import write_file, write_list, write_numbered
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError, FileError, FormatError, ShapeError
from minicaffe.io import hdf5_rows
from minicaffe.io.hdf5_rows import HDF5Rows, read_list

NAMES = ["data", "label"]


def read(rows, size, epoch=0, index=0):
    """(the numbers of `size` rows from a place on, the place behind), after a look at every value."""
    data, label = (np.full((size, *shape), np.nan, np.float32) for shape in rows.shapes)
    behind = rows.read(epoch, index, [data, label])
    numbers = [int(number) for number in label - 100]
    for number, row in zip(numbers, data, strict=True):
        assert (row == number).all()
    return numbers, behind


def read_batches(rows, sizes, place=(0, 0)):
    numbers = []
    for size in sizes:
        more, place = read(rows, size, *place)
        numbers += more
    return numbers, place


# --- order ------------------------------------------------------------------------------------------

files = st.lists(st.integers(1, 5), min_size=1, max_size=4)
batches = st.lists(st.integers(1, 13), min_size=1, max_size=5)


@settings(max_examples=25)
@given(files, batches)
def test_in_order(sizes, wanted):
    with tempfile.TemporaryDirectory() as folder:
        rows = HDF5Rows(write_numbered(Path(folder), sizes, (2, 3)), NAMES)
        assert (rows.count, rows.shapes) == (sum(sizes), [(2, 3), ()])
        numbers, (epoch, index) = read_batches(rows, wanted)
    assert numbers == list(islice(cycle(range(sum(sizes))), sum(wanted)))
    assert epoch * rows.count + index == sum(wanted) and 1 <= index <= rows.count


@settings(max_examples=25)
@given(files, batches, st.integers(0, 2**32))
def test_shuffled(sizes, wanted, seed):
    """Each epoch holds every row once, files one after the other, and batches do not matter."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_numbered(Path(folder), sizes)
        rows = HDF5Rows(paths, NAMES, shuffle=True, seed=seed, key="d")
        epochs = [read(rows, rows.count, epoch)[0] for epoch in range(3)]
        again = HDF5Rows(paths, NAMES, shuffle=True, seed=seed, key="d")
        numbers, place = read_batches(again, wanted)
        rest, _ = read(rows, 7, *place)
        assert rest == read(again, 7, *place)[0]
    starts = np.cumsum([0, *sizes])
    file_of = np.repeat(np.arange(len(sizes)), sizes)
    for order in epochs:
        assert sorted(order) == list(range(sum(sizes)))
        turns = [file for i, file in enumerate(file_of[order]) if i == 0 or file != file_of[order[i - 1]]]
        assert len(turns) == len(sizes), f"files mix: {order}, files begin at {starts}"
    assert numbers[: sum(sizes) * 3] == list(chain(*epochs))[: len(numbers)]


def test_what_is_drawn_depends_on_seed_key_epoch_and_file(tmp_path):
    paths = write_numbered(tmp_path, [20, 20, 20])

    def order(epoch=0, **options):
        return read(HDF5Rows(paths, NAMES, **{"shuffle": True, "seed": 1, "key": "d", **options}), 60, epoch)[0]

    orders = [order(), order(seed=2), order(key="e"), order(epoch=1), order(shuffle=False)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])
    assert order() == orders[0]
    within = [[number % 20 for number in orders[0][first : first + 20]] for first in (0, 20, 40)]
    assert within[0] != within[1] != within[2]


def test_files_are_in_another_order_at_times(tmp_path):
    rows = HDF5Rows(write_numbered(tmp_path, [1, 1, 1]), NAMES, shuffle=True)
    assert len({tuple(read(rows, 3, epoch)[0]) for epoch in range(60)}) == 6


# --- loading ----------------------------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch):
    """Paths of the files that were loaded, in turn."""
    found = []

    def spy(path, *rest):
        found.append(os.path.basename(path))
        return original(path, *rest)

    original = hdf5_rows.read_datasets
    monkeypatch.setattr(hdf5_rows, "read_datasets", spy)
    return found


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_single_file_is_loaded_once(tmp_path, loaded, shuffle):
    rows = HDF5Rows(write_numbered(tmp_path, [5]), NAMES, shuffle=shuffle)
    assert loaded == []
    read_batches(rows, [3, 4, 12])
    assert loaded == ["0.h5"]


def test_one_file_is_held_at_a_time(tmp_path, loaded):
    rows = HDF5Rows(write_numbered(tmp_path, [2, 2, 2]), NAMES)
    read_batches(rows, [2, 5, 5])
    assert loaded == ["0.h5", "1.h5", "2.h5", "0.h5", "1.h5", "2.h5"]
    assert [len(values) for values in rows._values] == [2, 2]


def test_a_file_that_fails_is_tried_again(tmp_path):
    paths = write_numbered(tmp_path, [2, 2])
    rows = HDF5Rows(paths, NAMES)
    os.rename(paths[1], tmp_path / "away")
    with pytest.raises(FileError, match=r"1\.h5: no such file"):
        read(rows, 3)
    os.rename(tmp_path / "away", paths[1])
    assert read(rows, 3)[0] == [0, 1, 2]


def test_a_file_that_has_changed(tmp_path):
    paths = write_numbered(tmp_path, [2, 2])
    rows = HDF5Rows(paths, NAMES)
    write_file(paths[1], data=np.zeros(7), label=np.zeros(7))
    with pytest.raises(
        DataError, match=r"1.h5: has been changed .* were \[\(2,\), \(2,\)\] and are \[\(7,\), \(7,\)\]"
    ):
        read(rows, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_are_exact(tmp_path, dtype, rng):
    x = rng.normal(size=(4, 3))
    rows = HDF5Rows([write_file(tmp_path / "a.h5", x=x)], ["x"], dtype)
    out = np.empty((4, 3), dtype)
    rows.read(0, 0, [out])
    assert_array_equal(out, x.astype(dtype))


# --- what does not go together ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "files, words",
    [
        ([{"data": (3, 2), "label": (2,)}], ["0.h5", '"label" has 2 rows', '"data" has 3', "the same number"]),
        ([{"data": (0, 2), "label": (0,)}], ["0.h5", '"data" has no rows']),
        ([{"data": (3, 2), "label": (3,)}, {"data": (0, 2), "label": (0,)}], ["1.h5", '"data" has no rows']),
        (
            [{"data": (3, 2), "label": (3,)}, {"data": (3, 4), "label": (3,)}],
            ["1.h5", 'row of dataset "data" has shape (4,)', "0.h5, (2,)", "must agree"],
        ),
        ([{"data": (3,), "label": (3,)}, {"data": (3,), "label": (3, 1)}], ["1.h5", '"label" has shape (1,)', "()"]),
    ],
)
def test_shapes_that_do_not_fit(tmp_path, files, words):
    paths = [
        write_file(tmp_path / f"{i}.h5", **{name: np.zeros(shape) for name, shape in arrays.items()})
        for i, arrays in enumerate(files)
    ]
    with pytest.raises(ShapeError) as caught:
        HDF5Rows(paths, NAMES)
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"


def test_every_file_is_looked_at_before_any_is_read(tmp_path, loaded):
    paths = write_numbered(tmp_path, [2, 2])
    write_file(paths[1], data=np.zeros(2))
    with pytest.raises(DataError, match=r'1\.h5: has no dataset "label"'):
        HDF5Rows(paths, NAMES)
    assert loaded == []


# --- lists ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a.h5 b.h5", "a.h5\nb.h5\n", "\n\n a.h5\t\r\n\x0b b.h5\x0c"])
def test_names_are_separated_by_white_space(tmp_path, text):
    (tmp_path / "list.txt").write_bytes(text.encode())
    assert read_list(tmp_path / "list.txt") == ["a.h5", "b.h5"]


def test_other_blanks_and_bytes_are_parts_of_names(tmp_path):
    (tmp_path / "list.txt").write_bytes("a\u00a0\u3000b.h5 ".encode() + b"\xff.h5")
    names = read_list(tmp_path / "list.txt")
    assert [os.fsencode(name) for name in names] == ["a\u00a0\u3000b.h5".encode(), b"\xff.h5"]


def test_a_list_may_come_through_a_pipe(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, b"a.h5\n")
    os.close(writer)
    try:
        assert read_list(f"/dev/fd/{reader}") == ["a.h5"]
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    "contents, kind, words",
    [
        (None, FileError, "cannot be read: no such file"),
        (b"", DataError, "at least 1 HDF5 file name"),
        (b" \n\t", DataError, "at least 1 HDF5 file name"),
        (b"\x89HDF\r\n\x1a\n....", FormatError, "is an HDF5 file itself"),
        (b"a.h5\0b.h5", FormatError, "is no text"),
    ],
)
def test_lists_that_are_refused(tmp_path, contents, kind, words):
    path = tmp_path / "list.txt"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(kind, match=words) as caught:
        read_list(path)
    assert type(caught.value) is kind and caught.value.file == str(path)


def test_the_kit_writes_what_it_says(tmp_path):
    assert read_list(write_list(tmp_path, "a b", "c")) == ["a", "b", "c"]
