"""Features: what blobs hold, item by item, in databases; their Datums; what is logged and refused."""

import os
import re
import sys

import numpy as np
import pytest
from data_kit import write_database
from numpy.testing import assert_array_equal

from minicaffe import backend, log
from minicaffe.cli.main import main
from minicaffe.io.database import open_database
from minicaffe.io.datum import decode_batch, make_datum
from minicaffe.layers import consent
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TEST, TRAIN, Datum

# 4 items a batch, of which the TEST net keeps what it drops in training.
NET = """
name: "features"
layer {{ name: "data" type: "Data" top: "data" top: "label"
  data_param {{ {source} batch_size: 4 }} transform_param {{ scale: 0.01 }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 2 kernel_size: 2 weight_filler {{ type: "gaussian" std: 1 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param {{ num_output: 5 weight_filler {{ type: "gaussian" std: 1 }} }} }}
layer {{ name: "drop" type: "Dropout" bottom: "ip" top: "drop" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "drop" bottom: "label" top: "loss" }}
layer {{ name: "folded" type: "Reshape" bottom: "drop" top: "folded" reshape_param {{ shape {{
  dim: 4 dim: 1 dim: 1 dim: 1 dim: 5 }} }} include {{ stage: "never" }} }}
"""
SHAPES = {"conv": (2, 2, 3), "drop": (5, 1, 1), "label": (1, 1, 1)}


@pytest.fixture
def folder(tmp_path, rng):
    """Twelve pictures, the net and its weights."""
    images = rng.integers(0, 256, (12, 1, 3, 4), np.uint8)
    source = write_database(tmp_path / "images", [make_datum(image, i % 5) for i, image in enumerate(images)])
    (tmp_path / "net.prototxt").write_text(NET.format(source=source))
    with Net(tmp_path / "net.prototxt", TRAIN) as net:
        net.save(tmp_path / "w.caffemodel")
    return tmp_path


def run(capsys, folder, blobs, databases, *rest):
    """(exit status, (severity, message) of each log line, last line of stderr)."""
    paths = ",".join(str(folder / name) for name in databases.split(",") if name)
    capsys.readouterr()
    words = [folder / "w.caffemodel", folder / "net.prototxt", blobs, paths, *rest]
    status = main(["extract_features", *map(str, words)])
    text = capsys.readouterr().err
    logged = re.findall(r"^([IWE])\d{4} .*?\] (.*)$", text, re.MULTILINE)
    return status, logged, text.splitlines()[-1]


def read(path, kind="lmdb"):
    with open_database(path, kind) as database:
        return list(database.records())


def expected(folder, blobs, batches):
    """What a net gives for these blobs, (items, C, H, W)."""
    found = {blob: [] for blob in blobs}
    with Net(folder / "net.prototxt", TEST, weights=folder / "w.caffemodel") as net:
        for _ in range(batches):
            net.run_forward()
            for blob, values in found.items():
                values.append(net.blobs[blob].data.reshape(4, *SHAPES[blob]).copy())
    return {blob: np.concatenate(values) for blob, values in found.items()}


def test_features_of_several_blobs(folder, kind, capsys):
    status, logged, _ = run(capsys, folder, "conv,drop,label", "a,b,c", 3, kind)
    assert status == 0
    wanted = expected(folder, SHAPES, 3)
    for name, blob in zip("abc", SHAPES, strict=True):
        records = read(folder / name, kind)
        assert [key for key, _ in records] == [b"%010d" % i for i in range(12)]
        assert_array_equal(decode_batch([value for _, value in records]).items, wanted[blob])
        for _, value in records:
            datum = Datum.FromString(value)
            assert (datum.channels, datum.height, datum.width) == SHAPES[blob]
            assert not (datum.HasField("label") or datum.HasField("encoded") or datum.HasField("data"))
    # In training half of it would be 0.
    assert np.all(wanted["drop"] != 0)
    errors = [text for severity, text in logged if severity == "E"]
    assert errors == [
        "Using CPU",
        "Extracting Features",
        *(f"Extracted features of 12 query images for feature blob {blob}" for blob in SHAPES),
        "Successfully extracted the features!",
    ]
    assert [("I", f"Opening dataset {folder}/{name}") for name in "abc"] == [
        line for line in logged if line[1].startswith("Opening dataset")
    ]


def test_the_bytes_of_a_datum(folder):
    assert main(["extract_features", *paths_of(folder), "drop", f"{folder}/a", "1", "lmdb"]) == 0
    # By hand: channels 5, height 1, width 1, then each value behind a tag of its own, as Caffe writes them.
    values = expected(folder, ["drop"], 1)["drop"].astype("<f4")
    start = b"\x08\x05\x10\x01\x18\x01"
    for (_, value), item in zip(read(folder / "a"), values, strict=True):
        assert value == start + b"".join(b"\x35" + number.tobytes() for number in item.ravel())


def paths_of(folder):
    return [f"{folder}/w.caffemodel", f"{folder}/net.prototxt"]


def test_a_data_layer_reads_them(folder):
    assert main(["extract_features", *paths_of(folder), "conv", f"{folder}/a", "3", "lmdb", "CPU"]) == 0
    path = folder / "reader.prototxt"
    source = f'data_param {{ source: "{folder}/a" backend: LMDB batch_size: 12 }}'
    path.write_text(f'layer {{ name: "d" type: "Data" top: "x" {source} }}')
    with Net(path, TEST) as net:
        net.run_forward()
        assert_array_equal(net.blobs["x"].data, expected(folder, ["conv"], 3)["conv"])


def test_the_data_may_be_read_more_than_once(folder, capsys):
    _, logged, _ = run(capsys, folder, "drop,conv", "a,b", 501, "lmdb")
    lines = [text for severity, text in logged if severity == "E" and "query" in text]
    of = "query images for feature blob"
    # Item by item, a batch of each blob in turn.
    assert lines == [f"Extracted features of {n} {of} {b}" for n in (1000, 2000, 2004) for b in ("drop", "conv")]
    records = read(folder / "a")
    assert len(records) == 2004
    assert records[0][1] == records[12][1] == records[1992][1]


def test_log_level_error_shows_how_far_it_is(folder, capsys):
    log.set_level(log.ERROR)
    _, logged, _ = run(capsys, folder, "drop", "a", 1, "lmdb")
    assert [severity for severity, _ in logged] == ["E"] * 4


def test_on_a_gpu(folder, fake_gpu, capsys):
    backend.set_mode_cpu()
    status, logged, _ = run(capsys, folder, "drop", "a", 3, "lmdb", "GPU", 1)
    assert status == 0
    assert [text for severity, text in logged if severity == "E"][:2] == ["Using GPU", "Using Device_id=1"]
    found = decode_batch([value for _, value in read(folder / "a")]).items
    backend.set_mode_cpu()
    np.testing.assert_allclose(found, expected(folder, ["drop"], 3)["drop"], rtol=1e-5, atol=1e-5)


def test_features_of_a_real_network(models_dir, tmp_path, rng):
    """LeNet of 2014: the scores of the classes are those that the net gives."""
    images = rng.integers(0, 256, (5, 1, 28, 28), np.uint8)
    source = write_database(tmp_path / "images", [make_datum(image) for image in images])
    layers = [f'layer {{ name: "mnist" type: "Data" top: "data" data_param {{ {source} batch_size: 5 }} }}']
    for i, (name, count) in enumerate((("conv1", 20), ("conv2", 50)), start=1):
        bottom = "data" if i == 1 else "pool1"
        convolution = f"convolution_param {{ num_output: {count} kernel_size: 5 }}"
        layers.append(f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {convolution} }}')
        pooling = "pooling_param { kernel_size: 2 stride: 2 }"
        layers.append(f'layer {{ name: "pool{i}" type: "Pooling" bottom: "{name}" top: "pool{i}" {pooling} }}')
    for bottom, name, count in (("pool2", "ip1", 500), ("ip1", "ip2", 10)):
        product = f"inner_product_param {{ num_output: {count} }}"
        layers.append(f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {product} }}')
        if name == "ip1":
            layers.append('layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }')
    net_file, weights = tmp_path / "net.prototxt", models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    net_file.write_text("\n".join(layers))
    words = [weights, net_file, "ip2", tmp_path / "scores", 1, "lmdb"]
    assert main(["extract_features", *map(str, words)]) == 0
    with Net(net_file, TEST, weights=weights) as net:
        net.run_forward()
        found = decode_batch([value for _, value in read(tmp_path / "scores")]).items
        assert_array_equal(found.reshape(5, 10), net.blobs["ip2"].data)


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["drop", "a", 0, "lmdb"], "NUM_BATCHES is 0, must be 1 or more"),
        (
            ["drop", "a", "some", "lmdb"],
            "argument NUM_BATCHES: invalid int32 value: 'some'; minicaffe extract_features",
        ),
        (["drop,conv", "a", 1, "lmdb"], "2 blobs and 1 databases are named; the number of blob names and dataset"),
        (["drop", "a,b", 1, "lmdb"], "1 blobs and 2 databases are named; the number of blob names and dataset"),
        (
            ["fc7", "a", 1, "lmdb"],
            "Unknown feature blob name fc7 in the network features; its blobs are data, label, conv, ip, drop, loss",
        ),
        (["drop", "a", 1, "hdf5"], 'Unknown database backend "hdf5"; known are lmdb and leveldb'),
        (["drop", "a", 1, "lmdb", "TPU"], "argument CPU|GPU: invalid choice: 'TPU'"),
        (["drop", "a", 1, "lmdb", "GPU", "first"], "argument DEVICE_ID: invalid int32 value: 'first'"),
        (["drop", "a", 1, "lmdb", "CPU", 0, "more"], "one argument too many: 'more'"),
        (["drop", "a", 1], "the following arguments are required: DB_TYPE"),
        (["drop", "a", 1, "lmdb", "GPU", 99], "cannot use GPU 99: "),
    ],
)
def test_arguments_that_cannot_be(folder, capsys, words, text):
    status, _, last = run(capsys, folder, *words)
    assert status == 1
    assert last.startswith(f"error: {text}")
    assert not (folder / "a").exists()


def test_two_blobs_in_one_database(folder, capsys):
    status, _, last = run(capsys, folder, "drop,conv", "a,./a", 1, "lmdb")
    assert status == 1
    assert last == f"error: {folder}/a,{folder}/a: two blobs cannot be written into one database; name another"


def test_a_blob_of_five_axes(folder, capsys):
    text = (folder / "net.prototxt").read_text()
    (folder / "net.prototxt").write_text(text.replace('include { stage: "never" }', ""))
    status, _, last = run(capsys, folder, "folded", "a", 1, "lmdb")
    assert status == 1
    assert last == "error: the blob folded has 5 axes, a Datum has room for 4; flatten it by a Flatten layer"


def test_a_database_that_is_there_stays_and_no_other_is_made(folder, kind, capsys):
    (folder / "b").mkdir()
    before = sorted(os.listdir(folder))
    status, logged, last = run(capsys, folder, "drop,conv", "a,b", 1, kind)
    assert status == 1
    assert last == f"error: mkdir {folder}/b failed: it exists already; remove it, or give another name"
    assert "Extracting Features" not in [text for _, text in logged]
    assert sorted(os.listdir(folder)) == before


def test_a_pass_that_fails_leaves_no_database(folder, kind, capsys):
    # The second batch has a label that is no class.
    values = [make_datum(np.ones((1, 3, 4), np.uint8), 0)] * 7 + [make_datum(np.ones((1, 3, 4), np.uint8), 5)]
    source = write_database(folder / "wrong", values)
    (folder / "net.prototxt").write_text(NET.format(source=source))
    before = sorted(os.listdir(folder))
    status, _, last = run(capsys, folder, "drop", "a", 2, kind)
    assert status == 1
    assert 'layer "loss" (SoftmaxWithLoss)' in last and "label" in last
    assert sorted(os.listdir(folder)) == before


def test_missing_weights(folder, capsys):
    (folder / "w.caffemodel").unlink()
    status, _, last = run(capsys, folder, "drop", "a", 1, "lmdb")
    assert status == 1
    assert last.startswith(f"error: Could not open file {folder}/w.caffemodel: no such file or directory")


PYTHON_LAYER = """
import minicaffe as caffe


class Plus(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + 1000
"""


def test_python_layers_need_consent(folder, capsys, monkeypatch):
    monkeypatch.delenv(consent.ENVIRONMENT, raising=False)
    monkeypatch.syspath_prepend(folder)
    (folder / "features_plus.py").write_text(PYTHON_LAYER)
    layer = 'layer { name: "p" type: "Python" bottom: "ip" top: "p" python_param { module: "features_plus" '
    with open(folder / "net.prototxt", "a") as file:
        file.write(layer + 'layer: "Plus" } }')
    status, _, last = run(capsys, folder, "p,ip", "a,b", 1, "lmdb")
    assert status == 1
    assert "--python-layer features_plus" in last
    status, _, _ = run(capsys, folder, "p,ip", "a,b", 1, "lmdb", "--python-layer", "features_plus")
    sys.modules.pop("features_plus")
    assert status == 0
    plus, ip = (decode_batch([value for _, value in read(folder / name)]).items for name in "ab")
    assert_array_equal(plus, ip + np.float32(1000))
