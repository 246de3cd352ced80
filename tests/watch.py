"""Waiting for what another thread does, and the memory that a call takes."""

import time
import tracemalloc


def wait_for(condition, seconds=5.0):
    """Return once condition() holds; fail where it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def peak_of(call):
    """The bytes that call() takes at its height, beyond those there are before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
