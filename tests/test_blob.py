"""Blob: shapes, contents across reshapes, sharing; and HostBlob, what scripts see."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

from minicaffe.backend import CPU, layout
from minicaffe.blob import DATA, DIFF, Blob, HostBlob, shape_text
from minicaffe.errors import MinicaffeError, ShapeError

SHAPE = (2, 3, 4, 5)


def make(shape=SHAPE, order="c", **options):
    return Blob(shape, layout=CPU.layout(order), **options)


def number(blob):
    """Fill data with 0, 1, 2, ... in C order, diff with 1000, 1001, ..."""
    blob.data[...] = np.arange(blob.count).reshape(blob.shape)
    blob.diff[...] = np.arange(blob.count).reshape(blob.shape) + 1000
    return blob


# --- shapes ---------------------------------------------------------------------------------------


def test_a_blob_that_was_never_shaped_holds_nothing():
    blob = Blob()
    assert (blob.shape, blob.count, blob.num_axes) == ((), 0, 0)
    with pytest.raises(ShapeError, match="no shape yet"):
        _ = blob.data


def test_a_scalar_holds_one_value():
    blob = Blob(())
    assert (blob.shape, blob.count) == ((), 1)
    assert blob.data.shape == () and blob.data == 0
    blob.data[...] = 3
    assert blob.data == 3


def test_from_unshaped_to_scalar():
    blob = Blob()
    blob.reshape()
    assert blob.count == 1 and blob.data.shape == ()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_is_zero_and_of_the_nets_type(backend, order, dtype):
    blob = Blob(SHAPE, backend=backend, dtype=dtype, layout=backend.layout(order))
    for array in (blob.data, blob.diff):
        assert array.shape == SHAPE and array.dtype == dtype
        assert_array_equal(backend.to_host(array), np.zeros(SHAPE))


@pytest.mark.parametrize(
    "shape, words",
    [
        ((2, -1), "cannot have shape 2 -1: no size may be negative"),
        ((1,) * 33, "at most 32 axes, not 33"),
        ((2**16, 2**15), "blob size exceeds INT_MAX"),
        ((2**40, 2**40), "blob size exceeds INT_MAX"),
    ],
)
def test_shapes_that_are_refused(shape, words):
    blob = number(make((3,)))
    with pytest.raises(ShapeError, match=words):
        blob.reshape(*shape)
    assert blob.shape == (3,) and blob.data.tolist() == [0, 1, 2]


def test_the_largest_shapes_take_no_memory_until_touched():
    assert Blob((2**31 - 1,)).count == 2**31 - 1
    assert Blob((1,) * 32).num_axes == 32
    assert Blob((2**31, 0, 2**40)).count == 0


@pytest.mark.parametrize("axis, expected", [(0, 0), (3, 3), (-1, 3), (-4, 0)])
def test_canonical_axis(axis, expected):
    assert make().canonical_axis(axis) == expected


@pytest.mark.parametrize("shape, axis", [(SHAPE, 4), (SHAPE, -5), ((), 0), ((), -1)])
def test_an_axis_that_is_not_there(shape, axis):
    with pytest.raises(ShapeError, match=f"axis {axis} does not exist in a blob of shape"):
        make(shape).canonical_axis(axis)


def test_counts_and_legacy_axes():
    blob = make((2, 3))
    assert (blob.count_between(1), blob.count_between(0, 1), blob.count_between(2)) == (3, 2, 1)
    assert [blob.legacy_axis(axis) for axis in range(4)] == [2, 3, 1, 1]
    with pytest.raises(ShapeError, match="channels is defined for blobs of at most 4 axes"):
        make((1, 2, 3, 4, 5)).legacy_axis(1)


def test_shape_text():
    assert shape_text((64, 1, 28, 28)) == "64 1 28 28 (50176)"
    assert shape_text(()) == "(1)"


# --- contents across reshapes ---------------------------------------------------------------------

shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple)


@given(st.lists(shapes, min_size=2, max_size=6))
def test_contents_are_those_of_caffes_flat_memory(order, sequence):
    """In C order and however the bytes lie: kept while the memory suffices, zero once it has grown."""
    blob = Blob(layout=CPU.layout(order))
    flat = {DATA: np.zeros(0), DIFF: np.zeros(0)}
    for step, shape in enumerate(sequence):
        blob.reshape(*shape)
        count = math.prod(shape)
        for which in (DATA, DIFF):
            if flat[which].size < count:
                flat[which] = np.zeros(count)
            array = blob.data if which == DATA else blob.diff
            assert array.shape == shape
            assert_array_equal(array.ravel(), flat[which][:count])
            values = np.arange(count) + 100 * step + 10000 * which + 1
            array[...] = values.reshape(shape)
            flat[which][:count] = values


def test_shrink_and_regrow(order):
    blob = number(make(order=order))
    for shape in [(2, 2, 4, 5), (1, 1, 2, 3), (5, 4, 3, 2), (120,), SHAPE]:
        blob.reshape(*shape)
        assert_array_equal(blob.data.ravel(), np.arange(blob.count))
        assert_array_equal(blob.diff.ravel(), np.arange(blob.count) + 1000)


def test_growing_drops_data_and_diff(order):
    blob = number(make(order=order))
    blob.reshape(3, 3, 4, 5)
    assert not blob.data.any() and not blob.diff.any()


def test_an_untouched_diff_takes_no_memory():
    blob = make()
    blob.data[...] = 1
    assert blob.storage(DATA).allocated and not blob.storage(DIFF).allocated


def test_the_arrays_stay_the_same_objects():
    blob = make()
    assert blob.data is blob.data and blob.diff is blob.diff
    before = blob.data
    blob.reshape(*SHAPE)
    assert blob.data is before


def test_batch_innermost_in_memory():
    blob = number(make(order="batch_innermost"))
    assert blob.order == layout.BATCH_INNERMOST
    assert blob.data.strides == (4, 4 * 5 * 2 * 4, 5 * 2 * 4, 2 * 4)
    assert blob.data.transpose(1, 2, 3, 0).flags.c_contiguous
    blob.reshape(2, 60)
    assert blob.order == layout.C_ORDER and blob.data.flags.c_contiguous


# --- sharing --------------------------------------------------------------------------------------


def test_shared_data_is_the_same_memory(order):
    a, b = number(make(order=order)), make((6, 20), order="c")
    b.share_data(a)
    b.diff[...] = 7
    assert a.diff[0, 0, 0, 0] == 1000
    b.reshape_like(a)
    b.share_data(a)
    assert_array_equal(b.data, a.data)
    b.data[1, 2, 3, 4] = -1
    assert a.data[1, 2, 3, 4] == -1


def test_shared_diff_is_the_same_memory():
    a, b = make(), make()
    b.share_diff(a)
    b.diff[...] = 4
    assert_array_equal(a.diff, np.full(SHAPE, 4))
    b.data[...] = 1
    assert not a.data.any()


def test_a_sharer_follows_new_memory():
    """The owner grows: its memory is another, and the sharer's, at the next touch, too."""
    a, b = make((2, 3)), make((2, 3))
    b.share_data(a)
    b.data[...] = 1
    a.reshape(4, 3)
    a.data[...] = 5
    b.reshape(4, 3)
    assert_array_equal(b.data, np.full((4, 3), 5))


def test_counts_must_agree():
    with pytest.raises(ShapeError, match=r"cannot share memory between blobs of shape 2 3 4 5 \(120\) and 7 \(7\)"):
        make().share_data(make((7,)))


@pytest.mark.parametrize("shape, possible", [((2, 60), True), ((2, 60, 1, 1), True), ((6, 20), False), ((), False)])
def test_what_a_batch_innermost_blob_can_alias(shape, possible):
    assert make(order="batch_innermost").can_alias(shape) == possible
    assert make(order="c").can_alias(shape)


def test_rebinding_moves_contents_into_a_larger_buffer():
    blob, buffer = number(make((2, 3))), np.zeros(10, np.float32)
    blob.rebind(DATA, buffer[2:8])
    assert buffer.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 0, 0]
    blob.data[0, 1] = 7
    assert buffer[3] == 7
    blob.reshape(3, 2)
    assert blob.data.tolist() == [[0, 7], [2, 3], [4, 5]]


# --- what scripts see -----------------------------------------------------------------------------


def test_host_blob_writes_through(backend, order):
    blob = Blob(SHAPE, backend=backend, layout=backend.layout(order))
    host = HostBlob(blob)
    host.data[...] = np.arange(120).reshape(SHAPE)
    host.diff[1] = 4
    assert isinstance(host.data, np.ndarray)
    assert_array_equal(backend.to_host(blob.data), np.arange(120).reshape(SHAPE))
    assert backend.to_host(blob.diff).sum() == 240
    blob.data[...] = 3
    assert_array_equal(host.data, np.full(SHAPE, 3))


def test_host_blob_has_caffes_attributes():
    host = HostBlob(make((2, 3)))
    assert (host.shape, host.count) == ((2, 3), 6)
    assert (host.num, host.channels, host.height, host.width) == (2, 3, 1, 1)
    assert repr(host) == "<Blob 2 3 (6)>"
    with pytest.raises(ShapeError, match="num is defined"):
        _ = HostBlob(make((1, 2, 3, 4, 5))).num


@pytest.mark.parametrize("name", ["data", "diff", "shape", "count", "num"])
def test_nothing_can_be_assigned(name):
    advice = rf"write into it, blob\.{name}\[\.\.\.\] = values" if name in ("data", "diff") else name
    with pytest.raises(AttributeError, match=advice):
        setattr(HostBlob(make()), name, 1)


def test_host_blob_reshape():
    host = HostBlob(make())
    host.reshape(np.int64(4), 5)
    assert host.shape == (4, 5) and type(host.shape[0]) is int
    host.reshape()
    assert host.shape == ()
    with pytest.raises(MinicaffeError, match=r"takes no kwargs: .* reshape\(2, 3, 4, 5\)"):
        host.reshape(num=2)
    with pytest.raises(TypeError, match="integers"):
        host.reshape(2.5)
    with pytest.raises(TypeError, match="integers"):
        host.reshape((2, 3))


def test_a_new_array_each_time_that_owns_no_memory(order):
    host = HostBlob(make(order=order))
    for name in ("data", "diff"):
        first, second = getattr(host, name), getattr(host, name)
        assert first is not second and np.shares_memory(first, second)
        assert not first.flags.owndata and first.flags.writeable and first.dtype == np.float32


def test_an_array_keeps_its_memory():
    """After a growing reshape it stands alone, and what it shows is what it showed."""
    host = HostBlob(make((2, 3)))
    data = host.data
    data[...] = 5
    host.reshape(100, 100)
    host.data[...] = 1
    assert (data == 5).all() and not np.shares_memory(data, host.data)


# --- what other libraries see ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("take", [np.asarray, np.from_dlpack], ids=lambda take: take.__name__)
def test_others_share_the_memory_on_the_host(order, take, dtype):
    host = HostBlob(number(make(order=order, dtype=dtype)))
    for source in (host, host.data):
        array = take(source)
        assert_array_equal(array, np.arange(120).reshape(SHAPE))
        assert np.shares_memory(array, host.data) and array.dtype == dtype
    host.data[1, 2, 3, 4] = -1
    assert array[1, 2, 3, 4] == -1
    assert host.__dlpack_device__() == (1, 0)


def test_a_scalar_is_shared_too():
    host = HostBlob(make(()))
    array = np.asarray(host)
    array[...] = 3
    assert array.shape == () and host.data == 3 and np.from_dlpack(host) == 3


def test_what_was_lent_stays_while_the_blob_grows():
    host = HostBlob(make((2, 3)))
    lent = np.asarray(host)
    lent[...] = 5
    for count in (1000, 5000, 50000):
        host.reshape(count)
        host.data[...] = 1
        assert_array_equal(np.asarray(host), np.ones(count))
    del host
    assert (lent == 5).all()


@pytest.mark.parametrize("name", ["__cuda_array_interface__", "_gpu_data_ptr", "_gpu_diff_ptr"])
def test_on_the_cpu_there_is_nothing_of_a_gpu(name):
    host = HostBlob(make())
    assert not hasattr(host, name)
    with pytest.raises(
        AttributeError, match=rf"^no {name} in CPU mode: call set_mode_gpu\(\) before you build the net$"
    ):
        getattr(host, name)


def test_others_share_the_memory_on_a_gpu(fake_gpu, monkeypatch):
    """Without a transfer, the arrays of the device; a script's writing on the host before counts."""
    blob = Blob(SHAPE, backend=fake_gpu)
    host = HostBlob(blob)
    host.data[...] = 4
    on_device = blob.data
    for name in ("get", "set"):
        monkeypatch.setattr(type(on_device), name, lambda *_, **__: pytest.fail("a transfer"))
    address = on_device.data.ptr
    assert host._gpu_data_ptr == host.__cuda_array_interface__["data"][0] == address != host._gpu_diff_ptr
    assert host._gpu_diff_ptr == blob.diff.data.ptr
    assert host.__cuda_array_interface__["shape"] == SHAPE and host.__dlpack_device__() == (2, 0)
    shared = np.from_dlpack(SimpleNamespace(__dlpack__=host.__dlpack__, __dlpack_device__=lambda: (1, 0)))
    assert (shared == 4).all() and shared.ctypes.data == address


def test_writing_on_the_gpu_is_seen_on_the_host(fake_gpu):
    blob = Blob((2, 3), backend=fake_gpu)
    host = HostBlob(blob)
    assert not host.data.any()
    assert isinstance(host._gpu_data_ptr, int)
    blob.data[...] = 3
    assert (np.asarray(host) == 3).all()
