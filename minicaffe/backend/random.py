"""Counter-based random numbers: what is drawn depends on a key, never on who drew before.

    generator(seed, "dropout", "drop1", 17)    the 18th mask of layer drop1 under this seed

Threads, prefetching and the order of calls therefore change nothing, and a resumed run draws what the
run that was not stopped would have drawn. Bits: Philox 4x64 (Salmon et al., SC'11), keyed by a hash.
"""

from __future__ import annotations

import hashlib
import operator
import os
import threading

import numpy as np

_thread = threading.local()


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """A generator of its own for this seed and key: purpose, layer name, item or iteration index."""
    return np.random.Generator(np.random.Philox(key=philox_key(seed, *key)))


def philox_key(seed: int, *key: str | int) -> int:
    """The 128 bits that a seed and a key become."""
    text = "\0".join([str(seed), *map(str, key)]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")


def item_numbers(first: int, count: int, seed: int, *key: str | int) -> np.ndarray:
    """Four random numbers for each of `count` items, uint64 (count, 4): an item's index alone tells what is drawn."""
    bits = generator(seed, *key).bit_generator
    # One step of the counter makes four numbers.
    bits.advance(first)  # type: ignore[attr-defined]
    return bits.random_raw(4 * count).reshape(count, 4)


def set_random_seed(n: int) -> None:
    """Make all that this thread builds from now on repeatable (pycaffe's caffe.set_random_seed).

    n: 0 to 2**32 - 1; OverflowError outside, as in pycaffe, and TypeError for what is no integer.
    """
    try:
        seed = operator.index(n)
    except TypeError:
        raise TypeError(f"a random seed is an integer between 0 and 2**32 - 1, not {n!r}") from None
    if not 0 <= seed < 2**32:
        raise OverflowError(f"a random seed lies between 0 and 2**32 - 1, {seed} does not")
    _thread.seed, _thread.nets = seed, 0


def next_net_seed() -> int:
    """The seed of the next net this thread builds: fresh from the system unless one was set."""
    if getattr(_thread, "seed", None) is None:
        return int.from_bytes(os.urandom(8), "little")
    _thread.nets += 1
    return int(generator(_thread.seed, "net", _thread.nets).integers(2**63))
