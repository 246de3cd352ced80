"""Window files: what is foreground and what background, and what is no window file."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

from minicaffe import log
from minicaffe.errors import DataError, FileError, FormatError
from minicaffe.io.window_file import WindowFile

GOOD = """\
# 0
a.png
3
20
24
4
2 1.0 6 5 13 12
0 0.0 9 8 16 15
7 0.5 1 2 3 4
5 0.49 0 0 1 1
# 1
deep/b.png
3 30 40
0
# 2
c.png 3 20 24 1 9 0.75 -4 -5 6 7
"""


@pytest.fixture
def make(tmp_path):
    """A function that reads a text as window file."""

    def write(text, *args):
        (tmp_path / "windows.txt").write_bytes(text.encode() if isinstance(text, str) else text)
        return WindowFile(str(tmp_path / "windows.txt"), *args)

    return write


def test_a_window_file(make):
    windows = make(GOOD)
    assert windows.paths == [b"a.png", b"deep/b.png", b"c.png"]
    assert windows.lines == [1, 11, 15]
    assert windows.channels == 3
    assert_array_equal(windows.foreground, [[0, 2, 6, 5, 13, 12], [0, 7, 1, 2, 3, 4], [2, 9, -4, -5, 6, 7]])
    # The background has no class, whatever the file says.
    assert_array_equal(windows.background, [[0, 0, 9, 8, 16, 15], [0, 0, 0, 0, 1, 1]])
    assert windows.foreground.dtype == windows.background.dtype == np.int32


def test_white_space_of_any_kind(make):
    one, other = make(GOOD), make("\t".join(GOOD.split()) + "\r\n\n")
    assert_array_equal(other.foreground, one.foreground)
    assert other.crc32 == one.crc32
    assert other.paths == one.paths


@pytest.mark.parametrize(
    ("thresholds", "foreground", "background"),
    [((0.5, 0.5), [2, 7, 9], 2), ((0.51, 0.5), [2, 9], 2), ((0.5, 0.3), [2, 7, 9], 1), ((0.49, 0.0), [2, 7, 5, 9], 0)],
)
def test_thresholds(make, thresholds, foreground, background):
    windows = make(GOOD, "", *thresholds)
    assert windows.foreground[:, 1].tolist() == foreground
    assert len(windows.background) == background


@pytest.mark.parametrize("overlap", ["0.3", "0.7", "0.1", "1e-3"])
def test_overlaps_are_compared_as_float32(make, overlap):
    # As a prototxt's thresholds come: 0.3 as float32 is more than 0.3, 0.7 as float32 less.
    text = f"# 0 a.png 3 9 9 1 1 {overlap} 0 0 1 1"
    threshold = float(np.float32(overlap))
    assert len(make(text, "", threshold, 0).foreground) == 1
    assert len(make(text, "", 2, threshold).background) == 0


def test_the_root_folder_is_put_before_as_it_is(make):
    assert make(GOOD, "img").paths[1] == b"imgdeep/b.png"


def test_names_need_not_be_utf8(make):
    assert make(b"# 0 \xe4.png 3 9 9 0").paths == [b"\xe4.png"]


def test_other_windows_have_another_checksum(make):
    assert make(GOOD).crc32 != make(GOOD.replace("0.49", "0.51")).crc32
    assert make(GOOD).crc32 != make(GOOD.replace("13 12", "13 11")).crc32


@given(st.lists(st.lists(st.tuples(*[st.integers(-(2**31) + 1, 2**31 - 1)] * 4, st.integers(1, 9)))))
def test_what_was_written_is_read(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("any") / "windows.txt"
    text, expected = "# 0 first.png 3 4 5 0\n", []
    for i, windows in enumerate(images, 1):
        text += f"# {i}\nfile{i}\n3\n4\n5\n{len(windows)}\n"
        for *corners, label in windows:
            text += " ".join(map(str, [label, 0.9, *corners])) + "\n"
            expected.append([i, label, *corners])
    path.write_text(text)
    found = WindowFile(str(path))
    assert found.foreground.tolist() == expected
    assert len(found.paths) == len(images) + 1 and not len(found.background)


def test_what_is_logged(make, capsys):
    before = log.set_level(log.INFO)
    try:
        make("".join(f"# {i} i{i}.png 3 20 24 0\n" for i in range(101)))
        lines = [line.split(None, 4)[4] for line in capsys.readouterr().err.splitlines()]
    finally:
        log.set_level(before)
    assert lines == ["num: 0 i0.png 3 20 24 windows to process: 0", "num: 100 i100.png 3 20 24 windows to process: 0"]


HEAD = "# 0\na.png\n3\n20\n24\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 0, "the window file is empty, it must begin with # 0"),
        (" \n\n", 2, "is empty"),
        ("a.png 3", 1, '"a.png" stands where a record must begin, with # and its number'),
        ("#0\na.png", 1, '"#0" stands where a record must begin'),
        ("# 1\na.png\n3\n20\n24\n0\n", 1, "record # 0: its number is 1; number the records from 0 on, without gaps"),
        (HEAD + "0\n# 0\n", 7, "record # 1: its number is 0"),
        (HEAD + "0\n# 2\n", 7, "record # 1: its number is 2"),
        (HEAD + "0\n#", 7, "record # 1: the file is cut short: the image's number is missing"),
        ("# zero", 1, 'record # 0: "zero" stands where the image\'s number must be, a whole number'),
        ("# 0\na.png\n3\n20\n", 4, "record # 0: the file is cut short: width is missing"),
        ("# 0\na b.png\n3\n20\n24\n0\n", 2, 'record # 0: "b.png" stands where channels must be'),
        (HEAD, 5, "the number of windows is missing"),
        (HEAD + "-1", 6, "the number of windows is -1, must lie between 0 and 2147483647"),
        (HEAD + "9" * 40, 6, "must lie between 0 and 2147483647"),
        (HEAD + "9" * 5000, 6, '"99999999999999999999" stands where the number of windows must be'),
        (HEAD + "2\n1 0.9 1 2 3 4\n", 7, "record # 0: the file is cut short: window 2 of 2 is missing"),
        (HEAD + "2147483647\n1 0.9 1 2 3 4\n", 7, "window 2 of 2147483647 is missing"),
        (HEAD + "2\n1 0.9 1 2 3 4\n# 1\n", 8, "each of its 2 windows must be six numbers, class overlap x1 y1 x2 y2"),
        (HEAD + "1\n1 0.9 1 2 3 4 5\n", 7, 'record # 0: "5" stands where a record must begin'),
        (HEAD + "1\n1 0.9 1.5 2 3 4\n", 7, "window 1 is 1 0.9 1.5 2 3 4: class and corners must be whole numbers"),
        (HEAD + "2\n1 0.9 1 2 3 4\n1 nan 1 2 3 4\n", 8, "window 2 is 1 nan 1 2 3 4: class and corners must be"),
        (HEAD + "1\n1 0.9 1e10 2 3 4\n", 7, "is 1 0.9 10000000000 2 3 4: class and corners must be whole numbers up"),
        (HEAD + "1\n1 0.9 inf 2 3 4\n", 7, "window 1 is 1 0.9 inf 2 3 4"),
        (HEAD + "1\n1 0.9 " + "x" * 9999 + " 2 3 4\n", 7, "could not convert string to float"),
    ],
)
def test_what_is_no_window_file(make, tmp_path, text, line, words):
    with pytest.raises(FormatError) as caught:
        make(text)
    assert words in str(caught.value)
    assert (caught.value.file, caught.value.line) == (f"{tmp_path}/windows.txt", line)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("label", [0, -3])
def test_a_foreground_window_without_a_class(make, tmp_path, label):
    with pytest.raises(DataError) as caught:
        make(f"{HEAD}2\n0 0.1 1 2 3 4\n{label} 0.75 1 2 3 4\n")
    text = f"windows.txt:1: record # 0: window 2 has class {label} and overlap 0.75: a window of the foreground"
    assert f"{tmp_path}/{text} (fg_threshold 0.5) must have a class from 1 on" in str(caught.value)


def test_an_overlap_beyond_float32(make):
    assert len(make(HEAD + "2\n1 1e300 1 2 3 4\n1 -1e300 1 2 3 4").foreground) == 1


@given(st.binary(max_size=60))
def test_any_bytes_give_windows_or_a_typed_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "windows.txt"
    path.write_bytes(b"# 0 a 3 1 1 2 1 " + data)
    try:
        found = WindowFile(str(path))
    except (FormatError, DataError) as error:
        assert "windows.txt" in str(error)
    else:
        assert len(found.paths) >= 1


@pytest.mark.parametrize("name", ["absent.txt", "", ".", "a\0b"])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(FileError, match=r"cannot be (read|the name)"):
        WindowFile(str(tmp_path / name) if name == "absent.txt" else name)


def test_errors_about_an_image_name_its_record(make, tmp_path):
    windows = make(GOOD)
    with pytest.raises(DataError, match=r"windows\.txt:11: deep/b\.png: is bad"), windows.placed(1):
        raise DataError("is bad")
    with pytest.raises(FileError, match=r"windows\.txt:15: x\.png: cannot be read"), windows.placed(2):
        raise FileError("cannot be read", file="x.png")
