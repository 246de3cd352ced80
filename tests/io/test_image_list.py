"""Image lists: how lines are split and labels read, images loaded, and what is refused."""

import os

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from minicaffe.errors import DataError, FileError
from minicaffe.io.image_list import ImageList


@pytest.fixture
def make(tmp_path):
    """A function that makes the list of some bytes."""

    def write(data, root_folder=""):
        (tmp_path / "list.txt").write_bytes(data)
        return ImageList(str(tmp_path / "list.txt"), root_folder)

    return write


def test_the_entry_is_as_the_list_has_it(make):
    images = make(b"my cat.png 12\n\xe4.png 1\n", "root/")
    assert [images.entry(line) for line in (0, 1)] == [b"my cat.png", b"\xe4.png"]
    assert images.path(0) == b"root/my cat.png"


def test_errors_are_placed_in_the_list(make):
    images = make(b"a.png 1\n 2\n")
    with pytest.raises(DataError, match=r"list\.txt:1: b\.png: is no image") as caught, images.placing_errors(0):
        raise DataError("is no image", file="b.png")
    assert caught.value.line == 1
    with pytest.raises(DataError, match=r"list\.txt:2: names no image; take the line out"), images.placing_errors(1):
        pytest.fail("nothing to be read")


def entries(images):
    return [(images.path(line), images.label(line)) for line in range(len(images))]


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        (b"a.png 3", b"a.png", 3),
        (b"my cat.png 12", b"my cat.png", 12),
        (b"a.png  4", b"a.png ", 4),
        (b"a.png -7", b"a.png", -7),
        (b"a.png +7", b"a.png", 7),
        (b"a.png 5\r", b"a.png", 5),
        (b"a.png \t 6", b"a.png \t", 6),
        (b"a.png \t6", b"a.png", 6),
        (b"a.png 3.9", b"a.png", 3),
        (b"a.png 8cats", b"a.png", 8),
        (b"a.png cat", b"a.png", 0),
        (b"a.png -", b"a.png", 0),
        (b"a.png 3 ", b"a.png 3", 0),
        (b"a.png\t3", b"a.png\t3", 0),
        (b"17.png", b"17.png", 17),
        (b" 2", b"", 2),
        (b"", b"", 0),
        (b"\xe4\xff.png 1", b"\xe4\xff.png", 1),
        (b"a 0002147483647", b"a", 2**31 - 1),
        (b"a -2147483648", b"a", -(2**31)),
    ],
)
def test_a_line_is_split_at_its_last_blank(make, line, name, label):
    assert entries(make(line + b"\n")) == [(name, label)]


@pytest.mark.parametrize(
    ("data", "lines"), [(b"a 1", 1), (b"a 1\n", 1), (b"a 1\nb 2", 2), (b"a 1\n\n", 2), (b"\na 1\n", 2), (b"\n", 1)]
)
def test_what_counts_as_a_line(make, data, lines):
    assert len(make(data)) == lines


@given(st.lists(st.tuples(st.binary(min_size=1), st.integers(-(2**31), 2**31 - 1)), min_size=1))
def test_what_was_written_is_read(tmp_path_factory, pairs):
    pairs = [(name.replace(b"\n", b""), label) for name, label in pairs]
    path = tmp_path_factory.mktemp("any") / "list.txt"
    path.write_bytes(b"".join(b"%s %d\n" % pair for pair in pairs))
    assert entries(ImageList(str(path), "root/")) == [(b"root/" + name, label) for name, label in pairs]


def test_the_root_folder_is_put_before_as_it_is(make):
    assert make(b"a.png 1", "img").path(0) == b"imga.png"
    assert make(b"a.png 1", "Bäume/").path(0) == os.fsencode("Bäume/a.png")


def test_another_list_has_another_checksum(make):
    assert make(b"a 1\nb 2\n").crc32 == make(b"a 1\nb 2\n").crc32 != make(b"b 2\na 1\n").crc32


@pytest.mark.parametrize("number", [b"2147483648", b"-2147483649", b"9" * 10_000])
def test_a_label_too_large(make, number):
    images = make(b"a.png 1\nb.png " + number + b"\n")
    assert images.path(1) == b"b.png"
    with pytest.raises(DataError, match=r"list\.txt:2: has the label .*2147483647") as caught:
        images.label(1)
    assert number[:10].decode() in str(caught.value) and len(str(caught.value)) < 300


def test_an_empty_list(make):
    with pytest.raises(DataError, match=r"list\.txt: is empty; write a line for each image"):
        make(b"")


@pytest.mark.parametrize("name", ["absent.txt", "", "."])
def test_a_list_that_cannot_be_read(tmp_path, name):
    with pytest.raises(FileError, match="cannot be read"):
        ImageList(str(tmp_path / "absent.txt") if name == "absent.txt" else name)


def test_loads_images(make, tmp_path, rng):
    rgb = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a b.png")
    images = make(b"a b.png 3", f"{tmp_path}/")
    np.testing.assert_array_equal(images.load(0), rgb.transpose(2, 0, 1)[::-1])
    assert images.load(0, color=False).shape == (1, 4, 5)
    assert images.load(0, True, 6, 7).shape == (3, 6, 7)


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (b"absent.png 1", FileError, r"absent.png: cannot be read: no such file or directory"),
        (b"list.txt 1", DataError, r"list.txt: the file is no image that \w+ can read"),
        (b" 3", DataError, "names no image; take the line out"),
        (b"", DataError, "names no image; take the line out"),
        (b"a\0b 3", FileError, "cannot be the name of a file"),
        (b"\xe4.png 3", FileError, r"\\xe4.png: cannot be read"),
    ],
)
def test_errors_name_list_and_line_and_image(make, tmp_path, line, kind, words):
    images = make(b"a.png 3\n" + line + b"\n", f"{tmp_path}/")
    with pytest.raises(kind, match=rf"list\.txt:2: .*{words}") as caught:
        images.load(1)
    assert (caught.value.file, caught.value.line) == (f"{tmp_path}/list.txt", 2)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (b"a.png\t3", "; no blank parts a label from this name: write one before the label"),
        (b"a.png  3", "; the last blank of a line parts name and label: write one alone, and none behind the label"),
        (b"a.png 3 ", "; the last blank of a line parts name and label: write one alone, and none behind the label"),
        (b"a.png 3", ""),
    ],
)
def test_a_name_that_is_another_one_than_it_seems(make, tmp_path, line, hint):
    with pytest.raises(FileError) as caught:
        make(line, f"{tmp_path}/").load(0)
    assert str(caught.value).endswith(f": cannot be read: no such file or directory{hint}")


def test_the_name_for_errors(make, tmp_path):
    assert make(b"a.png 3\nb\xe4.png 3\n", "img/").name(1) == f"img/b\\xe4.png ({tmp_path}/list.txt:2)"
