"""The transformer against its formula, item by item; its chances; and all that it refuses."""

import numpy as np
import pytest

from minicaffe.errors import FileError, FormatError, ParamError, ShapeError
from minicaffe.io.data_transformer import DataTransformer
from minicaffe.io.datum import make_datum
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TEST, TRAIN

N, C, H, W = 40, 3, 7, 9


def settings(**fields):
    return caffe_pb2.TransformationParameter(**fields)


def output(shape, lies, dtype=np.float32):
    """An array to write to, in C order or with the batch innermost, full of what must be overwritten."""
    if lies == "c":
        return np.full(shape, np.nan, dtype)
    return np.full(shape[1:] + shape[:1], np.nan, dtype).transpose(3, 0, 1, 2)


def run(transformer, items, index=0, lies="c", dtype=np.float32):
    shape = (len(items), *transformer.output_shape(items[0].shape))
    out = output(shape, lies, dtype)
    transformer.transform(items, out, index)
    return out


def positions(count=N):
    """Items whose every value tells its channel, row and column: c * 10000 + h * 100 + w."""
    c, h, w = np.indices((C, H, W))
    return np.broadcast_to((c * 10_000 + h * 100 + w).astype(np.float32), (count, C, H, W))


def chances(out):
    """Mirror, row and column that made each item of `out` from `positions`, and that each is a whole window."""
    found = []
    for item in out:
        step = int(item[0, 0, 1] - item[0, 0, 0])
        row, column = divmod(int(min(item[0, 0, 0], item[0, 0, -1])), 100)
        window = positions(1)[0, :, row : row + item.shape[1], column : column + item.shape[2]]
        np.testing.assert_array_equal(item, window[:, :, ::step])
        found.append((step == -1, row, column))
    return found


@pytest.fixture
def mean_file(tmp_path, rng):
    """A function that writes a mean image and gives back its path."""

    def write(mean, legacy=True):
        blob = caffe_pb2.BlobProto(data=mean.ravel().tolist())
        if legacy:
            blob.num, (blob.channels, blob.height, blob.width) = 1, mean.shape
        else:
            blob.shape.dim.extend(mean.shape)
        path = tmp_path / "mean.binaryproto"
        path.write_bytes(blob.SerializeToString())
        return str(path)

    return write


@pytest.mark.parametrize("lies", ["c", "batch innermost"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("scale", [1, 0.1])
@pytest.mark.parametrize("mean", ["none", "one", "each", "file", "file by shape"])
@pytest.mark.parametrize("crop", [0, 4])
@pytest.mark.parametrize(("phase", "mirror"), [(TEST, False), (TEST, True), (TRAIN, False), (TRAIN, True)])
def test_the_formula(lies, dtype, scale, mean, crop, phase, mirror, rng, mean_file):
    items = rng.integers(0, 256, (N, C, H, W)).astype(dtype)
    image = np.zeros((C, 1, 1), np.float32)
    fields = {"scale": scale, "mirror": mirror, "crop_size": crop}
    if mean in ("one", "each"):
        values = [104.25] if mean == "one" else [104.25, 117.1, 123.7]
        fields["mean_value"] = values
        image = np.array(values, np.float32).reshape(-1, 1, 1)
    elif mean.startswith("file"):
        image = rng.uniform(0, 255, (C, H, W)).astype(np.float32)
        fields["mean_file"] = mean_file(image, legacy=mean == "file")
    transformer = DataTransformer(settings(**fields), phase, seed=3, name="data")
    out = run(transformer, items, 100, lies)
    assert out.shape == (N, C, crop or H, crop or W)
    # The same chances, told by items that show where they come from.
    plain = DataTransformer(settings(mirror=mirror, crop_size=crop), phase, seed=3, name="data")
    drawn = chances(run(plain, positions(), 100))
    for item, result, (mirrored, row, column) in zip(items, out, drawn, strict=True):
        expected = (item.astype(np.float32) - image)[:, row : row + (crop or H), column : column + (crop or W)]
        expected = expected * np.float32(settings(scale=scale).scale)
        np.testing.assert_array_equal(result, expected[:, :, ::-1] if mirrored else expected)


def test_float64_nets_compute_in_float64(mean_file):
    items = np.full((2, 1, 2, 3), 200, np.uint8)
    mean = np.full((1, 2, 3), 100.1, np.float32)
    transformer = DataTransformer(settings(scale=0.1, mean_file=mean_file(mean)), TEST)
    expected = (200 - float(np.float32(100.1))) * float(np.float32(0.1))
    np.testing.assert_array_equal(run(transformer, items, dtype=np.float64), np.full((2, 1, 2, 3), expected))


def test_a_test_crop_lies_in_the_middle():
    # (7 - 4) / 2 and (9 - 4) / 2, rounded down.
    out = run(DataTransformer(settings(crop_size=4), TEST), positions())
    assert chances(out) == [(False, 1, 2)] * N


def test_chances_are_even():
    transformer = DataTransformer(settings(crop_size=6, mirror=True), TRAIN, seed=1, name="data")
    drawn = chances(run(transformer, positions(4000)))
    counts = {chance: drawn.count(chance) for chance in set(drawn)}
    # 2 mirrors, 2 rows, 4 columns: 250 of each, 15 standard deviation.
    assert sorted(counts) == [(m, r, q) for m in (False, True) for r in range(2) for q in range(4)]
    assert all(abs(count - 250) < 75 for count in counts.values())


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_items_are_mirrored_in_both_phases(phase):
    drawn = chances(run(DataTransformer(settings(mirror=True), phase, seed=1), positions()))
    assert {(True, 0, 0), (False, 0, 0)} == set(drawn)


def test_chances_depend_on_seed_name_and_index_alone():
    param = settings(crop_size=3, mirror=True)

    def drawn(seed=1, name="data", index=0, count=N):
        return chances(run(DataTransformer(param, TRAIN, seed, name), positions(count), index))

    whole = drawn()
    assert drawn() == whole
    assert [drawn(index=i, count=1)[0] for i in range(N)] == whole
    assert drawn(index=5, count=20) == whole[5:25]
    for other in (drawn(seed=2), drawn(name="other"), drawn(index=N)):
        assert other != whole
    # One transformer, other batches in between.
    transformer = DataTransformer(param, TRAIN, 1, "data")
    run(transformer, positions(7), 1000)
    assert chances(run(transformer, positions())) == whole
    large = drawn(index=2**40, count=3)
    assert large == drawn(index=2**40, count=3) != whole[:3]


def test_what_is_drawn_first_does_not_depend_on_what_is_drawn_next():
    mirrored = [m for m, _, _ in chances(run(DataTransformer(settings(mirror=True), TRAIN, 1), positions()))]
    both = chances(run(DataTransformer(settings(mirror=True, crop_size=4), TRAIN, 1), positions()))
    cropped = chances(run(DataTransformer(settings(crop_size=4), TRAIN, 1), positions()))
    assert [m for m, _, _ in both] == mirrored
    assert [place for _, *place in both] == [place for _, *place in cropped]


def test_items_that_differ_are_cropped_to_one_shape(rng):
    items = [rng.integers(0, 256, (C, H + i, W + i), dtype=np.uint8) for i in range(4)]
    out = run(DataTransformer(settings(crop_size=5, scale=0.5), TEST), items, lies="batch innermost")
    for item, result in zip(items, out, strict=True):
        row, column = (item.shape[1] - 5) // 2, (item.shape[2] - 5) // 2
        np.testing.assert_array_equal(result, item[:, row : row + 5, column : column + 5] * np.float32(0.5))
    drawing = DataTransformer(settings(crop_size=5, mirror=True), TRAIN, seed=4)
    alone = [run(drawing, item[None], 10 + i)[0] for i, item in enumerate(items)]
    np.testing.assert_array_equal(run(drawing, items, 10), alone)


def test_items_are_left_as_they_were(rng):
    items = rng.integers(0, 256, (N, C, H, W)).astype(np.float32)
    before = items.copy()
    run(DataTransformer(settings(scale=2, mean_value=[3], mirror=True), TRAIN), items)
    run(DataTransformer(settings(scale=2, mean_value=[3]), TRAIN), items)
    np.testing.assert_array_equal(items, before)


def refusal(kind, text, call):
    with pytest.raises(kind, match=text):
        call()


def test_settings_that_contradict_each_other(mean_file):
    path = mean_file(np.zeros((C, H, W), np.float32))
    text = "^transform_param.mean_file stands beside mean_value; give one of them"
    refusal(ParamError, text, lambda: DataTransformer(settings(mean_file=path, mean_value=[1]), TRAIN))
    # Even a file that is not there.
    refusal(ParamError, text, lambda: DataTransformer(settings(mean_file="absent", mean_value=[1]), TRAIN))


def test_mean_files_that_cannot_be_read(tmp_path):
    text = "transform_param.mean_file cannot be used: .*absent.binaryproto: no such file"
    refusal(FileError, text, lambda: DataTransformer(settings(mean_file=str(tmp_path / "absent.binaryproto")), TRAIN))
    text = "transform_param.mean_file is empty, must be the name of a mean image's file; omit it for none"
    refusal(FileError, text, lambda: DataTransformer(settings(mean_file=""), TRAIN))
    (tmp_path / "bad.binaryproto").write_bytes(b"\x08")
    text = "transform_param.mean_file cannot be used: .*bad.binaryproto: Failed to parse BlobProto"
    refusal(FormatError, text, lambda: DataTransformer(settings(mean_file=str(tmp_path / "bad.binaryproto")), TRAIN))


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"mean_value": [1, 2]}, ParamError, "mean_value is given 2 times, must be given once, or for each of the 3"),
        ({"crop_size": 8}, ShapeError, r"crop_size is 8, larger than the items of 3 x 7 x 9 \(C x H x W\)"),
        ({"crop_size": 10, "mirror": True}, ShapeError, "crop_size is 10, larger than the items"),
    ],
)
def test_settings_that_do_not_fit_the_items(fields, kind, text):
    transformer = DataTransformer(settings(**fields), TRAIN)
    refusal(kind, f"^transform_param.{text}", lambda: run(transformer, positions()))


@pytest.mark.parametrize("shape", [(C, H, W + 1), (1, H, W), (C, 4, 4)])
def test_a_mean_of_another_size(mean_file, shape):
    transformer = DataTransformer(settings(mean_file=mean_file(np.zeros(shape, np.float32)), crop_size=4), TEST)
    sizes = " x ".join(map(str, shape))
    text = rf'mean.binaryproto" is of {sizes}, the items of 3 x 7 x 9 \(C x H x W\); give the mean of whole items'
    refusal(ShapeError, text, lambda: run(transformer, positions()))


def test_a_mean_of_five_axes(mean_file):
    path = mean_file(np.zeros((1, 1, C, H, W), np.float32), legacy=False)
    text = r'transform_param.mean_file ".*" has 5 axes, must have channels, height and width'
    refusal(ShapeError, text, lambda: DataTransformer(settings(mean_file=path), TRAIN))


def test_items_without_channels():
    text = "transform_param needs items of at least one channel"
    refusal(ShapeError, text, lambda: DataTransformer(settings(), TRAIN).output_shape((0, 4, 5)))


def test_items_that_do_not_fit_the_batch(rng):
    items = [np.zeros((C, H, W), np.uint8), np.zeros((C, H, W - 1), np.uint8)]
    text = "transform_param makes 1 x 3 x 7 x 8 of 1 x 3 x 7 x 8 .N x C x H x W., but the batch is 1 x 3 x 7 x 9; all"
    refusal(ShapeError, text, lambda: DataTransformer(settings(), TEST).transform(items, output((2, C, H, W), "c")))
    few = np.zeros((1, C, H, W), np.uint8)
    text = "makes 1 x 3 x 7 x 9 of .*, but the batch is 2 x 3 x 7 x 9"
    refusal(ShapeError, text, lambda: DataTransformer(settings(), TEST).transform(few, output((2, C, H, W), "c")))


def test_the_caller_says_where_it_stands():
    def error(kind, message, field):
        return kind(message, file="net.prototxt", line=7, layer="data", field=field)

    transformer = DataTransformer(settings(crop_size=8), TRAIN, error=error)
    text = '^net.prototxt:7: layer "data": transform_param.crop_size is 8, larger than'
    refusal(ShapeError, text, lambda: transformer.output_shape((C, H, W)))


def test_datums_are_decoded_with_forced_colours(rng):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8)).save(file, "PNG")
    encoded = caffe_pb2.Datum(data=file.getvalue(), encoded=True).SerializeToString()
    raw = make_datum(rng.integers(0, 256, (C, H, W), dtype=np.uint8))
    for fields, channels in (({}, 3), ({"force_color": True}, 3), ({"force_gray": True}, 1)):
        transformer = DataTransformer(settings(**fields), TEST)
        assert transformer.decode([encoded]).items.shape == (1, channels, H, W)
        assert transformer.decode([raw]).items.shape == (1, C, H, W)
    both = DataTransformer(settings(force_color=True, force_gray=True), TEST)
    assert both.decode([raw]).items.shape == (1, C, H, W)
    text = "transform_param.force_color is true, and so is force_gray; set one of them"
    refusal(ParamError, text, lambda: both.decode([encoded]))
