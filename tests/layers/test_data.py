"""Data: what comes in which order, from where a restored layer goes on, how its thread ends, and what it refuses."""

import gc
import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import weakref

import fake_cupy_array
import numpy as np
import pytest
from harness import check_rejected, make_layer
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal
from watch import wait_for

from minicaffe import log
from minicaffe.errors import DataError, FileError, FormatError, GraphError, MinicaffeError, ParamError, ShapeError
from minicaffe.io.database import create_database
from minicaffe.io.datum import make_datum
from minicaffe.layers import base_prefetching_data as base
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TEST, TRAIN

SHAPE = (3, 4, 5)
COUNT = 7  # records: no multiple of any batch
RANDOM = "transform_param { crop_size: 3 mirror: true }"


@pytest.fixture(autouse=True)
def all_is_logged():
    before = log.set_level(log.INFO)
    yield
    log.set_level(before)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    wait_for(lambda: gc.collect() >= 0 and not threads())


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)


@pytest.fixture
def db(tmp_path, kind, images):
    """Images with the labels 10, 11, ... in a database of either kind; the settings that read it."""
    return write(tmp_path / "db", [make_datum(image, 10 + i) for i, image in enumerate(images)], kind)


def write(path, values, kind="lmdb", note=""):
    with create_database(path, kind, note) as writer:
        for i, value in enumerate(values):
            writer.put(b"%05d" % i, value)
    return f'source: "{path}" backend: {kind.upper()}'


def prototxt(db, batch_size=3, more="", **data_param):
    fields = " ".join(f"{name}: {value}" for name, value in data_param.items())
    return f'type: "Data" data_param {{ {db} batch_size: {batch_size} {fields} }} {more}'


@pytest.fixture
def layer():
    """make_layer for Data with two tops; what it made is closed in the end."""
    made = []

    def make(*args, tops=2, phase=TRAIN, order=None, dtype="float32", **fields):
        made.append(make_layer(prototxt(*args, **fields), tops=tops, phase=phase, order=order, dtype=dtype))
        return made[-1]

    yield make
    for run in made:
        run.layer.close()


def batches(run, count):
    """(data, label) of so many forward passes."""
    return [tuple(top.data.copy() for top in run.forward().top) for _ in range(count)]


def assert_same(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        for array, wanted in zip(one, other, strict=True):
            assert_array_equal(array, wanted)


def all_ready(run):
    """Whether the thread has made all batches that it may make ahead, and rests."""
    prefetcher = run.layer._prefetcher
    return prefetcher._lane.ready.qsize() == len(prefetcher._slots)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch the_layer")]


def lines(capsys):
    """Severity and text of what was logged since the last call."""
    found = [line.split(None, 4) for line in capsys.readouterr().err.splitlines()]
    return [(line[0][0], line[4]) for line in found]


# --- what comes -----------------------------------------------------------------------------------


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
    write(tmp_path / "db", [make_datum(images[0])], "leveldb")
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


def encoded(image):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)[..., ::-1] if len(image) == 3 else image[0]).save(file, "PNG")
    return caffe_pb2.Datum(data=file.getvalue(), encoded=True, label=4).SerializeToString()


def test_image_files_are_decoded(layer, tmp_path, images):
    db = write(tmp_path / "db", [encoded(image) for image in images])
    assert_array_equal(layer(db).forward().top[0].data, images[:3])
    gray = layer(db, more="transform_param { force_gray: true }").forward()
    assert gray.top[0].shape == (3, 1, 4, 5)
    assert_array_equal(gray.top[1].data, [4, 4, 4])


def test_float_data(layer, tmp_path, rng):
    values = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    assert_array_equal(layer(write(tmp_path / "db", map(make_datum, values))).forward().top[0].data, values)


# --- batches and items of different sizes ---------------------------------------------------------

SIZES = [(1, 4, 5), (1, 4, 5), (1, 6, 6), (1, 6, 6), (2, 3, 3), (2, 3, 3)]


@pytest.fixture
def mixed(tmp_path):
    """Datums of different sizes; every pixel tells the record's index."""
    return write(tmp_path / "mixed", [make_datum(np.full(size, i, np.uint8), i) for i, size in enumerate(SIZES)])


def test_batches_may_differ(backend, order, layer, mixed):
    run = layer(mixed, 2)
    assert run.top[0].shape == (2, *SIZES[0])
    for i in [0, 2, 4, 0, 2]:
        data, label = batches(run, 1)[0]
        assert data.shape == (2, *SIZES[i])
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


def test_an_item_smaller_than_the_crop(layer, mixed):
    text = prototxt(mixed, 5, "transform_param { crop_size: 4 }")
    words = "is 4, larger than record b'00004' in "
    check_rejected(text, [], ShapeError, "transform_param.crop_size", words, act=lambda run: run.forward())


# --- randomness, and going on exactly -------------------------------------------------------------


def test_chances_depend_on_the_items_index_alone(layer, db):
    """Not on batches, prefetching or the number of tops; another epoch has others."""
    drawn = []
    for batch_size, prefetch in [(1, 1), (3, 4), (5, 1), (21, 2)]:
        run = layer(db, batch_size, RANDOM, prefetch=prefetch)
        drawn.append(np.concatenate([run.forward().top[0].data.copy() for _ in range(-(-21 // batch_size))])[:21])
    for other in drawn[1:]:
        assert_array_equal(other, drawn[0])
    assert (drawn[0][:7] != drawn[0][7:14]).any() and (drawn[0][7:14] != drawn[0][14:]).any()


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize("used", range(9))
def test_a_restored_layer_goes_on_exactly(layer, db, used, prefetch):
    run = layer(db, more=RANDOM, prefetch=prefetch)
    batches(run, used)
    # The thread runs ahead as far as it can.
    if used:
        wait_for(lambda: all_ready(run))
        assert len(run.layer._prefetcher._slots) == prefetch
    state = json.loads(json.dumps(run.layer.state()))
    expected = batches(run, 6)
    other = layer(db, more=RANDOM)
    other.layer.restore(state)
    assert other.layer.state() == state
    assert_same(batches(other, 6), expected)
    assert other.layer.state() == run.layer.state()
    # The same layer, back again.
    run.layer.restore(state)
    assert_same(batches(run, 6), expected)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=2, max_size=4))
def test_going_on_with_other_batch_sizes(tmp_path_factory, parts):
    """Whatever the sizes and the breaks between, the items are those of one unbroken run."""
    items = np.arange(COUNT, dtype=np.uint8).repeat(60).reshape(COUNT, *SHAPE)
    db = write(tmp_path_factory.mktemp("any") / "db", [make_datum(item, i) for i, item in enumerate(items)])
    state, labels = None, []
    for batch_size, count in parts:
        run = make_layer(prototxt(db, batch_size), tops=2)
        if state is not None:
            run.layer.restore(state)
        labels += [label for _, batch in batches(run, count) for label in batch]
        state = run.layer.state()
        run.layer.close()
    assert labels == [i % COUNT for i in range(len(labels))]
    assert state["items"] == len(labels)


def test_the_state_is_small_and_tells_the_last_batch_used(layer, db):
    run = layer(db)
    assert run.layer.state() == {"items": 0, "epoch": 0, "index": 0}
    sizes = []
    for i in range(1, 300):
        run.forward()
        state = run.layer.state()
        assert (state["items"], state["epoch"] * COUNT + state["index"]) == (3 * i, 3 * i)
        assert 1 <= state["index"] <= COUNT
        sizes.append(len(json.dumps(state)))
    assert max(sizes) < 120


def test_from_the_beginning_again(layer, db):
    run = layer(db, more=RANDOM)
    start = run.layer.state()
    expected = batches(run, 4)
    run.layer.restore(start)
    assert_same(batches(run, 4), expected)


OTHERS = {
    "other pixels": (
        lambda values: [*values[:5], make_datum(np.zeros(SHAPE, np.uint8)), *values[6:]],
        "is another one",
    ),
    "too few": (lambda values: values[:5], "has no record under the key b'00005'"),
}


@pytest.mark.parametrize("change", OTHERS)
def test_another_database_is_noticed(layer, tmp_path, kind, images, change):
    values = [make_datum(image) for image in images]
    make, words = OTHERS[change]
    run = layer(write(tmp_path / "db", values, kind))
    batches(run, 2)
    state = run.layer.state()
    other = layer(write(tmp_path / "other", make(values), kind))
    expected = batches(layer(write(tmp_path / "same as other", make(values), kind)), 4)
    assert_same(batches(other, 1), expected[:1])
    with pytest.raises(DataError) as caught:
        other.layer.restore(state)
    for text in (
        'layer "the_layer" (Data): data_param.source cannot be used: ',
        words,
        "give the database that was read when the snapshot was taken",
    ):
        assert text in str(caught.value)
    # As if nothing had been asked.
    assert_same(batches(other, 3), expected[1:])


def test_records_added_later_do_no_harm(layer, tmp_path, kind, images):
    values = [make_datum(image) for image in images]
    short, long = write(tmp_path / "short", values[:6], kind), write(tmp_path / "long", values, kind)
    run, other = layer(short), layer(long)
    batches(run, 2)
    other.layer.restore(run.layer.state())
    assert_array_equal(other.forward().top[0].data, images[[6, 0, 1]])


@pytest.mark.parametrize(
    "wrong", [{"items": None}, {"epoch": -1}, {"index": "2"}, {"items": 1.5}, {"key": "zz"}, {"key": 3}, {"crc32": 1}]
)
def test_a_state_that_cannot_be(layer, db, wrong):
    run = layer(db).forward()
    with pytest.raises(MinicaffeError, match=r'layer "the_layer" \(Data\): .*(snapshot|non-hexadecimal)') as caught:
        run.layer.restore({**run.layer.state(), **wrong})
    assert type(caught.value) is (DataError if {"key", "crc32"} & set(wrong) else FormatError)


# --- log lines ------------------------------------------------------------------------------------


def test_what_is_logged(layer, tmp_path, kind, images, capsys):
    db = write(tmp_path / "db", [make_datum(image) for image in images[:6]], kind)
    run = layer(db)
    assert lines(capsys) == [("I", f"Opened {kind} {tmp_path / 'db'}"), ("I", "output data size: 3,3,4,5")]
    batches(run, 7)
    run.layer.close()
    # Records 0 to 5 three times, and up to four batches ahead.
    found = [line for line in lines(capsys) if "Waiting" not in line[1]]
    assert set(found) == {("I", "Restarting data prefetching from start.")} and 3 <= len(found) <= 5


def test_a_note_is_a_warning_each_time(layer, tmp_path, images, capsys):
    db = write(tmp_path / "db", [make_datum(images[0])], note="generated digits, NOT MNIST")
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


# --- the thread -----------------------------------------------------------------------------------


def test_the_thread_starts_with_the_first_forward_and_ends_with_close(layer, db):
    run = layer(db)
    assert not threads()
    run.forward()
    (thread,) = threads()
    assert thread.daemon
    run.layer.close()
    assert not threads()
    run.layer.close()
    for _ in range(2):
        with pytest.raises(MinicaffeError, match="closed"):
            run.forward()


def test_a_layer_that_is_dropped_takes_its_thread_along(db):
    run = make_layer(prototxt(db), tops=2).forward()
    gone = weakref.ref(run.layer)
    del run
    # While it makes a batch, the thread holds the layer.
    wait_for(lambda: gc.collect() >= 0 and gone() is None)
    wait_for(lambda: not threads())


NET = """\
name: "a net"
layer {
  name: "the_layer"
  type: "Data"
  top: "data"
  top: "label"
  data_param {
    batch_size: 3
    %s
  }
}
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
"""


@pytest.fixture
def net_file(tmp_path):
    """A function that writes a net which reads a database."""

    def make(db):
        path = tmp_path / "net.prototxt"
        path.write_text(NET % db)
        return str(path)

    return make


def test_a_net_that_is_dropped_or_closed_takes_its_thread_along(net_file, db):
    net = Net(net_file(db), TRAIN)
    net.forward()
    assert len(threads()) == 1
    del net
    gc.collect()
    wait_for(lambda: not threads())
    with Net(net_file(db), TRAIN) as net:
        net.forward()
    assert not threads()


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0", "net.close()"])
def test_a_script_exits_at_once(net_file, db, end):
    code = f"""
    import time
    from minicaffe import Net, TRAIN, log
    log.set_level(log.FATAL)
    net = Net({net_file(db)!r}, TRAIN)
    net.forward()
    print(time.time())
    {end}
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.returncode == {"raise SystemExit(3)": 3, "1 / 0": 1}.get(end, 0)
    assert "ZeroDivisionError" in done.stderr if end == "1 / 0" else done.stderr == ""
    assert time.time() - float(done.stdout) < 5


def test_on_a_gpu_nothing_comes_back_from_the_device(fake_gpu, layer, mixed, monkeypatch):
    run = layer(mixed, 2)

    def refuse(*_, **__):
        raise AssertionError("an array was copied from the device")

    for i in [0, 2, 4, 0]:
        with monkeypatch.context() as patch:
            patch.setattr(fake_cupy_array.ndarray, "get", refuse)
            run.forward()
            on_device = run.inner_top[0].data
            assert isinstance(on_device, fake_cupy_array.ndarray)
        assert_array_equal(on_device.get()[:, 0, 0, 0], [i, i + 1])


def test_nothing_grows(layer, db):
    run = layer(db, more=RANDOM)
    batches(run, 50)
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(8):
            for _ in range(50):
                run.forward()
            wait_for(lambda: all_ready(run))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # 4 KB: 20 bytes a pass, less than the smallest object takes.
    assert max(sizes[4:]) - max(sizes[:4]) < 4096
    assert len(threads()) == 1


def test_memory_is_taken_for_the_largest_batch_and_no_more(layer, mixed):
    run = layer(mixed, 2, prefetch=1)
    (slot,) = run.layer._prefetcher._slots
    batches(run, 3)
    memory = slot._memory
    batches(run, 9)
    assert slot._memory is memory and memory.size == 2 * 6 * 6


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ("", "data_param.batch_size", "is 0, must be 1 or more: items per batch"),
        ("batch_size: 0", "data_param.batch_size", "is 0, must be 1 or more: items per batch"),
        ("batch_size: 3 prefetch: 0", "data_param.prefetch", "is 0, must be 1 to 10000: batches made ahead"),
        ("batch_size: 3 prefetch: 4294967295", "data_param.prefetch", "is 4294967295, must be 1 to 10000"),
    ],
)
def test_settings_that_are_refused(db, fields, field, words):
    check_rejected(f'type: "Data" data_param {{ {db} {fields} }}', [], ParamError, field, words, tops=2)


def test_a_batch_too_large_for_a_blob(db):
    check_rejected(prototxt(db, 4294967295), [], ShapeError, "data_param.batch_size", "INT_MAX", tops=2)


@pytest.mark.parametrize(
    ("settings", "kind_of_error", "field", "words"),
    [
        ("crop_size: 6", ShapeError, "crop_size", "is 6, larger than the items of 3 x 4 x 5"),
        ("mean_value: [1, 2]", ParamError, "mean_value", "is given 2 times"),
        ('mean_file: "nowhere"', FileError, "mean_file", "nowhere: no such file"),
    ],
)
def test_transformations_that_do_not_fit_are_told_at_set_up(db, settings, kind_of_error, field, words):
    text = prototxt(db, more=f"transform_param {{ {settings} }}")
    check_rejected(text, [], kind_of_error, f"transform_param.{field}", words, tops=2)


def test_blob_counts(db):
    check_rejected(prototxt(db), [], GraphError, "", "at least 1", tops=0)
    check_rejected(prototxt(db), [], GraphError, "", "at most 2", tops=3)
    check_rejected(prototxt(db), [(2,)], GraphError, "", "takes 0 bottom", tops=2)


def error_of(net_file, source):
    """What Net raises."""
    with pytest.raises(MinicaffeError) as caught:
        Net(net_file(source), TRAIN)
    return caught.value


def assert_placed(error, kind, tmp_path, *words):
    """The error names the prototxt's line of data_param.source, the layer and the field."""
    assert type(error) is kind
    assert str(error).startswith(
        f'{tmp_path}/net.prototxt:9: layer "the_layer" (Data): data_param.source cannot be used: '
    )
    for text in words:
        assert text in str(error)
    assert (error.line, error.layer, error.layer_type, error.field) == (9, "the_layer", "Data", "data_param.source")


def test_a_database_that_is_not_there(net_file, tmp_path, kind):
    error = error_of(net_file, f'source: "{tmp_path / "db"}" backend: {kind.upper()}')
    assert_placed(error, FileError, tmp_path, f"{tmp_path / 'db'}: no such folder")
    assert isinstance(error, OSError) and "relative" not in str(error)


def test_a_relative_path_that_leads_nowhere_tells_from_where(net_file, tmp_path):
    error = error_of(net_file, 'source: "examples/mnist_train_lmdb" backend: LMDB')
    assert_placed(error, FileError, tmp_path, f"(relative paths begin at {os.getcwd()})")


def test_no_source_at_all(net_file, tmp_path):
    error = error_of(net_file, "backend: LMDB")
    assert type(error) is ParamError
    assert str(error).endswith('layer "the_layer" (Data): data_param.source is empty, must be the folder of a database')


def test_a_database_of_the_other_kind(net_file, tmp_path, images):
    write(tmp_path / "db", [make_datum(images[0])], "lmdb")
    assert "LMDB" in str(error_of(net_file, f'source: "{tmp_path / "db"}"'))


def test_a_half_written_lmdb(net_file, tmp_path, images):
    db = write(tmp_path / "db", [make_datum(image) for image in images] * 100)
    file = tmp_path / "db" / "data.mdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert_placed(error_of(net_file, db), FormatError, tmp_path, "data.mdb", "cut short")


def test_an_empty_database(net_file, tmp_path, kind):
    assert_placed(error_of(net_file, write(tmp_path / "db", [], kind)), DataError, tmp_path, "db: is empty")


BAD_RECORDS = {
    "mismatch": (
        {"channels": 3, "height": 4, "width": 5, "data": b"abc"},
        DataError,
        "has 3 bytes of data, its 3 x 4",
    ),
    "no image": ({"data": b"abc", "encoded": True}, DataError, "is no image"),
    "no pixels": ({"channels": 3, "height": 4, "width": 5}, DataError, "has 0 values of float_data"),
}


@pytest.mark.parametrize("bad", BAD_RECORDS)
@pytest.mark.parametrize("place", [0, 5])
def test_a_record_that_cannot_be_used(net_file, tmp_path, kind, images, bad, place):
    fields, kind_of_error, words = BAD_RECORDS[bad]
    values = [make_datum(image) for image in images]
    values[place] = caffe_pb2.Datum(**fields).SerializeToString()
    db = write(tmp_path / "db", values, kind)
    if place:
        # The batch before it comes first.
        net = Net(net_file(db), TRAIN)
        net.forward()
        assert_array_equal(net.blobs["data"].data, images[:3])
        started = time.monotonic()
        with pytest.raises(MinicaffeError) as caught:
            net.forward()
        assert time.monotonic() - started < 1
        error = caught.value
        # Raised where it happened: the thread is in the traceback.
        assert "fill" in [entry.name for entry in caught.traceback]
        with pytest.raises(MinicaffeError) as again:
            net.forward()
        assert str(again.value) == str(error)
    else:
        error = error_of(net_file, db)
    assert_placed(error, kind_of_error, tmp_path, f"db: record b'{place:05d}' {words}")


def test_a_record_that_is_no_datum(net_file, tmp_path):
    error = error_of(net_file, write(tmp_path / "db", [b"\xff\xff"]))
    assert_placed(error, FormatError, tmp_path, "Failed to parse the Datum of record b'00000'")


def test_a_damaged_table_is_told_in_time(net_file, tmp_path, images):
    db = write(tmp_path / "db", [make_datum(image) for image in images] * 200)
    file = tmp_path / "db" / "data.mdb"
    data = bytearray(file.read_bytes())
    # Beyond the first leaves, pages of ones.
    data[8 * 4096 : -4096] = b"\xff" * (len(data) - 9 * 4096)
    file.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        net = Net(net_file(db), TRAIN)
        for _ in range(1400):
            net.forward()
    assert_placed(caught.value, FormatError, tmp_path, "data.mdb: is damaged")


def test_an_unknown_backend(tmp_path, net_file):
    with pytest.raises(ParamError) as caught:
        Net(net_file('source: "db" backend: HDF5'), TRAIN)
    assert f"{tmp_path}/net.prototxt:9" in str(caught.value) and "LMDB" in str(caught.value)


def test_force_color_and_force_gray_together(net_file, tmp_path, images):
    db = write(tmp_path / "db", [encoded(images[0])])
    text = prototxt(db, more="transform_param { force_color: true force_gray: true }")
    check_rejected(text, [], ParamError, "transform_param.force_color", "so is force_gray", tops=2)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to see what is open")
def test_nothing_stays_open_after_close_or_after_a_set_up_that_fails(net_file, tmp_path, db):
    with Net(net_file(db), TRAIN) as net:
        net.forward()
        assert files_open_in(tmp_path)
    assert not files_open_in(tmp_path)
    error = error_of(net_file, f"{db} }} transform_param {{ crop_size: 9")
    assert (type(error), error.field, error.line) == (ShapeError, "transform_param.crop_size", 9)
    assert not files_open_in(tmp_path)


def files_open_in(folder):
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [path for path in map(os.path.realpath, links) if path.startswith(str(folder))]
