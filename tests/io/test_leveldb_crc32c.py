"""CRC-32C against its definition, bit by bit, and the check values of RFC 3720."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.io.leveldb.crc32c import POLYNOMIAL, crc32c, masked


def by_definition(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (POLYNOMIAL if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_check_values(data, expected):
    assert crc32c([data]).tolist() == [expected]


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_many_at_once_are_as_each_alone(pieces):
    assert crc32c(pieces).tolist() == [by_definition(piece) for piece in pieces]


@pytest.mark.parametrize("size", [32761, 32762, 32764, 32765, 70_000])
def test_long_ones(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc32c([memoryview(data), b"123456789"]).tolist() == [by_definition(data), 0xE3069283]


def test_mask_turns_right_by_15_and_adds():
    crc = np.array([0xE3069283, 0, 0xFFFFFFFF], np.uint32)
    expected = [(((c >> 15) | (c << 17)) + 0xA282EAD8) & 0xFFFFFFFF for c in crc.tolist()]
    assert masked(crc).tolist() == expected
