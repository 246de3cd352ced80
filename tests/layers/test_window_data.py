"""WindowData: which windows come, what they show, from where a restored layer goes on, and what it refuses."""

import json
from collections import Counter

import numpy as np
import pytest
from data_kit import assert_placed, batches, check_goes_on, error_in_pass, error_of, picture
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError, FileError, FormatError
from minicaffe.io.resize import resize
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TRAIN

H, W = 20, 24
# One window of each kind, 8 x 8: with a crop of 8 its pixels are the image's.
FRONT, BEHIND = (6, 5, 13, 12), (9, 8, 16, 15)
TWO = ((2, 1.0, FRONT), (0, 0.0, BEHIND))


@pytest.fixture
def image(rng, tmp_path):
    """The picture a.png, BGR."""
    pixels = rng.integers(0, 256, (3, H, W), dtype=np.uint8)
    picture(pixels).save(tmp_path / "a.png")
    return pixels


def record(number, name, windows):
    lines = [f"{label} {overlap} {' '.join(map(str, box))}" for label, overlap, box in windows]
    return "\n".join([f"# {number}", name, "3", str(H), str(W), str(len(windows)), *lines, ""])


@pytest.fixture
def prototxt(tmp_path):
    """A function that writes a window file, and the layer that reads it."""

    def make(windows=TWO, transform="crop_size: 8", batch_size=4, **fields):
        text = windows if isinstance(windows, str) else record(0, "a.png", windows)
        (tmp_path / "windows.txt").write_text(text)
        fields = {"source": f'"{tmp_path}/windows.txt"', "root_folder": f'"{tmp_path}/"', **fields}
        settings = " ".join(f"{name}: {value}" for name, value in fields.items())
        param = f"window_data_param {{ batch_size: {batch_size} {settings} }}"
        return f'type: "WindowData" {param} transform_param {{ {transform} }}'

    return make


def part(image, box):
    x1, y1, x2, y2 = box
    return image[:, y1 : y2 + 1, x1 : x2 + 1]


# --- what comes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "fraction", "front"), [(4, 0.25, 1), (7, 0.5, 3), (5, 0, 0), (5, 1, 5), (19, 0.1, 1)]
)
def test_background_comes_first_then_foreground(backend, order, layer, image, batch_size, fraction, front):
    run = layer(batch_size=batch_size, fg_fraction=fraction)
    assert [top.shape for top in run.top] == [(batch_size, 3, 8, 8), (batch_size,)]
    behind = batch_size - front
    expected = np.array([part(image, BEHIND)] * behind + [part(image, FRONT)] * front)
    for data, label in batches(run, 3):
        assert_array_equal(data, expected)
        assert_array_equal(label, [0] * behind + [2] * front)


def test_the_share_is_computed_in_float32(layer, image):
    # 0.7f * 10 is 7 in float32, 6.99... in exact arithmetic.
    assert batches(layer(batch_size=10, fg_fraction=0.7), 1)[0][1].sum() == 7 * 2


def test_all_windows_are_drawn_as_often(layer, image):
    windows = [(i, 0.9, (i, 0, i + 7, 7)) for i in range(1, 6)] + [(0, 0.1, (i, 5, i + 7, 12)) for i in range(4)]
    run = layer(windows, batch_size=40, fg_fraction=0.5)
    labels, backgrounds = Counter(), Counter()
    for data, label in batches(run, 40):
        labels.update(label[20:].tolist())
        backgrounds.update(item[0, 0].tobytes() for item in data[:20])
    # 800 draws of 5 and of 4, standard deviations 11 and 12.
    assert sorted(labels) == [1, 2, 3, 4, 5] and all(abs(n - 160) < 50 for n in labels.values())
    assert len(backgrounds) == 4 and all(abs(n - 200) < 60 for n in backgrounds.values())


def test_windows_of_several_images(layer, image, tmp_path, rng):
    other = rng.integers(0, 256, (3, 9, 10), dtype=np.uint8)
    picture(other).save(tmp_path / "b.png")
    text = record(0, "a.png", TWO[1:]) + record(1, "b.png", [(5, 0.5, (1, 0, 8, 7))])
    data, label = batches(layer(text, batch_size=2, fg_fraction=0.5), 1)[0]
    assert_array_equal(data, [part(image, BEHIND), part(other, (1, 0, 8, 7))])
    assert_array_equal(label, [0, 5])


@pytest.mark.parametrize("cache", ["true", "false"])
def test_warped(backend, layer, image, cache):
    box = (2, 3, 14, 8)
    data, _ = batches(layer([(1, 0.9, box)], "crop_size: 11", 20, fg_fraction=1, cache_images=cache), 1)[0]
    assert_array_equal(data, [resize(part(image, box), 11, 11)] * 20)


def test_cached_images_are_read_once(layer, image, tmp_path):
    run = layer(cache_images="true")
    (tmp_path / "a.png").unlink()
    assert_array_equal(run.forward().top[0].data[0], part(image, BEHIND))


def test_grey_images_have_three_channels(layer, tmp_path, rng):
    gray = rng.integers(0, 256, (1, H, W), dtype=np.uint8)
    picture(gray).save(tmp_path / "a.png")
    data, _ = batches(layer(), 1)[0]
    assert_array_equal(data[0], part(gray, BEHIND).repeat(3, axis=0))


def test_square(layer, image):
    # 9 x 5 around (6.5, 5.5): 10 x 10, from 2 to 11 and from 1 to 10.
    run = layer([(1, 0.9, (2, 3, 10, 7))], "crop_size: 10", fg_fraction=1, crop_mode='"square"')
    assert_array_equal(run.forward().top[0].data[0], part(image, (2, 1, 11, 10)))


def test_any_other_mode_warps(layer, image):
    run = layer([(1, 0.9, (2, 3, 10, 7))], "crop_size: 10", fg_fraction=1, crop_mode='"squares"')
    assert_array_equal(run.forward().top[0].data[0], resize(part(image, (2, 3, 10, 7)), 10, 10))


# A window at the corner, with context: of 13 x 13 pixels 10 x 11 are in the image (tests/io/test_window_crop.py).
CORNER = [(1, 0.9, (-1, 0, 6, 7))]


@pytest.mark.parametrize("mirror", [False, True])
def test_what_lies_beyond_the_image_is_zero_whatever_the_mean(backend, order, layer, image, mirror):
    transform = f"crop_size: 12 mean_value: [100, 110, 120] {'mirror: true' if mirror else ''}"
    run = layer(CORNER, transform, 18, fg_fraction=1, context_pad=2, scale=0.5)
    pixels = resize(image[:, :11, :10], 10, 9).astype(np.float32)
    plain, turned = np.zeros((2, 3, 12, 12), np.float32)
    mean = np.reshape([100, 110, 120], (3, 1, 1))
    plain[:, 2:, 3:] = (pixels - mean) * 0.5
    turned[:, 2:, :9] = (pixels[..., ::-1] - mean) * 0.5
    data, _ = batches(run, 1)[0]
    ways = [("plain" if (item == plain).all() else "turned" if (item == turned).all() else "?") for item in data]
    assert set(ways) == ({"plain", "turned"} if mirror else {"plain"})


def test_mirrors_are_tossed_for_each_window(layer, image):
    run = layer(TWO[1:], "crop_size: 8 mirror: true", 50, fg_fraction=0)
    box = part(image, BEHIND)
    turned = [(item == box[..., ::-1]).all() for data, _ in batches(run, 8) for item in data]
    plain = [(item == box).all() for data, _ in batches(run, 8) for item in data]
    assert len(turned) == 400 and all((item == box).all() or (item == box[..., ::-1]).all() for item in run.top[0].data)
    # 400 tosses, standard deviation 10.
    assert abs(sum(turned) - 200) < 45 and abs(sum(plain) - 200) < 45


# --- mean and scale -------------------------------------------------------------------------------


def write_mean(path, mean):
    blob = caffe_pb2.BlobProto(num=1, data=mean.ravel().tolist())
    blob.channels, blob.height, blob.width = mean.shape
    path.write_bytes(blob.SerializeToString())
    return f'mean_file: "{path}"'


@pytest.mark.parametrize("height", [11, 15])
def test_of_a_mean_image_the_middle_of_its_width_counts_for_both_axes(layer, image, tmp_path, rng, height):
    mean = rng.uniform(0, 255, (3, height, 13)).astype(np.float32)
    transform = f"crop_size: 8 {write_mean(tmp_path / 'mean', mean)}"
    # (13 - 8) / 2, rounded down.
    expected = part(image, BEHIND) - mean[:, 2:10, 2:10]
    assert_array_equal(layer(transform=transform).forward().top[0].data[0], expected)


def test_the_mean_is_taken_where_the_pixels_come_to_lie(layer, image, tmp_path, rng):
    mean = rng.uniform(0, 255, (3, 12, 12)).astype(np.float32)
    transform = f"crop_size: 12 {write_mean(tmp_path / 'mean', mean)}"
    data = layer(CORNER, transform, fg_fraction=1, context_pad=2).forward().top[0].data[0]
    assert_array_equal(data[:, 2:, 3:], resize(image[:, :11, :10], 10, 9) - mean[:, 2:, 3:])


def test_one_mean_value_for_all_channels(layer, image):
    assert_array_equal(
        layer(transform="crop_size: 8 mean_value: 7").forward().top[0].data[0], part(image, BEHIND) - 7.0
    )


def test_the_scale_of_transform_param_has_no_effect_nor_have_old_settings(layer, image):
    old = {"mean_file": '"nowhere"', "crop_size": 3, "mirror": "true"}
    run = layer(transform="crop_size: 8 scale: 9", scale=0.25, **old)
    assert_array_equal(run.forward().top[0].data[0], part(image, BEHIND) * 0.25)


def test_float64_nets_get_float64(layer, image):
    (data, label), *_ = batches(layer(scale=0.1, dtype="float64"), 1)
    assert data.dtype == label.dtype == np.float64
    assert_array_equal(data[0], part(image, BEHIND) * float(np.float32(0.1)))


def test_backward_does_nothing(layer, image):
    run = layer().forward()
    run.layer.run_backward(run.inner_top, [], [])
    assert not run.top[0].diff.any()


# --- going on exactly -----------------------------------------------------------------------------

MANY = [(1 + i, 0.9, (i, 0, i + 5, 7)) for i in range(9)] + [(0, 0.1, (i, 5, i + 7, 12)) for i in range(9)]


@pytest.mark.parametrize("used", [0, 1, 5])
def test_a_restored_layer_goes_on_exactly(layer, image, used):
    settings = {"transform": "crop_size: 8 mirror: true", "batch_size": 6, "fg_fraction": 0.5}
    run = layer(MANY, **settings)
    check_goes_on(run, used, layer(MANY, **settings))
    assert run.layer.state()["items"] == 6 * (used + 6) and len(json.dumps(run.layer.state())) < 60


def test_batches_differ(layer, image):
    first, second = batches(layer(MANY, batch_size=10, fg_fraction=0.5), 2)
    assert first[1].tolist() != second[1].tolist()


def test_other_windows_are_noticed(layer, image):
    state = layer(MANY).forward().layer.state()
    other = layer(MANY[:-1])
    with pytest.raises(DataError) as caught:
        other.layer.restore(state)
    for words in (
        'layer "the_layer" (WindowData): window_data_param.source',
        'windows.txt", which holds other windows',
        "or begin a new run",
    ):
        assert words in str(caught.value)
    other.forward()


@pytest.mark.parametrize("wrong", [{"items": None}, {"items": -1}, {"items": "2"}])
def test_a_state_that_cannot_be(layer, image, wrong):
    run = layer().forward()
    with pytest.raises(FormatError, match=r'layer "the_layer" \(WindowData\): .*snapshot'):
        run.layer.restore({**run.layer.state(), **wrong})


# --- log lines ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("all_is_logged")
def test_what_is_logged(layer, tmp_path, image, capsys):
    layer([*TWO, *MANY[:2]], fg_threshold=0.75, context_pad=1)
    found = capsys.readouterr().err
    texts = (
        "Window data layer:\n  foreground (object) overlap threshold: 0.75\n"
        "  background (non-object) overlap threshold: 0.5\n  foreground sampling fraction: 0.25\n"
        f"  cache_images: 0\n  root_folder: {tmp_path}/\n",
        f"] num: 0 {tmp_path}/a.png 3 20 24 windows to process: 4\n",
        "] Number of images: 1\n",
        "] class 0 has 1 samples\n",
        "] class 1 has 1 samples\n",
        "] class 2 has 2 samples\n",
        "] Amount of context padding: 1\n",
        "] Crop mode: warp\n",
        "] output data size: 4,3,8,8\n",
    )
    places = [found.index(text) for text in texts]
    assert places == sorted(places)


# --- what cannot be used (settings: tests/rows/data_images.py) -------------------------------------


def test_where_none_is_needed_none_need_be_there(layer, image):
    assert_array_equal(layer(TWO[:1], fg_fraction=1).forward().top[1].data, [2] * 4)
    assert_array_equal(layer(TWO[1:], fg_fraction=0).forward().top[1].data, [0] * 4)
    # A quarter of 3 is none.
    assert_array_equal(layer(TWO[1:], batch_size=3).forward().top[1].data, [0] * 3)


NET = """\
layer {
  name: "windows"
  type: "WindowData"
  top: "data"
  top: "label"
  transform_param { crop_size: 8 }
  window_data_param {
    batch_size: 2
    source: "%s/windows.txt"
    root_folder: "%s/"
    %s
  }
}
"""


def net_file(tmp_path, windows=None, more=""):
    if windows is not None:
        (tmp_path / "windows.txt").write_text(record(0, "a.png", windows))
    path = tmp_path / "net.prototxt"
    path.write_text(NET % (tmp_path, tmp_path, more))
    return str(path)


def assert_file_placed(error, kind, tmp_path, *words):
    place = f'{tmp_path}/net.prototxt:9: layer "windows" (WindowData): window_data_param.source'
    assert_placed(error, kind, place, f"{tmp_path}/windows.txt", *words)


def test_a_window_file_that_is_not_there(tmp_path):
    error = error_of(net_file(tmp_path))
    assert_file_placed(error, FileError, tmp_path, "windows.txt: cannot be read: no such file or directory")


def test_an_image_that_is_not_there(tmp_path):
    """Caffe writes a line into its log, and trains on zeros."""
    with Net(net_file(tmp_path, TWO), TRAIN) as net:
        error = error_in_pass(net)
    words = f"windows.txt:1: {tmp_path}/a.png: cannot be read: no such file"
    assert_file_placed(error, FileError, tmp_path, words)
    assert str(error_of(net_file(tmp_path, TWO, "cache_images: true"))) == str(error)


@pytest.mark.parametrize("cache", ["true", "false"])
def test_an_image_that_is_none(tmp_path, cache):
    (tmp_path / "a.png").write_text("hello")
    with Net(net_file(tmp_path, TWO, f"cache_images: {cache}"), TRAIN) as net:
        error = error_in_pass(net)
    assert_file_placed(error, DataError, tmp_path, f"windows.txt:1: {tmp_path}/a.png: the file is no image that")


@pytest.mark.parametrize(("more", "box"), [("", (20, 5, 24, 9)), ("context_pad: 2", (40, 5, 44, 9))])
def test_a_box_outside_of_its_image(tmp_path, image, more, box):
    windows = [(1, 0.9, box), *TWO[1:]]
    with Net(net_file(tmp_path, windows, f"fg_fraction: 0.5 {more}"), TRAIN) as net:
        error = error_in_pass(net)
    text = f"the window {box[0]} 5 {box[2]} 9 cannot be clipped into its image of 24 x 20 pixels"
    assert_file_placed(error, DataError, tmp_path, f"windows.txt:1: {tmp_path}/a.png: {text}")
