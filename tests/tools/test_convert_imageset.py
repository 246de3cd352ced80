"""Image files into a database: keys, what is stored of an image, and what becomes of images that cannot be read."""

import io
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from data_kit import picture
from numpy.testing import assert_array_equal
from PIL import Image

from minicaffe.cli.main import main
from minicaffe.io.database import open_database
from minicaffe.io.decode import decode_image
from minicaffe.io.resize import resize
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TEST, Datum

SIZE = (3, 4, 5)


@pytest.fixture
def images(rng):
    """Pictures (3, 4, 5), BGR."""
    return rng.integers(0, 256, (6, *SIZE), np.uint8)


@pytest.fixture
def folder(tmp_path, images):
    """A folder with a list of six PNG files, labels 10, 11, ..."""
    (tmp_path / "img").mkdir()
    for i, image in enumerate(images):
        picture(image).save(tmp_path / "img" / f"{i}.png")
    write_list(tmp_path, [f"img/{i}.png {10 + i}" for i in range(6)])
    return tmp_path


def write_list(folder, lines):
    (folder / "list.txt").write_text("".join(f"{line}\n" for line in lines))


def run(capsys, folder, *flags, root="/", target="db", lines=None):
    """(exit status, (severity, message) of each log line, last line of stderr)."""
    if lines is not None:
        write_list(folder, lines)
    words = [*flags, f"{folder}{root}", folder / "list.txt", folder / target]
    capsys.readouterr()
    status = main(["convert_imageset", *map(str, words)])
    text = capsys.readouterr().err
    logged = re.findall(r"^([IWE])\d{4} .*?\] (.*)$", text, re.MULTILINE)
    return status, logged, text.splitlines()[-1]


def read(path, kind="lmdb"):
    """Keys and Datums."""
    with open_database(path, kind) as database:
        return {key.decode(): Datum.FromString(value) for key, value in database.records()}


# --- pixels ------------------------------------------------------------------------------------


def test_records_are_as_caffes_converter_writes_them(folder, images, kind, capsys):
    status, logged, _ = run(capsys, folder, f"-backend={kind}")
    assert status == 0
    assert logged == [("I", "A total of 6 images."), ("I", "Processed 6 files.")]
    with open_database(folder / "db", kind) as database:
        records = list(database.records())
    assert [key for key, _ in records] == [b"%08d_img/%d.png" % (i, i) for i in range(6)]
    for i, (_, value) in enumerate(records):
        # By hand: channels 3, height 4, width 5, 60 bytes of data, label, encoded: false.
        assert value == b"\x08\x03\x10\x04\x18\x05\x22\x3c" + images[i].tobytes() + bytes([0x28, 10 + i, 0x38, 0])


@pytest.mark.parametrize("flags", [[], ["-encoded"], ["-encode_type", "bmp"]])
def test_a_data_layer_gives_the_pixels_back(folder, images, kind, capsys, flags):
    assert run(capsys, folder, "-backend", kind, *flags)[0] == 0
    source = f'data_param {{ source: "{folder}/db" backend: {kind.upper()} batch_size: 6 }}'
    path = folder / "net.prototxt"
    path.write_text(f'layer {{ name: "d" type: "Data" top: "x" top: "t" {source} }}')
    with Net(path, TEST) as net:
        net.run_forward()
        assert_array_equal(net.blobs["x"].data, images)
        assert_array_equal(net.blobs["t"].data, np.arange(10, 16))


def test_gray_and_resized(folder, images, capsys):
    assert run(capsys, folder, "-gray", "-resize_height", "7", "-resize_width=6")[0] == 0
    for i, datum in enumerate(read(folder / "db").values()):
        assert (datum.channels, datum.height, datum.width) == (1, 7, 6)
        gray = decode_image((folder / "img" / f"{i}.png").read_bytes(), False)
        assert datum.data == resize(gray, 7, 6).tobytes()


@pytest.mark.parametrize(
    "flags", [["-resize_height=7"], ["-resize_width=7"], ["-resize_height=-7", "-resize_width=-7"], ["-nogray"]]
)
def test_one_size_alone_and_negative_ones_do_not_resize(folder, images, capsys, flags):
    assert run(capsys, folder, *flags)[0] == 0
    assert [datum.data for datum in read(folder / "db").values()] == [image.tobytes() for image in images]


def test_the_root_folder_is_put_before_names_as_it_is(folder, capsys):
    assert run(capsys, folder, root="/im", lines=["g/1.png 3", "g/../img/2.png 4"])[0] == 0
    assert list(read(folder / "db")) == ["00000000_g/1.png", "00000001_g/../img/2.png"]


def test_shuffling(folder, images, capsys):
    lines = [f"img/{i % 6}.png {i}" for i in range(60)]
    orders = []
    for target, flags in {"a": ["-seed=1"], "b": ["-seed", "1"], "c": ["-seed", "2"], "d": [], "e": []}.items():
        status, logged, _ = run(capsys, folder, "-shuffle", *flags, target=target, lines=lines)
        assert status == 0
        assert logged[:2] == [("I", "Shuffling data"), ("I", "A total of 60 images.")]
        found = read(folder / target)
        labels = [datum.label for datum in found.values()]
        # The number is the place in the new order; file, label and pixels stay together.
        assert list(found) == [f"{i:08d}_img/{label % 6}.png" for i, label in enumerate(labels)]
        assert all(datum.data == images[datum.label % 6].tobytes() for datum in found.values())
        assert sorted(labels) == list(range(60)) != labels
        orders.append(labels)
    assert orders[0] == orders[1]
    # One in 60! would be an accident.
    assert len({tuple(order) for order in orders}) == 4


def test_a_line_in_the_log_for_each_thousand(folder, capsys):
    _, logged, _ = run(capsys, folder, lines=[f"img/{i % 6}.png 0" for i in range(2003)])
    texts = [f"Processed {n} files." for n in (1000, 2000, 2003)]
    assert [text for _, text in logged] == ["A total of 2003 images.", *texts]
    _, logged, _ = run(capsys, folder, target="even", lines=[f"img/{i % 6}.png 0" for i in range(1000)])
    assert [text for _, text in logged] == ["A total of 1000 images.", "Processed 1000 files."]


def test_sizes_may_differ_unless_they_are_checked(folder, rng, capsys):
    # As many pixels, another shape.
    picture(rng.integers(0, 256, (3, 5, 4), np.uint8)).save(folder / "img" / "3.png")
    assert run(capsys, folder)[0] == 0
    assert len(read(folder / "db")) == 6
    status, _, last = run(capsys, folder, "-check_size", target="checked")
    assert status == 1
    assert last == (
        f"error: {folder}/list.txt:4: Incorrect data field size 60: {folder}/img/3.png is 3 x 5 x 4 (C x H x W), "
        "the first image 3 x 4 x 5; resize all, or leave --check_size out"
    )
    assert not (folder / "checked").exists()
    sized = ["-check_size", "-resize_height=2", "-resize_width=2"]
    assert run(capsys, folder, *sized, target="sized")[0] == 0


# --- image files -------------------------------------------------------------------------------


def file_of(image, kind, **options):
    stream = io.BytesIO()
    picture(image).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def mixed(tmp_path, images):
    """The same picture as a.png, b.JPG, c.jpeg and d, which is a PNG file too; their bytes by name."""
    smooth = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    kinds = {"a.png": "PNG", "b.JPG": "JPEG", "c.jpeg": "JPEG", "d": "PNG"}
    # Not as the tool itself would write it.
    options = {"PNG": {"compress_level": 0}, "JPEG": {"quality": 60}}
    files = {name: file_of(smooth, kind, **options[kind]) for name, kind in kinds.items()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    write_list(tmp_path, [f"{name} 3" for name in files])
    return files


def stored(path):
    """The bytes stored of each file, by name; sizes must not be."""
    found = {}
    for key, datum in read(path).items():
        assert datum.encoded and datum.label == 3
        assert not (datum.HasField("channels") or datum.HasField("height") or datum.HasField("width"))
        found[key[9:]] = datum.data
    return found


def format_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.format, image.mode


def test_encoded_keeps_the_files(tmp_path, mixed, capsys):
    status, logged, _ = run(capsys, tmp_path, "-encoded")
    assert status == 0
    assert stored(tmp_path / "db") == mixed
    assert ("W", "Failed to guess the encoding of 'd'") in logged


@pytest.mark.parametrize("kind", ["jpg", "JPG", "jpeg"])
def test_a_type_keeps_the_files_that_have_it(tmp_path, mixed, capsys, kind):
    status, logged, _ = run(capsys, tmp_path, "-encode_type", kind)
    assert status == 0
    assert logged[1] == ("I", "encode_type specified, assuming encoded=true.")
    found = stored(tmp_path / "db")
    assert {name for name, data in found.items() if data == mixed[name]} == {"b.JPG", "c.jpeg"}
    assert {format_of(data) for data in found.values()} == {("JPEG", "RGB")}


def test_what_is_resized_is_encoded_again_in_its_own_type(tmp_path, mixed, capsys):
    _, logged, _ = run(capsys, tmp_path, "-encoded", "-resize_height=4", "-resize_width=6")
    found = stored(tmp_path / "db")
    assert {name: format_of(data)[0] for name, data in found.items()} == {
        "a.png": "PNG",
        "b.JPG": "JPEG",
        "c.jpeg": "JPEG",
    }
    wanted = resize(decode_image(mixed["a.png"], True), 4, 6)
    assert_array_equal(decode_image(found["a.png"], True), wanted)
    # The name of the last does not tell its type.
    text = f'{tmp_path}/list.txt:4: {tmp_path}/d: cannot be stored as "d"; the types that can be written are png, jpg, '
    assert any(severity == "E" and line.startswith(text) for severity, line in logged)
    assert any(line.endswith("; give --encode_type") for _, line in logged)


def test_one_size_alone_encodes_again_without_resizing(tmp_path, mixed, capsys):
    run(capsys, tmp_path, "-encoded", "-resize_height=4", lines=["a.png 3"])
    (data,) = stored(tmp_path / "db").values()
    assert data != mixed["a.png"]
    assert_array_equal(decode_image(data, True), decode_image(mixed["a.png"], True))


def test_gray_stores_coloured_files_as_they_are_but_encodes_grey_ones(tmp_path, mixed, capsys):
    """Caffe's trap: the file is kept, in colour, wherever its type is right."""
    run(capsys, tmp_path, "-gray", "-encode_type=png")
    found = stored(tmp_path / "db")
    assert found["a.png"] == mixed["a.png"]
    assert {name: format_of(data) for name, data in found.items()} == {
        "a.png": ("PNG", "RGB"),
        "b.JPG": ("PNG", "L"),
        "c.jpeg": ("PNG", "L"),
        "d": ("PNG", "L"),
    }
    assert_array_equal(decode_image(found["b.JPG"], None), decode_image(mixed["b.JPG"], False))


# --- images that cannot be read ----------------------------------------------------------------


def test_unreadable_images_are_named_and_counted_and_the_rest_is_converted(folder, images, kind, capsys):
    (folder / "img" / "2.png").write_text("no image")
    (folder / "img" / "4.png").write_bytes((folder / "img" / "4.png").read_bytes()[:60])
    lines = [f"img/{i}.png {10 + i}" for i in range(6)]
    lines[1:1] = ["img/absent.png 3", "", "img/0.png 99999999999"]
    status, logged, last = run(capsys, folder, "-backend", kind, lines=lines)
    assert status == 0
    place = f"{folder}/list.txt"
    reader = "is no image that (OpenCV|Pillow) can read"
    errors = [
        f"{place}:2: {folder}/img/absent.png: cannot be read: no such file or directory",
        f"{place}:3: names no image; take the line out",
        f"{place}:4: has the label 99999999999, must lie between -2147483648 and 2147483647",
        f"{place}:6: {folder}/img/2.png: the file {reader}",
        f"{place}:8: {folder}/img/4.png: the file {reader}",
        f"5 of 9 images could not be read, and are not in {folder}/db; see above",
    ]
    found = [text for severity, text in logged if severity == "E"]
    assert len(found) == len(errors)
    for text, pattern in zip(found, errors, strict=True):
        assert re.match(pattern, text), text
    assert ("I", "Processed 4 files.") in logged
    assert last.endswith(errors[-1])
    # Lines that failed have had their number.
    found = read(folder / "db", kind)
    assert list(found) == [f"{n:08d}_img/{i}.png" for n, i in ((0, 0), (4, 1), (6, 3), (8, 5))]
    assert [datum.data for datum in found.values()] == [images[i].tobytes() for i in (0, 1, 3, 5)]


def test_a_list_of_which_nothing_can_be_read_makes_no_database(folder, kind, capsys):
    status, logged, last = run(capsys, folder, "-backend", kind, root="/absent", lines=["a.png 1", "b.png 2"])
    assert status == 1
    text = "none of its 2 images could be read; see above why, and correct the list or ROOTFOLDER/"
    assert last == f"error: {folder}/list.txt: {text}"
    assert [severity for severity, _ in logged] == ["I", "E", "E"]
    assert sorted(os.listdir(folder)) == ["img", "list.txt"]


def test_a_path_that_is_too_long_for_a_key(folder, kind, capsys):
    long = "img/" + "./" * 250 + "1.png"
    status, logged, _ = run(capsys, folder, "-backend", kind, lines=["img/0.png 0", f"{long} 1", "img/2.png 2"])
    assert status == 0
    assert len(read(folder / "db", kind)) == (2 if kind == "lmdb" else 3)
    text = "a key of 518 bytes is longer than an LMDB's 511; shorten the path, or use --backend leveldb"
    assert (("E", f"{folder}/list.txt:2: {text}") in logged) == (kind == "lmdb")


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["-encode_type", "gif"], "--encode_type is gif; the types that can be written are png, jpg, jpeg, bmp, tif, "),
        (["-check_size", "-encoded"], "--check_size compares raw pixels, and --encoded stores none; leave one of them"),
        (["-check_size", "-encode_type=png"], "--check_size compares raw pixels, and --encoded stores none"),
        (["-backend", "hdf5"], 'Unknown database backend "hdf5"; known are lmdb and leveldb'),
        (["-resize_width", "wide"], "argument --resize_width: invalid int32 value: 'wide'; minicaffe convert_imageset"),
        (["-resize_width=3000000000"], "argument --resize_width: invalid int32 value: '3000000000'; "),
        (
            ["-resize_height=30000", "-resize_width=30000"],
            "--resize_height 30000 and --resize_width 30000 make images of 2,700,000,000 bytes; a Datum holds 2,14",
        ),
        (["-grey"], "unknown command line flag 'grey'; do you mean --gray?; minicaffe convert_imageset -help lists"),
        (["-gray=maybe"], "illegal value 'maybe' for the flag 'gray', which is true or false"),
    ],
)
def test_flags_that_cannot_be(folder, capsys, flags, text):
    status, _, last = run(capsys, folder, *flags)
    assert status == 1
    assert last.startswith(f"error: {text}")
    assert not (folder / "db").exists()


def test_arguments_that_are_missing(capsys):
    assert main(["convert_imageset", "/", "list.txt"]) == 1
    assert "error: the following arguments are required: DB_NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "text"), [(None, "cannot be read: no such file"), ("", "is empty; write a line for each image")]
)
def test_lists_that_cannot_be(folder, capsys, content, text):
    (folder / "list.txt").unlink()
    if content is not None:
        (folder / "list.txt").write_text(content)
    status, _, last = run(capsys, folder)
    assert status == 1
    assert last.startswith(f"error: {folder}/list.txt: {text}")
    assert not (folder / "db").exists()


def test_a_database_that_is_there_stays(folder, kind, capsys):
    (folder / "db").mkdir()
    (folder / "db" / "mine").write_text("mine")
    status, _, last = run(capsys, folder, "-backend", kind)
    assert status == 1
    assert last == f"error: mkdir {folder}/db failed: it exists already; remove it, or give another name"
    assert os.listdir(folder / "db") == ["mine"]


# --- half-written databases --------------------------------------------------------------------


def test_a_disk_that_fills_leaves_no_database(folder, kind):
    write_list(folder, [f"img/{i % 6}.png {i}" for i in range(4000)])
    words = ["-m", "minicaffe.tools.convert_imageset", "-backend", kind, f"{folder}/", "list.txt", "db"]

    def limit():
        # Nothing longer than 100 kB can be written: 4000 records of some 90 bytes are.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, preexec_fn=limit, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    # LMDB takes a write that was cut short for a broken disk.
    assert re.match("error: db: the database cannot be written: .*([Ff]ile too large|Input/output error)", last), last
    assert "have room" in last
    assert sorted(os.listdir(folder)) == ["img", "list.txt"]


def test_a_killed_conversion_leaves_nothing_to_believe_in_and_the_next_one_clears_up(folder, capsys):
    # The last image is a pipe that nobody writes to: the conversion waits there, with the others committed.
    os.mkfifo(folder / "img" / "pipe.png")
    write_list(folder, [*(f"img/{i % 6}.png {i}" for i in range(1001)), "img/pipe.png 0"])
    words = ["-m", "minicaffe", "convert_imageset", f"{folder}/", "list.txt", "db"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "Processed 1000 files." in line:
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = sorted(set(os.listdir(folder)) - {"img", "list.txt"})
    assert len(left) == 1 and re.fullmatch(r"\.db\.\d+@.*\.tmp", left[0])
    assert run(capsys, folder, lines=["img/0.png 3"])[0] == 0
    assert sorted(os.listdir(folder)) == ["db", "img", "list.txt"]
    assert len(read(folder / "db")) == 1
