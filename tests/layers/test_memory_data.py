"""MemoryData: arrays in place, items that are added and transformed, the place in them, and what is refused."""

import io

import numpy as np
import pytest
from harness import check_rejected, make_layer
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from minicaffe.errors import DataError, FileError, FormatError, GraphError, MinicaffeError, ParamError, ShapeError
from minicaffe.io.datum import make_datum
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TEST

ITEM = (3, 4, 5)
SIZES = "channels: 3 height: 4 width: 5"


def prototxt(batch_size=2, sizes=SIZES, more=""):
    return f'type: "MemoryData" memory_data_param {{ batch_size: {batch_size} {sizes} }} {more}'


def memory_layer(*args, **options):
    return make_layer(prototxt(*args), tops=2, **options)


def arrays(count, item=ITEM, dtype=np.float32):
    """Items whose number is in each value; their labels, 100 more."""
    numbers = np.arange(count, dtype=dtype).reshape(-1, 1, 1, 1)
    return np.broadcast_to(numbers, (count, *item)).copy(), numbers + 100


def numbers(run):
    """The items' numbers of one batch, which must be in each value."""
    data, label = (top.data for top in run.forward().top)
    assert label.shape == (len(data), 1, 1, 1)
    assert (data == label - 100).all()
    return [int(number) - 100 for number in label.ravel()]


def images(rng, count, shape=ITEM):
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8)


def datums(values):
    return [caffe_pb2.Datum.FromString(make_datum(value, 100 + i)) for i, value in enumerate(values)]


# --- arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_go_round(backend, order, dtype):
    run = memory_layer(dtype=dtype)
    assert [top.shape for top in run.top] == [(2, *ITEM), (2,)]
    run.layer.reset(*arrays(6, dtype=dtype))
    assert [numbers(run) for _ in range(4)] == [[0, 1], [2, 3], [4, 5], [0, 1]]
    run.layer.reset(*arrays(2, dtype=dtype))
    assert [numbers(run.backward()) for _ in range(2)] == [[0, 1], [0, 1]]


def test_arrays_are_used_in_place():
    run, (data, labels) = memory_layer(order="c"), arrays(4)
    run.layer.reset(data, labels)
    run.forward().forward()
    assert np.shares_memory(run.top[0].data, data[2:]) and np.shares_memory(run.top[1].data, labels[2:])
    run.top[0].data[...] *= 2
    assert (data[:2] == arrays(4)[0][:2]).all() and (data[2:] == 2 * arrays(4)[0][2:]).all()


def test_edits_show_in_the_next_batch(backend, order):
    run, (data, labels) = memory_layer(), arrays(4)
    run.layer.reset(data, labels)
    numbers(run)
    data[...] += 10
    labels += 10
    assert [numbers(run) for _ in range(2)] == [[12, 13], [10, 11]]


def test_arrays_that_may_not_be_written_are_copied(backend, order):
    run, writable, (data, labels) = memory_layer(), arrays(2), arrays(4)
    data.flags.writeable = labels.flags.writeable = False
    run.layer.reset(*writable)
    run.forward()
    run.layer.reset(data, labels)
    assert numbers(run) == [0, 1]
    run.top[0].data[...] = 7
    assert [numbers(run) for _ in range(2)] == [[2, 3], [0, 1]]
    assert_array_equal(writable[0], arrays(2)[0])


def test_arrays_live_as_long_as_they_are_needed():
    run = memory_layer()
    run.layer.reset(*(array[2:] for array in arrays(6)))
    assert [numbers(run) for _ in range(2)] == [[2, 3], [4, 5]]


def test_one_axis_of_one(backend):
    run = memory_layer(1, "channels: 1 height: 1 width: 1")
    run.layer.reset(*arrays(2, (1, 1, 1)))
    assert [numbers(run) for _ in range(3)] == [[0], [1], [0]]


def test_a_warning_that_arrays_are_not_transformed(capsys):
    run = memory_layer(2, SIZES, "transform_param { scale: 2 }")
    run.layer.reset(*arrays(2))
    assert numbers(run) == [0, 1]
    assert "MemoryData does not transform array data on Reset()" in capsys.readouterr().err
    memory_layer().layer.reset(*arrays(2))
    assert "Reset" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda data, labels: (data[::2], labels[::2]), ["data array must be C contiguous", "ascontiguousarray"]),
        (lambda data, labels: (data, np.asfortranarray(labels.repeat(2, 1))), ["labels array must be C contiguous"]),
        (lambda data, labels: (data.reshape(4, -1), labels), ["data array must be 4-d", "shape (4, 60)"]),
        (lambda data, labels: (data, labels.ravel()), ["labels array must be 4-d: (n, 1, 1, 1)", "shape (4,)"]),
        (lambda data, labels: (data.astype(float), labels), ["data array must be float32", "it is float64"]),
        (lambda data, labels: (data, labels.astype(int)), ["labels array must be float32", "it is int64"]),
        (lambda data, labels: (data.astype(">f4"), labels), ["data array must be float32", "it is >f4"]),
        (
            lambda data, labels: (arrays(4, (1, 4, 5))[0], labels),
            ["data array has wrong number of channels, must be 3"],
        ),
        (lambda data, labels: (arrays(4, (3, 5, 5))[0], labels), ["data array has wrong height, must be 4"]),
        (lambda data, labels: (arrays(4, (3, 4, 4))[0], labels), ["data array has wrong width, must be 5"]),
        (lambda data, labels: (data, data[:, :1, :1].copy()), ["labels array has wrong width, must be 1"]),
        (lambda data, labels: (data, labels[:2]), ["the same first dimension", "4 and 2"]),
        (lambda data, labels: (data[:3], labels[:3]), ["must be a multiple of the batch size, 2", "not 3"]),
        (lambda data, labels: (data[:0], labels[:0]), ["must be a multiple of the batch size", "not 0"]),
    ],
)
def test_arrays_that_are_refused(change, words):
    run = check_rejected(
        prototxt(), [], ShapeError, "", *words, tops=2, act=lambda r: r.layer.reset(*change(*arrays(4)))
    )
    kept = memory_layer()
    kept.layer.reset(*arrays(4))
    numbers(kept)
    with pytest.raises(type(run)):
        kept.layer.reset(*change(*arrays(4)))
    assert numbers(kept) == [2, 3]


def test_lists_are_no_arrays():
    with pytest.raises(TypeError, match="data array must be a NumPy array, not list"):
        memory_layer().layer.reset(arrays(2)[0].tolist(), arrays(2)[1])


# --- what is added ----------------------------------------------------------------------------------


@pytest.mark.parametrize("as_bytes", [False, True])
def test_datums_are_transformed(backend, order, rng, as_bytes):
    run = memory_layer(2, SIZES, "transform_param { scale: 0.5 mean_value: 3 mean_value: 4 mean_value: 5 }")
    values = images(rng, 4)
    added = datums(values)
    run.layer.add_datum_vector([datum.SerializeToString() for datum in added] if as_bytes else added)
    expected = (values - np.array([3.0, 4, 5]).reshape(1, 3, 1, 1)) / 2
    for first in (0, 2, 0):
        data, label = (top.data for top in run.forward().top)
        assert_allclose(data, expected[first : first + 2], rtol=1e-6)
        assert_array_equal(label.ravel(), [100 + first, 101 + first])


def test_datums_of_floats_and_of_image_files(rng):
    run, pixels = memory_layer(), images(rng, 1, (4, 5, 3))[0]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    floats = rng.normal(size=ITEM).astype(np.float32)
    encoded = caffe_pb2.Datum(data=file.getvalue(), encoded=True, label=4)
    run.layer.add_datum_vector([make_datum(floats, 3), encoded])
    data, label = (top.data for top in run.forward().top)
    assert_array_equal(data[0], floats)
    assert_array_equal(data[1], pixels[:, :, ::-1].transpose(2, 0, 1))
    assert_array_equal(label.ravel(), [3, 4])


def test_images_are_transformed(backend, order, rng):
    """As OpenCV gives them: (H, W, C); here the middle is cut out of images that are larger, and not all alike."""
    run = memory_layer(2, "channels: 3 height: 4 width: 4", "transform_param { crop_size: 4 }", phase=TEST)
    mats = [images(rng, 1, shape)[0] for shape in [(6, 8, 3), (4, 4, 3)]]
    run.layer.add_mat_vector(mats, [7, 8])
    data, label = (top.data for top in run.forward().top)
    assert_array_equal(data[0], mats[0][1:5, 2:6].transpose(2, 0, 1))
    assert_array_equal(data[1], mats[1].transpose(2, 0, 1))
    assert_array_equal(label.ravel(), [7, 8])


def test_grey_images_may_have_two_axes(rng):
    run = memory_layer(2, "channels: 1 height: 4 width: 5")
    mats = images(rng, 2, (4, 5))
    run.layer.add_mat_vector(mats, np.array([1, 2]))
    assert_array_equal(run.forward().top[0].data, mats[:, np.newaxis])


def test_nothing_is_added_before_the_last_is_used_up(rng):
    run, first, second = memory_layer(), images(rng, 4), images(rng, 2)
    run.layer.add_datum_vector(datums(first))
    for _ in range(2):
        for act, words in [
            (lambda layer: layer.add_datum_vector(datums(second)), "Can't add data"),
            (lambda layer: layer.add_mat_vector([], []), "Can't add mat"),
            (lambda layer: layer.set_batch_size(1), "Can't change batch_size"),
        ]:
            with pytest.raises(DataError, match=f"{words} until current data has been consumed"):
                act(run.layer)
        run.forward()
    run.layer.add_datum_vector(datums(second))
    assert_array_equal(run.forward().top[0].data, second)


def test_how_many_are_left(rng):
    run = memory_layer()
    run.layer.add_datum_vector(datums(images(rng, 6)))
    run.forward()
    with pytest.raises(DataError, match="4 of the 6 items added before are left"):
        run.layer.set_batch_size(1)


def test_reset_replaces_what_was_added(rng):
    run = memory_layer()
    run.layer.add_datum_vector(datums(images(rng, 4)))
    run.layer.reset(*arrays(4))
    assert numbers(run) == [0, 1]
    run.layer.set_batch_size(1)


def test_what_is_added_does_not_touch_arrays(rng):
    run, (data, labels) = memory_layer(order="c"), arrays(2)
    run.layer.reset(data, labels)
    run.forward()
    run.layer.add_datum_vector(datums(images(rng, 2)))
    run.forward()
    assert_array_equal(data, arrays(2)[0])


BAD_SHAPE = np.zeros((3, 4, 6), np.uint8)


@pytest.mark.parametrize(
    "act, kind, field, words",
    [
        (lambda layer: layer.add_datum_vector([]), ShapeError, "", ["number of Datums", "not 0"]),
        (lambda layer: layer.add_datum_vector(datums([BAD_SHAPE])), ShapeError, "", ["number of Datums", "not 1"]),
        (
            lambda layer: layer.add_datum_vector(datums([BAD_SHAPE] * 2)),
            ShapeError,
            "transform_param",
            ["makes 2 x 3 x 4 x 6", "the batch is 2 x 3 x 4 x 5"],
        ),
        (lambda layer: layer.add_datum_vector([b"\xff"] * 2), FormatError, "", ["number 0"]),
        (lambda layer: layer.add_mat_vector([], []), ShapeError, "", ["number of images", "not 0"]),
        (lambda layer: layer.add_mat_vector([BAD_SHAPE] * 2, [1]), ShapeError, "", ["2 images", "as many labels", "1"]),
        (
            lambda layer: layer.add_mat_vector([BAD_SHAPE, BAD_SHAPE.astype(float)], [1, 2]),
            DataError,
            "",
            ["image 1 is float64 of shape (3, 4, 6)", "uint8"],
        ),
        (lambda layer: layer.add_mat_vector([[1], BAD_SHAPE], [1, 2]), DataError, "", ["image 0 is list"]),
        (lambda layer: layer.add_mat_vector(np.zeros((2, 5), np.uint8), [1, 2]), DataError, "", ["shape (5,)"]),
    ],
)
def test_items_that_are_refused(act, kind, field, words):
    run = memory_layer()
    run.layer.reset(*arrays(4))
    numbers(run)
    with pytest.raises(MinicaffeError) as caught, run.layer.placing_errors():
        act(run.layer)
    assert type(caught.value) is kind and caught.value.field == field, repr(caught.value)
    for word in ['layer "the_layer" (MemoryData)', *words]:
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"
    assert numbers(run) == [2, 3]


# --- another batch size -----------------------------------------------------------------------------


def test_set_batch_size(backend, order):
    run = memory_layer()
    run.layer.reset(*arrays(6))
    numbers(run)
    for size, found in [(1, [2]), (3, [3, 4, 5]), (6, [*range(6)])]:
        run.layer.set_batch_size(size)
        assert numbers(run) == found
    run.layer.set_batch_size(20)
    run.layer.reset(*arrays(40))
    assert [numbers(run) for _ in range(2)] == [[*range(20)], [*range(20, 40)]]


@pytest.mark.parametrize("size, forwards", [(4, 0), (3, 2)])
def test_batch_sizes_that_do_not_fit_the_arrays(size, forwards):
    """Caffe would read past their end."""
    run = memory_layer()
    run.layer.reset(*arrays(6))
    for _ in range(forwards):
        numbers(run)
    run.layer.set_batch_size(size)
    with pytest.raises(ShapeError, match=f"batch_size has become {size}, .* the 6 items, from item {2 * forwards} on"):
        run.forward()


def test_a_batch_size_of_none():
    field, words = "memory_data_param.batch_size", ["is to become 0", "1 or more"]
    check_rejected(prototxt(), [], ParamError, field, *words, tops=2, act=lambda run: run.layer.set_batch_size(0))


# --- state ------------------------------------------------------------------------------------------


def test_a_restored_layer_goes_on():
    run, other = memory_layer(), memory_layer()
    for each in (run, other):
        each.layer.reset(*arrays(6))
    numbers(run)
    assert run.layer.state() == {"position": 2, "items": 0}
    other.layer.restore(run.layer.state())
    assert [numbers(other) for _ in range(3)] == [numbers(run) for _ in range(3)]


def test_random_crops_go_on(rng):
    text, values = (
        (2, "channels: 3 height: 2 width: 2", "transform_param { crop_size: 2 mirror: true }"),
        images(rng, 8),
    )
    run, other = memory_layer(*text), memory_layer(*text)
    for first in (0, 2):
        run.layer.add_datum_vector(datums(values[first : first + 2]))
        run.forward()
    other.layer.restore(run.layer.state())
    for first in (4, 6):
        for each in (run, other):
            each.layer.add_datum_vector(datums(values[first : first + 2]))
        assert_array_equal(run.forward().top[0].data, other.forward().top[0].data)


def test_arrays_that_come_later_begin_at_their_first():
    run = memory_layer()
    run.layer.restore({"position": 4, "items": 0})
    run.layer.reset(*arrays(2))
    assert numbers(run) == [0, 1]


@pytest.mark.parametrize(
    "state, kind, words",
    [
        ({}, FormatError, "has no position .* begin a new run"),
        ({"position": -2, "items": 0}, FormatError, "position is -2, must be"),
        ({"position": 0}, FormatError, "has no items"),
        ({"position": 0, "items": "1"}, FormatError, "items is '1'"),
        ({"position": 6, "items": 0}, DataError, "holds 6 items, .* more than 6"),
    ],
)
def test_states_that_do_not_fit(state, kind, words):
    run = memory_layer()
    run.layer.reset(*arrays(6))
    with pytest.raises(kind, match=words) as caught:
        run.layer.restore(state)
    assert type(caught.value) is kind
    assert numbers(run) == [0, 1]


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["batch_size", "channels", "height", "width"])
@pytest.mark.parametrize("zero", [False, True])
def test_all_sizes_are_required(missing, zero):
    given = {"batch_size": 2, "channels": 3, "height": 4, "width": 5}
    given = {**given, missing: 0} if zero else {name: size for name, size in given.items() if name != missing}
    text = " ".join(f"{name}: {size}" for name, size in given.items())
    text = f'type: "MemoryData" memory_data_param {{ {text} }}'
    check_rejected(text, [], ParamError, f"memory_data_param.{missing}", "is 0", "must be 1 or more", tops=2)


def test_forward_needs_data():
    words = ["needs to be initialized by calling Reset", "set_input_arrays"]
    check_rejected(prototxt(), [], DataError, "", *words, tops=2, act=lambda run: run.forward())


def test_impossible_sizes():
    field = "memory_data_param.batch_size"
    check_rejected(prototxt(2**31), [], ShapeError, field, "2147483648 3 4 5", "INT_MAX", tops=2)


def test_a_mean_file_is_read_at_set_up(tmp_path):
    more = f'transform_param {{ mean_file: "{tmp_path}/none" }}'
    text = f'name: "the_layer" {prototxt(2, SIZES, more)}'
    check_rejected(text, [], FileError, "transform_param.mean_file", f"{tmp_path}/none", tops=2)


def test_blob_counts():
    check_rejected(prototxt(), [], GraphError, "", "produces 2 top", tops=1)
    check_rejected(prototxt(), [(2,)], GraphError, "", "takes 0 bottom", tops=2)
