"""ImageData: which images come in which order, from where a restored layer goes on, and what it refuses."""

import json

import numpy as np
import pytest
from data_kit import assert_placed, batches, check_goes_on, error_in_pass, error_of, picture
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError, FileError, FormatError, MinicaffeError
from minicaffe.io.resize import resize
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TEST, TRAIN

COUNT = 7  # images: no multiple of any batch
SHAPE = (3, 4, 5)


@pytest.fixture
def images(tmp_path, rng):
    """COUNT images in files, BGR; the list img/list.txt gives them the labels 10, 11, ..."""
    arrays = rng.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
    for i, image in enumerate(arrays):
        picture(image).save(tmp_path / f"{i}.png")
    write_list(tmp_path, [f"{i}.png {10 + i}" for i in range(COUNT)])
    return arrays


def write_list(folder, lines):
    (folder / "list.txt").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def prototxt(tmp_path):
    """A function that writes the layer of tmp_path's list."""

    def make(batch_size=None, more="", **fields):
        if batch_size is not None:
            fields["batch_size"] = batch_size
        settings = " ".join(f"{name}: {value}" for name, value in fields.items())
        source = f'source: "{tmp_path}/list.txt" root_folder: "{tmp_path}/"'
        return f'type: "ImageData" image_data_param {{ {source} {settings} }} {more}'

    return make


def labels(run, count):
    return [int(label) for _, batch in batches(run, count) for label in batch]


# --- what comes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_images_come_in_order_and_round_and_round(backend, order, layer, images, batch_size):
    run = layer(batch_size)
    assert [top.shape for top in run.top] == [(batch_size, *SHAPE), (batch_size,)]
    for i, (data, label) in enumerate(batches(run, 4)):
        place = np.arange(i * batch_size, (i + 1) * batch_size) % COUNT
        assert_array_equal(data, images[place])
        assert_array_equal(label, 10 + place)


def test_one_image_a_batch_unless_told(layer, images):
    assert layer().forward().top[0].shape == (1, *SHAPE)


def test_grey(layer, images, tmp_path):
    picture(images[0, :1]).save(tmp_path / "0.png")
    assert_array_equal(layer(is_color="false").forward().top[0].data, images[:1, :1])
    assert_array_equal(layer().forward().top[0].data, images[:1, :1].repeat(3, axis=1))


def test_resized_before_it_is_transformed(layer, images):
    run = layer(7, "transform_param { crop_size: 6 scale: 0.5 mean_value: 100 }", phase=TEST, new_height=8, new_width=9)
    expected = np.array([resize(image, 8, 9)[:, 1:7, 1:7] for image in images], np.float32)
    assert_array_equal(run.forward().top[0].data, (expected - 100) / 2)


def test_float64_nets_get_float64(layer, images):
    (data, label), *_ = batches(layer(3, "transform_param { scale: 0.1 }", dtype="float64"), 1)
    assert data.dtype == label.dtype == np.float64
    assert_array_equal(data, images[:3] * float(np.float32(0.1)))


def test_settings_of_other_times_have_no_effect(layer, images):
    old = {"scale": 0.5, "crop_size": 2, "mirror": "true", "mean_file": '"nowhere"'}
    assert_array_equal(layer(3, **old).forward().top[0].data, images[:3])


def test_backward_does_nothing(layer, images):
    run = layer(3).forward()
    run.layer.run_backward(run.inner_top, [], [])
    assert not run.top[0].diff.any()


# --- images of different sizes --------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path):
    """Images of different sizes; every pixel tells the line."""
    for i, size in enumerate([(4, 5), (6, 6), (6, 6), (5, 9)]):
        picture(np.full((3, *size), i, np.uint8)).save(tmp_path / f"{i}.png")
    write_list(tmp_path, [f"{i}.png {i}" for i in range(4)])


def test_one_by_one_each_has_its_own_size(backend, order, layer, mixed):
    run = layer()
    for i, size in enumerate([(4, 5), (6, 6), (6, 6), (5, 9), (4, 5)]):
        data, label = batches(run, 1)[0]
        assert_array_equal(data, np.full((1, 3, *size), i % 4))
        assert label == i % 4


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"more": "transform_param { crop_size: 4 }"}, (4, 4)),
        ({"new_height": 7, "new_width": 3}, (7, 3)),
        ({"new_height": 7, "new_width": 5, "more": "transform_param { crop_size: 3 }"}, (3, 3)),
    ],
)
def test_cropped_or_resized_they_fit_into_one_batch(layer, mixed, settings, size):
    data, _ = batches(layer(4, **settings), 1)[0]
    assert_array_equal(data, np.broadcast_to(np.arange(4).reshape(4, 1, 1, 1), (4, 3, *size)))


# --- shuffling, and going on exactly --------------------------------------------------------------

RANDOM = "transform_param { crop_size: 3 mirror: true }"


def test_each_epoch_has_all_images_in_another_order(layer, images):
    found = labels(layer(3, shuffle="true"), 14)
    epochs = [tuple(found[i : i + COUNT]) for i in range(0, len(found), COUNT)]
    assert all(sorted(epoch) == list(range(10, 10 + COUNT)) for epoch in epochs)
    assert len(set(epochs)) == len(epochs) == 6


def test_images_keep_their_labels(layer, images):
    for data, label in batches(layer(3, shuffle="true"), 8):
        assert_array_equal(data, images[label.astype(int) - 10])


def test_every_order_is_as_likely(layer, tmp_path, images):
    write_list(tmp_path, [f"{i}.png {i}" for i in range(3)])
    orders = np.array(labels(layer(1, "name: 'many'", shuffle="true", new_height=1, new_width=1), 3 * 600)).reshape(
        -1, 3
    )
    _, counts = np.unique(orders, axis=0, return_counts=True)
    # 6 orders, 100 of each, standard deviation 9.
    assert len(counts) == 6 and abs(counts - 100).max() < 45


def test_the_order_depends_on_seed_and_name_alone(layer, images):
    first = labels(layer(3, shuffle="true"), 7)
    assert labels(layer(7, shuffle="true"), 3) == first
    assert labels(layer(1, "data_param { prefetch: 1 }", shuffle="true"), 21) == first
    assert labels(layer(3, 'name: "other"', shuffle="true"), 7) != first


def test_chances_depend_on_the_images_index_alone(layer, images):
    drawn = [np.concatenate([data for data, _ in batches(layer(size, RANDOM), 12 // size)]) for size in (1, 3, 12)]
    for other in drawn[1:]:
        assert_array_equal(other, drawn[0])


@pytest.mark.parametrize("shuffle", ["true", "false"])
@pytest.mark.parametrize("used", [0, 1, 2, 3, 7, 9])
def test_a_restored_layer_goes_on_exactly(layer, images, used, shuffle):
    run = layer(3, RANDOM, shuffle=shuffle, rand_skip=5)
    check_goes_on(run, used, layer(3, RANDOM, shuffle=shuffle))
    assert len(json.dumps(run.layer.state())) < 120


def test_the_state_counts_images_and_epochs(layer, images):
    run = layer(3)
    for i in range(1, 20):
        run.forward()
        state = run.layer.state()
        assert (state["items"], state["epoch"] * COUNT + state["index"]) == (3 * i, 3 * i)
        assert 0 <= state["index"] < COUNT


def test_another_list_is_noticed(layer, tmp_path, images):
    run = layer(3, shuffle="true").forward()
    state = run.layer.state()
    write_list(tmp_path, [f"{i}.png {10 + i}" for i in range(COUNT - 1)])
    other = layer(3, shuffle="true")
    with pytest.raises(DataError) as caught:
        other.layer.restore(state)
    for words in (
        'layer "the_layer" (ImageData): image_data_param.source is "',
        'list.txt", another list',
        "give that one, or begin a new run",
    ):
        assert words in str(caught.value)
    # As if nothing had been asked.
    assert len(labels(other, 1)) == 3


@pytest.mark.parametrize(
    "wrong", [{"items": None}, {"epoch": -1}, {"index": "2"}, {"index": COUNT}, {"crc32": 1}, {"lines": None}]
)
def test_a_state_that_cannot_be(layer, images, wrong):
    run = layer(3).forward()
    with pytest.raises(MinicaffeError, match=r'layer "the_layer" \(ImageData\): .*snapshot') as caught:
        run.layer.restore({**run.layer.state(), **wrong})
    assert type(caught.value) is (DataError if {"crc32", "lines"} & set(wrong) else FormatError)


# --- rand_skip ------------------------------------------------------------------------------------


def test_rand_skip_moves_the_start_alone(layer, images):
    starts = set()
    for i in range(40):
        found = labels(layer(5, f'name: "layer {i}"', rand_skip=4), 3)
        starts.add(found[0])
        assert found == [10 + (found[0] - 10 + j) % COUNT for j in range(15)]
    assert starts == {10, 11, 12, 13}


def test_rand_skip_comes_after_the_shuffle(layer, images):
    for i in range(8):
        name = f'name: "layer {i}"'
        plain = labels(layer(1, name, shuffle="true"), 21)
        skipped = labels(layer(1, name, shuffle="true", rand_skip=5), 14)
        assert any(skipped == plain[skip : skip + 14] for skip in range(5))


# --- log lines ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("all_is_logged")
def test_what_is_logged(layer, tmp_path, images, capsys):
    layer(3, shuffle="true", rand_skip=1)
    found = [line.split(None, 4)[4] for line in capsys.readouterr().err.splitlines()]
    assert found == [
        f"Opening file {tmp_path}/list.txt",
        "Shuffling data",
        "A total of 7 images.",
        "Skipping first 0 data points.",
        "output data size: 3,3,4,5",
    ]


# --- what cannot be used (settings: tests/rows/data_images.py) -------------------------------------

NET = """\
layer {
  name: "pictures"
  type: "ImageData"
  top: "data"
  top: "label"
  image_data_param {
    batch_size: 3
    source: "%s/list.txt"
    root_folder: "%s/"
  }
}
"""


@pytest.fixture
def net_file(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET % (tmp_path, tmp_path))
    return str(path)


def assert_list_placed(error, kind, tmp_path, *words):
    place = f'{tmp_path}/net.prototxt:8: layer "pictures" (ImageData): image_data_param.source'
    assert_placed(error, kind, place, f"{tmp_path}/list.txt", *words)


def test_a_list_that_is_not_there(net_file, tmp_path):
    assert_list_placed(error_of(net_file), FileError, tmp_path, "list.txt: cannot be read: no such file or directory")


BAD_LINES = {
    "missing": ("absent.png 3", FileError, "absent.png: cannot be read: no such file or directory"),
    "no image": ("list.txt 3", DataError, "list.txt: the file is no image"),
    "empty": ("", DataError, "names no image"),
    "label": ("0.png 99999999999", DataError, "has the label 99999999999"),
}


@pytest.mark.parametrize("bad", BAD_LINES)
@pytest.mark.parametrize("place", [0, 4])
def test_a_line_that_cannot_be_used(net_file, tmp_path, images, bad, place):
    line, kind, words = BAD_LINES[bad]
    lines = [f"{i}.png {i}" for i in range(COUNT)]
    lines[place] = line
    write_list(tmp_path, lines)
    if place or bad == "label":
        with Net(net_file, TRAIN) as net:
            if place:
                # The batch before it comes first.
                net.forward()
                assert_array_equal(net.blobs["data"].data, images[:3])
            error = error_in_pass(net)
    else:
        error = error_of(net_file)
    assert_list_placed(error, kind, tmp_path, f"list.txt:{place + 1}: ", words)


def test_what_failed_is_tried_again(net_file, tmp_path, images):
    lines = [f"{i}.png {i}" for i in range(COUNT)]
    write_list(tmp_path, lines)
    (tmp_path / "4.png").rename(tmp_path / "away.png")
    with Net(net_file, TRAIN) as net:
        net.forward()
        with pytest.raises(FileError, match=r"list\.txt:5: "):
            net.forward()
        (tmp_path / "away.png").rename(tmp_path / "4.png")
        net.forward()
        assert_array_equal(net.blobs["data"].data, images[3:6])
        assert_array_equal(net.blobs["label"].data, [3, 4, 5])


def test_relative_names_of_images_tell_where_they_begin(tmp_path, images, monkeypatch):
    write_list(tmp_path, ["absent.png 1"])
    (tmp_path / "net.prototxt").write_text(NET.replace("%s/list.txt", f"{tmp_path}/list.txt").replace("%s/", ""))
    monkeypatch.chdir(tmp_path)
    error = error_of(str(tmp_path / "net.prototxt"))
    assert (
        f"list.txt:1: absent.png: cannot be read: no such file or directory (relative paths begin at {tmp_path})"
        in str(error)
    )
