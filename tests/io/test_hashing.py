"""SHA-256 beside the writing."""

import hashlib
import threading

import pytest

from minicaffe.io.hashing import Hashing, Written


@pytest.mark.parametrize("pieces", [[], [b""], [b"abc", memoryview(b"defg"), bytearray(100_000)]])
def test_size_and_digest_are_those_of_all_pieces(pieces):
    with Hashing(iter(pieces)) as hashing:
        pass
    whole = b"".join(pieces)
    assert hashing.result() == Written(len(whole), hashlib.sha256(whole).hexdigest())


def test_it_goes_on_beside_the_block():
    begun, go_on = threading.Event(), threading.Event()

    def pieces():
        begun.set()
        assert go_on.wait(10)
        yield b"late"

    with Hashing(pieces()) as hashing:
        assert begun.wait(10)
        go_on.set()
    assert hashing.result().size == 4


def test_what_goes_wrong_is_not_lost():
    def pieces():
        yield b"first"
        raise ValueError("no second")

    with Hashing(pieces()) as hashing:
        pass
    with pytest.raises(ValueError, match="no second"):
        hashing.result()


def test_an_error_of_the_block_wins_and_nothing_goes_on_behind_it():
    with pytest.raises(OSError, match="full"), Hashing(iter([bytes(10_000_000)])) as hashing:
        raise OSError("full")
    assert not hashing._thread.is_alive()
