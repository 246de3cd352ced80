"""Mean images: their numbers, the file's bytes, what is logged, and what is refused."""

import io
import re

import numpy as np
import pytest
from data_kit import picture, write_database
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.cli.main import main
from minicaffe.io.blobproto import read_binaryproto
from minicaffe.io.database import open_database
from minicaffe.io.datum import make_datum, make_encoded_datum
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TEST, BlobProto
from minicaffe.tools import compute_image_mean
from minicaffe.tools.compute_image_mean import mean_of

SHAPE = (3, 4, 5)


@pytest.fixture
def images(rng):
    # More than one batch, and a rest.
    return rng.integers(0, 256, (150, *SHAPE), np.uint8)


def run(capsys, *words):
    """(exit status, messages, last line of stderr)."""
    status = main(["compute_image_mean", *map(str, words)])
    text = capsys.readouterr().err
    return status, re.findall(r"^I.*?\] (.*)$", text, re.MULTILINE), text.splitlines()[-1]


def mean_by_hand(images):
    return np.array([sum(int(v) for v in column) / len(images) for column in images.reshape(len(images), -1).T])


def test_the_mean_of_raw_images(tmp_path, images, kind, capsys):
    write_database(tmp_path / "db", [make_datum(image, 3) for image in images], kind)
    # As Caffe's flags may stand: anywhere.
    status, logged, _ = run(capsys, tmp_path / "db", f"-backend={kind}", tmp_path / "mean.binaryproto")
    assert status == 0
    blob = BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, *SHAPE)
    assert not blob.HasField("shape")
    wanted = mean_by_hand(images).astype(np.float32)
    assert_array_equal(np.float32(blob.data), wanted)
    # As the legacy sizes stand in front of the values, in the order of their numbers.
    start = b"\x08\x01\x10\x03\x18\x04\x20\x05\x2a\xf0\x01"
    assert (tmp_path / "mean.binaryproto").read_bytes() == start + wanted.tobytes()
    channels = mean_by_hand(images).reshape(3, -1).mean(axis=1)
    assert logged == [
        "Starting iteration",
        "Processed 150 files.",
        f"Write to {tmp_path}/mean.binaryproto",
        "Number of channels: 3",
        *(f"mean_value channel [{c}]: {value:g}" for c, value in enumerate(channels)),
    ]


def test_without_an_output_file_the_means_are_logged_alone(tmp_path, images, capsys):
    write_database(tmp_path / "db", [make_datum(images[0][:1])])
    status, logged, _ = run(capsys, tmp_path / "db")
    assert status == 0
    value = f"{images[0][0].mean():g}"
    lines = ["Starting iteration", "Processed 1 files.", "Number of channels: 1", f"mean_value channel [0]: {value}"]
    assert logged == lines
    assert [path.name for path in tmp_path.iterdir()] == ["db"]


def test_encoded_images_keep_their_channels(tmp_path, images, capsys):
    def png(image):
        stream = io.BytesIO()
        picture(image).save(stream, "PNG")
        return make_encoded_datum(stream.getvalue(), 1)

    for channels in (1, 3):
        chosen = images[:70, :channels]
        write_database(tmp_path / f"db{channels}", [png(image) for image in chosen])
        path = tmp_path / f"mean{channels}"
        status, logged, _ = run(capsys, tmp_path / f"db{channels}", path)
        assert status == 0
        assert logged[:2] == ["Decoding Datum", "Starting iteration"]
        assert_array_equal(read_binaryproto(path).data.ravel(), mean_by_hand(chosen).astype(np.float32))


def test_float_data(tmp_path, rng, capsys):
    values = rng.normal(size=(70, *SHAPE)).astype(np.float32)
    write_database(tmp_path / "db", [make_datum(value) for value in values])
    assert run(capsys, tmp_path / "db", tmp_path / "mean")[0] == 0
    wanted = values.astype(np.float64).mean(axis=0, keepdims=True)
    assert_allclose(read_binaryproto(tmp_path / "mean").data, wanted, rtol=1e-6, atol=1e-9)


def test_a_data_layer_subtracts_it(tmp_path, images):
    source = write_database(tmp_path / "db", [make_datum(image, 0) for image in images])
    assert main(["compute_image_mean", str(tmp_path / "db"), str(tmp_path / "mean")]) == 0
    path = tmp_path / "net.prototxt"
    settings = f'transform_param {{ mean_file: "{tmp_path}/mean" }} data_param {{ {source} batch_size: 150 }}'
    path.write_text(f'layer {{ name: "d" type: "Data" top: "x" top: "t" {settings} }}')
    with Net(path, TEST) as net:
        net.run_forward()
        assert_allclose(net.blobs["x"].data.mean(axis=0, dtype=np.float64), np.zeros(SHAPE), atol=1e-4)


def test_what_is_logged_on_the_way(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compute_image_mean, "_EVERY", 50)
    write_database(tmp_path / "db", [make_datum(np.ones(SHAPE, np.uint8))] * 150)
    lines = [line for line in run(capsys, tmp_path / "db")[1] if "Processed" in line]
    assert lines == ["Processed 50 files.", "Processed 100 files.", "Processed 150 files."]


def test_a_sum_that_float32_does_not_hold(tmp_path):
    """2^24 and then ones: added in float32 they would change nothing."""
    values = [np.full((1, 1, 1), 2.0**24)] + [np.ones((1, 1, 1))] * 99
    write_database(tmp_path / "db", [make_datum(value.astype(np.float32)) for value in values])
    with open_database(tmp_path / "db", "lmdb") as database:
        assert mean_of(database).item() == (2**24 + 99) / 100


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", [1, 63, 64, 149])
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 4, 5)])
def test_images_of_two_sizes(tmp_path, images, capsys, place, shape):
    values = [make_datum(image) for image in images]
    values[place] = make_datum(np.ones(shape, np.uint8))
    write_database(tmp_path / "db", values)
    status, _, last = run(capsys, tmp_path / "db", tmp_path / "mean")
    assert status == 1
    sizes = " x ".join(map(str, shape))
    assert last == (
        f"error: {tmp_path}/db: Incorrect data field size {np.prod(shape)}: record b'{place:05d}' is {sizes} (C x H x "
        "W), the first 3 x 4 x 5; make the database again with images of one size"
    )
    assert not (tmp_path / "mean").exists()


def test_an_empty_database(tmp_path, kind, capsys):
    write_database(tmp_path / "db", [], kind)
    status, _, last = run(capsys, tmp_path / "db", "-backend", kind)
    assert (status, last) == (1, f"error: {tmp_path}/db: is empty: there are no images to average")


def test_a_damaged_record(tmp_path, images, capsys):
    write_database(tmp_path / "db", [make_datum(images[0]), make_encoded_datum(b"no image", 0)])
    status, _, last = run(capsys, tmp_path / "db", tmp_path / "mean")
    assert status == 1
    assert last.startswith(f"error: {tmp_path}/db: record b'00001' is no image that ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "the following arguments are required: INPUT_DB; minicaffe compute_image_mean -help lists all flags"),
        (["a", "b", "c"], "one argument too many: 'c'"),
        (["absent"], "absent: no such folder"),
        (["DB", "-backend", "leveldb"], "{}: is not a LevelDB: it has no file CURRENT (it holds data.mdb"),
        (["DB", "-backend", "hdf5"], 'Unknown database backend "hdf5"; known are lmdb and leveldb'),
        (["DB", "/no/where"], "/no/where: cannot be written: no such file or directory; create the folder first"),
    ],
)
def test_arguments_that_cannot_be(tmp_path, images, capsys, words, text):
    write_database(tmp_path / "db", [make_datum(images[0])])
    status, logged, last = run(capsys, *(word.replace("DB", f"{tmp_path}/db") for word in words))
    # Before any image is read.
    assert (status, logged) == (1, [])
    assert last.startswith("error: " + text.replace("{}", f"{tmp_path}/db"))
