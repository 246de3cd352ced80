"""BlobVec: what scripts may do with a layer's blobs."""

import numpy as np
import pytest

from minicaffe.blob import Blob, HostBlob
from minicaffe.blob_vec import BlobVec
from minicaffe.errors import MinicaffeError, ShapeError


@pytest.fixture
def blobs():
    return [Blob((2, 3)), Blob((4,))]


@pytest.fixture
def vec(blobs):
    return BlobVec(blobs, Blob)


def shapes(found):
    return [blob.shape for blob in found]


def test_it_is_a_sequence(vec):
    assert len(vec) == 2 and shapes(vec) == [(2, 3), (4,)]
    assert vec[-1].shape == (4,) and vec[np.int64(0)].shape == (2, 3)
    assert shapes(vec[::-1]) == [(4,), (2, 3)] and shapes(vec[5:]) == []


def test_its_blobs_are_the_layers_memory(vec, blobs):
    vec[0].data[...] = 3
    assert (blobs[0].data == 3).all()


@pytest.mark.parametrize("index", [2, -3, 100])
def test_an_index_that_is_not_there(vec, index):
    with pytest.raises(IndexError, match=f"Index out of range: {index}, of 2 blobs"):
        vec[index]


@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 1), (np.int64(2), 2)])
def test_add_blob(vec, blobs, shape):
    assert vec.add_blob(*shape) is None
    assert vec[2].shape == blobs[2].shape == tuple(shape)
    assert not vec[2].data.any() and not vec[2].diff.any()


def test_add_blob_refuses_what_reshape_refuses(vec):
    with pytest.raises(TypeError, match="takes integers"):
        vec.add_blob((2, 3))
    with pytest.raises(MinicaffeError, match="add_blob takes no kwargs"):
        vec.add_blob(num=2)
    with pytest.raises(ShapeError, match="2 -3"):
        vec.add_blob(2, -3)
    assert len(vec) == 2


def test_append_and_extend(vec, blobs):
    other = Blob((7,))
    vec.append(HostBlob(other))
    vec.extend(HostBlob(Blob((n,))) for n in (8, 9))
    assert blobs[2] is other and shapes(vec) == [(2, 3), (4,), (7,), (8,), (9,)]
    with pytest.raises(TypeError, match="holds blobs"):
        vec.append(np.zeros(3))


def test_how_it_prints(vec):
    assert repr(vec) == "<BlobVec of <Blob 2 3 (6)>, <Blob 4 (4)>>"
    assert repr(BlobVec([], Blob)) == "<BlobVec of no blobs>"
