"""Storage: a host and a device copy, and which of the two is newer."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.backend import CPU
from minicaffe.backend.memory import HEAD_AT_DEVICE, HEAD_AT_HOST, SYNCED, UNINITIALIZED, Storage
from minicaffe.backend.pages import Pages


def make(backend, count=4):
    storage = Storage(backend, np.float32)
    storage.grow(count)
    return storage


def test_nothing_is_allocated_before_it_is_touched(backend):
    storage = make(backend, 10**9)
    assert storage.state == UNINITIALIZED and not storage.allocated and storage.capacity == 10**9


@pytest.mark.parametrize("side", ["host", "device"])
def test_first_touched_it_is_zero(backend, side):
    storage = make(backend)
    array = getattr(storage, side)()
    assert storage.allocated and array.dtype == np.float32
    assert_array_equal(array if side == "host" else backend.to_host(array), np.zeros(4))


def test_what_one_side_writes_the_other_reads(backend):
    storage = make(backend)
    storage.host()[...] = [1, 2, 3, 4]
    device = storage.device()
    assert_array_equal(backend.to_host(device), [1, 2, 3, 4])
    device *= 2
    assert_array_equal(storage.host(), [2, 4, 6, 8])
    storage.host()[1] = 0
    assert_array_equal(backend.to_host(storage.device()), [2, 0, 6, 8])


def test_states(backend):
    storage = make(backend)
    storage.host()
    assert storage.state == (HEAD_AT_HOST if backend.is_gpu else SYNCED)
    storage.device()
    assert storage.state == (HEAD_AT_DEVICE if backend.is_gpu else SYNCED)


def test_on_the_cpu_both_are_one_array():
    storage = make(CPU)
    assert storage.host() is storage.device() is storage.host()


def test_growing_drops_the_contents(backend):
    storage = make(backend)
    storage.host()[...] = 1
    assert not storage.grow(4) and not storage.grow(2)
    assert storage.host().sum() == 4
    assert storage.grow(5)
    assert not storage.allocated and storage.host().tolist() == [0] * 5


def test_rebinding_moves_the_contents(backend):
    storage, buffer = make(backend), backend.xp.zeros(10, np.float32)
    storage.host()[...] = [1, 2, 3, 4]
    storage.rebind(buffer[3:7])
    assert_array_equal(backend.to_host(buffer), [0, 0, 0, 1, 2, 3, 4, 0, 0, 0])
    storage.device()[0] = 9
    assert backend.to_host(buffer)[3] == 9
    assert storage.host()[0] == 9
    storage.host()[1] = 8
    storage.device()
    assert backend.to_host(buffer)[4] == 8


def test_rebinding_what_was_never_touched(backend):
    storage, buffer = make(backend), backend.xp.zeros(10, np.float32)
    storage.rebind(buffer[3:7])
    storage.device()[...] = 1
    assert backend.to_host(buffer).sum() == 4


def test_a_callers_array_is_adopted(backend):
    storage, mine = make(backend), np.arange(6, dtype=np.float32)
    storage.adopt(mine)
    assert storage.capacity == 6 and storage.host() is mine
    assert_array_equal(backend.to_host(storage.device()), mine)


def test_zeros_are_written_when_someone_looks(backend):
    storage = make(backend)
    storage.zero_later()
    assert not storage.allocated, "memory that nobody touched is zeros already, and stays untouched"
    for look in (storage.host, lambda: backend.to_host(storage.device())):
        storage.host()[:] = 7
        storage.device()
        storage.zero_later()
        assert_array_equal(look(), np.zeros(4))
        assert storage.claim_zeros() is None


def test_zeroed_where_only_a_script_has_looked(backend):
    storage = make(backend)
    storage.host()[...] = 5
    storage.zero_later()
    assert_array_equal(backend.to_host(storage.device()), np.zeros(4))
    assert_array_equal(storage.host(), np.zeros(4))


def test_who_claims_zeros_gets_the_memory_as_it_is(backend):
    storage = make(backend)
    storage.host()[:] = 7
    storage.device()
    storage.zero_later()
    claimed = storage.claim_zeros()
    claimed[...] = 3
    assert claimed is storage.device()
    assert_array_equal(backend.to_host(storage.device()), np.full(4, 3))


def test_arrays_lie_side_by_side_in_chunks_and_never_overlap():
    pages = Pages()
    arrays = [pages.zeros(count, dtype) for count in (5000, 100_001, 1 << 20) for dtype in ("float32", "uint8")]
    for i, array in enumerate(arrays):
        assert not array.any() and array.ctypes.data % 64 == 0
        array.fill(i + 1)
    assert [int(array.max()) for array in arrays] == [int(array.min()) for array in arrays] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("count", [0, 1])
def test_small_arrays_are_numpys_own(count):
    assert Pages().zeros(count, np.float32).base is None


def test_large_arrays_are_zero_and_their_own_whatever_was_freed_before():
    for value in (1, 2):
        array = Pages().zeros(1 << 22, np.float32)
        assert not array.any() and array.flags.writeable and array.ctypes.data % 64 == 0
        array.fill(value)
        del array


def test_more_memory_than_there_is():
    with pytest.raises(MemoryError, match=r"\d+ bytes cannot be had"):
        Pages().zeros(1 << 60, np.uint8)


def test_a_chunk_that_is_used_up_is_followed_by_another():
    pages = Pages()
    arrays = [pages.zeros(1 << 20, np.float32) for _ in range(20)]
    chunks = {id(array.base) for array in arrays}
    assert len(chunks) == 3
    for i, array in enumerate(arrays):
        array.fill(i)
    assert [array[-1] for array in arrays] == list(range(20))
