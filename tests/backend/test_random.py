"""Counter-based random numbers: a key decides, nothing else."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.backend import random

PINNED = [3377231104, 3567446884, 1411044072]


@pytest.fixture(autouse=True)
def forget_the_seed():
    yield
    random._thread.__dict__.clear()


def draw(seed, *key):
    return random.generator(seed, *key).random(8)


def test_the_same_key_draws_the_same():
    assert_array_equal(draw(1, "dropout", "drop1", 17), draw(1, "dropout", "drop1", 17))


def test_the_numbers_of_an_item_depend_on_its_index_alone():
    whole = random.item_numbers(0, 9, 1, "transform", "data")
    assert whole.shape == (9, 4) and len(np.unique(whole)) == 36
    for first, count in [(0, 1), (3, 4), (8, 1), (5, 0)]:
        assert_array_equal(random.item_numbers(first, count, 1, "transform", "data"), whole[first : first + count])
    assert (random.item_numbers(0, 9, 1, "transform", "other") != whole).all()


def test_any_part_of_the_key_matters():
    keys = [(1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1), (1, "a"), (1, "a0"), (1, "a", "0", ""), (1, "", "a", 0)]
    draws = {tuple(draw(*key)) for key in keys}
    assert len(draws) == len(keys)


def test_what_was_drawn_before_does_not_matter():
    expected = draw(5, "x", 3)
    random.generator(5, "x", 2).random(1000)
    np.random.seed(3)
    assert_array_equal(draw(5, "x", 3), expected)


def test_the_stream_is_pinned():
    """A resumed run draws what another version of this code drew: the key's hash is part of the file format."""
    assert random.generator(1701, "filler", "conv1", 0).integers(2**32, size=3).tolist() == PINNED


def test_neighbouring_keys_are_independent():
    numbers = np.array([random.generator(1, "mask", i).random() for i in range(4000)])
    assert numbers.mean() == pytest.approx(0.5, abs=0.023)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.08


def test_a_set_seed_repeats_the_nets():
    random.set_random_seed(3)
    first = [random.next_net_seed() for _ in range(3)]
    random.set_random_seed(3)
    assert [random.next_net_seed() for _ in range(3)] == first
    assert len(set(first)) == 3
    random.set_random_seed(4)
    assert random.next_net_seed() not in first


def test_without_a_seed_every_net_is_another():
    assert random.next_net_seed() != random.next_net_seed()


def test_a_seed_belongs_to_its_thread():
    random.set_random_seed(3)
    seeds = []
    thread = threading.Thread(target=lambda: seeds.append(random.next_net_seed()))
    thread.start()
    thread.join()
    assert seeds[0] != random.next_net_seed()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range(seed):
    with pytest.raises(OverflowError, match=f"{seed} does not"):
        random.set_random_seed(seed)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_smallest_and_the_largest_seed(seed):
    random.set_random_seed(seed)
    assert 0 <= random.next_net_seed() < 2**63
