"""Data: which records come in which order, and what is logged. More in test_data_state, _thread and _refusals."""

import io
import threading
import time

import numpy as np
import pytest
from data_kit import batches, picture, write_database
from harness import check_rejected
from numpy.testing import assert_array_equal
from watch import wait_for

from minicaffe.errors import ShapeError
from minicaffe.io.database import create_database
from minicaffe.io.datum import make_datum
from minicaffe.layers import base_prefetching_data as base
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TEST, TRAIN

SHAPE = (3, 4, 5)
COUNT = 7  # records
pytestmark = pytest.mark.usefixtures("all_is_logged")


def lines(capsys):
    """Severity and text of what was logged since the last call."""
    found = [line.split(None, 4) for line in capsys.readouterr().err.splitlines()]
    return [(line[0][0], line[4]) for line in found]


def encoded(image):
    file = io.BytesIO()
    picture(image).save(file, "PNG")
    return caffe_pb2.Datum(data=file.getvalue(), encoded=True, label=4).SerializeToString()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_records_come_in_order_and_round_and_round(backend, order, layer, db, images, batch_size):
    run = layer(db, batch_size)
    assert [top.shape for top in run.top] == [(batch_size, *SHAPE), (batch_size,)]
    for i, (data, label) in enumerate(batches(run, 4)):
        place = np.arange(i * batch_size, (i + 1) * batch_size) % COUNT
        assert_array_equal(data, images[place])
        assert_array_equal(label, 10 + place)


def test_order_is_that_of_the_keys_not_of_writing(layer, tmp_path, kind, images):
    keys = [b"10", b"9", b"\xff", b"1", b"\x00"]
    with create_database(tmp_path / "db", kind) as writer:
        for key, image in zip(keys, images, strict=False):
            writer.put(key, make_datum(image))
    (data, label), *_ = batches(layer(f'source: "{tmp_path / "db"}" backend: {kind.upper()}', 5), 1)
    assert_array_equal(data, images[[4, 3, 0, 1, 2]])
    # A Datum without a label counts as 0.
    assert_array_equal(label, np.zeros(5))


def test_leveldb_is_the_default(layer, tmp_path, images):
    pytest.importorskip("plyvel")
    write_database(tmp_path / "db", [make_datum(images[0])], "leveldb")
    (data, _), *_ = batches(layer(f'source: "{tmp_path / "db"}"', 1), 1)
    assert_array_equal(data[0], images[0])


def test_without_a_second_top_there_are_no_labels(backend, layer, db, images):
    run = layer(db, tops=1)
    for place in ([0, 1, 2], [3, 4, 5], [6, 0, 1]):
        assert_array_equal(run.forward().top[0].data, images[place])


def test_transformed_as_the_phase_asks(layer, db, images):
    text = "transform_param { crop_size: 3 scale: 0.5 mean_value: 100 }"
    (data, _), *_ = batches(layer(db, 7, text, phase=TEST), 1)
    assert_array_equal(data, (images[:, :, :3, 1:4].astype(np.float32) - 100) / 2)
    (data, _), *_ = batches(layer(db, 7, text, phase=TRAIN), 1)
    windows = [(r, q) for r in range(2) for q in range(3)]
    for item, image in zip(data, images, strict=True):
        assert any((item == (image[:, r : r + 3, q : q + 3] - np.float32(100)) / 2).all() for r, q in windows)


def test_float64_nets_get_float64(layer, db, order):
    (data, label), *_ = batches(layer(db, more="transform_param { scale: 0.1 }", dtype="float64"), 1)
    assert data.dtype == label.dtype == np.float64
    thirds = layer(db, dtype="float64")
    assert_array_equal(data, batches(thirds, 1)[0][0] * float(np.float32(0.1)))


def test_a_batch_is_made_in_the_memory_order_of_its_top(backend, order, layer, db):
    run = layer(db)
    run.forward()
    batch = run.layer._prefetcher._slots[0]
    assert batch.data.strides == run.top[0].data.strides


def test_settings_of_other_times_have_no_effect(layer, db, images):
    old = {"rand_skip": 5, "force_encoded_color": "true", "scale": 0.5, "crop_size": 2, "mirror": "true"}
    assert_array_equal(layer(db, **old).forward().top[0].data, images[:3])


def test_backward_does_nothing(layer, db):
    run = layer(db).forward()
    run.layer.run_backward(run.inner_top, [], [])
    assert not run.top[0].diff.any()


def test_a_top_that_a_script_reshaped_gets_its_shape_back(layer, db, images):
    run = layer(db).forward()
    run.top[0].reshape(1, 1, 2, 2)
    assert_array_equal(run.forward().top[0].data, images[3:6])


def test_image_files_are_decoded(layer, tmp_path, images):
    db = write_database(tmp_path / "db", [encoded(image) for image in images])
    assert_array_equal(layer(db).forward().top[0].data, images[:3])
    gray = layer(db, more="transform_param { force_gray: true }").forward()
    assert gray.top[0].shape == (3, 1, 4, 5)
    assert_array_equal(gray.top[1].data, [4, 4, 4])


def test_float_data(layer, tmp_path, rng):
    values = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    assert_array_equal(layer(write_database(tmp_path / "db", map(make_datum, values))).forward().top[0].data, values)


# --- batches and items of different sizes ---------------------------------------------------------


def test_batches_may_differ(backend, order, layer, mixed):
    run = layer(mixed, 2)
    sizes = {0: (1, 4, 5), 2: (1, 6, 6), 4: (2, 3, 3)}
    assert run.top[0].shape == (2, *sizes[0])
    for i in [0, 2, 4, 0, 2]:
        data, label = batches(run, 1)[0]
        assert data.shape == (2, *sizes[i])
        assert_array_equal(data, np.broadcast_to(np.reshape([i, i + 1], (2, 1, 1, 1)), data.shape))
        assert_array_equal(label, [i, i + 1])


def test_items_of_one_batch_may_not(layer, mixed):
    run = layer(mixed, 3)
    with pytest.raises(ShapeError) as caught:
        run.forward()
    for words in (
        'layer "the_layer" (Data): data_param.source cannot be used: ',
        "record b'00002' in ",
        "mixed gives 1 x 6 x 6 (C x H x W), the first of its batch, record b'00000' in ",
        "mixed, 1 x 4 x 5;",
        "make all alike, or set transform_param.crop_size",
    ):
        assert words in str(caught.value)
    assert caught.value.field == "data_param.source"


def test_a_crop_makes_them_alike(layer, mixed):
    data, _ = batches(layer(mixed, 4, "transform_param { crop_size: 4 }"), 1)[0]
    assert_array_equal(data, np.broadcast_to(np.arange(4).reshape(4, 1, 1, 1), (4, 1, 4, 4)))


def test_an_item_smaller_than_the_crop(prototxt, mixed):
    text = prototxt(mixed, 5, "transform_param { crop_size: 4 }")
    words = "is 4, larger than record b'00004' in "
    check_rejected(text, [], ShapeError, "transform_param.crop_size", words, act=lambda run: run.forward())


# --- log lines ------------------------------------------------------------------------------------


def test_what_is_logged(layer, tmp_path, kind, images, capsys):
    db = write_database(tmp_path / "db", [make_datum(image) for image in images[:6]], kind)
    run = layer(db)
    assert lines(capsys) == [("I", f"Opened {kind} {tmp_path / 'db'}"), ("I", "output data size: 3,3,4,5")]
    batches(run, 7)
    run.layer.close()
    # Records 0 to 5 three times, whatever was made ahead.
    found = [line for line in lines(capsys) if "Waiting" not in line[1]]
    assert found == [("I", "Restarting data prefetching from start.")] * 3


def test_a_note_is_a_warning_each_time(layer, tmp_path, images, capsys):
    db = write_database(tmp_path / "db", [make_datum(images[0])], note="generated digits, NOT MNIST")
    for _ in range(2):
        layer(db)
        assert ("W", f"{tmp_path / 'db'}: generated digits, NOT MNIST") in lines(capsys)


@pytest.mark.parametrize("which", ["force_color", "force_gray"])
def test_a_forced_colour_of_raw_pixels_is_an_error_in_the_log_and_no_more(layer, db, images, capsys, which):
    run = layer(db, more=f"transform_param {{ {which}: true }}")
    assert_array_equal(batches(run, 5)[0][0], images[:3])
    told = [line for line in lines(capsys) if line[0] == "E"]
    assert told == [("E", 'layer "the_layer": force_color and force_gray only for encoded datum, ignored here')]


def test_of_waiting_the_first_time_and_every_so_often(layer, db, capsys, monkeypatch):
    monkeypatch.setattr(base, "_WAITS_PER_LINE", 3)
    run = layer(db)
    fill, slow = run.layer.fill, threading.Event()
    slow.set()

    def fill_slowly(batch):
        time.sleep(0.02 * slow.is_set())
        return fill(batch)

    monkeypatch.setattr(run.layer._prefetcher, "_fill", lambda: fill_slowly)

    def told(passes):
        batches(run, passes)
        return sum(text == "Waiting for data" for _, text in lines(capsys))

    # The first batch is always waited for: that tells nothing.
    assert told(1) == 0
    assert [told(1) for _ in range(7)] == [1, 0, 0, 1, 0, 0, 1]
    slow.clear()
    for _ in range(9):
        wait_for(lambda: not run.layer._prefetcher._lane.ready.empty())
        assert told(1) == 0
