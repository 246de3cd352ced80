"""Repeated numbers of fixed width inside protobuf messages, as arrays: no Python number is made of them."""

from __future__ import annotations

import numpy as np

from minicaffe.io.wire import Field, Wire

FLOAT, DOUBLE = np.dtype("<f4"), np.dtype("<f8")


def packed_values(wire: Wire, field: Field, dtype: np.dtype) -> np.ndarray:
    """The values of a LEN field: one run of bytes, of which the array is a view. Raises FormatError as Wire."""
    body = wire.body(field)
    if len(body) % dtype.itemsize:
        raise wire.error(field.start, f"{len(body)} bytes are no whole number of {dtype.itemsize}-byte values")
    return np.frombuffer(body, dtype)


def unpacked_values(wire: Wire, first: Field, end: int, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """The values of fields of one number that stand one by one, a tag before each, and the position behind the last.

    first: where the run begins; other fields end it.  end: of the message.
    """
    tag = wire.buffer[first.start]
    step = first.end - first.start
    if step != 1 + dtype.itemsize:
        # A tag longer than it need be, which nobody writes: this value alone.
        return np.frombuffer(wire.body(first), dtype), first.end
    whole = (end - first.start) // step * step
    records = np.frombuffer(
        wire.buffer[first.start : first.start + whole], np.dtype([("tag", np.uint8), ("value", dtype)])
    )
    count = _run_length(records["tag"], tag)
    return np.ascontiguousarray(records["value"][:count]), first.start + count * step


def _run_length(tags: np.ndarray, tag: int) -> int:
    """How many entries from the first are equal to `tag`."""
    # Windows that grow: many short runs in one large blob do not each look through all that follows.
    at, window = 0, 64
    while at < len(tags):
        others = np.flatnonzero(tags[at : at + window] != tag)
        if others.size:
            return at + int(others[0])
        at, window = at + window, 2 * window
    return len(tags)
