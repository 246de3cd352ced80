"""Data: what is left to chance, and from where a restored layer goes on."""

import json

import numpy as np
import pytest
from data_kit import assert_same, batches, check_goes_on, write_database
from harness import make_layer
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError, FormatError, MinicaffeError
from minicaffe.io.datum import make_datum

SHAPE = (3, 4, 5)
COUNT = 7  # records
RANDOM = "transform_param { crop_size: 3 mirror: true }"


def test_chances_depend_on_the_items_index_alone(layer, db):
    """Not on batches, prefetching or the number of tops; another epoch has others."""
    drawn = []
    for batch_size, prefetch in [(1, 1), (3, 4), (5, 1), (21, 2)]:
        run = layer(db, batch_size, RANDOM, prefetch=prefetch)
        drawn.append(np.concatenate([run.forward().top[0].data.copy() for _ in range(-(-21 // batch_size))])[:21])
    for other in drawn[1:]:
        assert_array_equal(other, drawn[0])
    assert (drawn[0][:7] != drawn[0][7:14]).any() and (drawn[0][7:14] != drawn[0][14:]).any()


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize("used", range(9))
def test_a_restored_layer_goes_on_exactly(layer, db, used, prefetch):
    check_goes_on(layer(db, more=RANDOM, prefetch=prefetch), used, layer(db, more=RANDOM))


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=2, max_size=4))
def test_going_on_with_other_batch_sizes(tmp_path_factory, prototxt, parts):
    """Whatever the sizes and the breaks between, the items are those of one unbroken run."""
    items = np.arange(COUNT, dtype=np.uint8).repeat(60).reshape(COUNT, *SHAPE)
    db = write_database(tmp_path_factory.mktemp("any") / "db", [make_datum(item, i) for i, item in enumerate(items)])
    state, labels = None, []
    for batch_size, count in parts:
        run = make_layer(prototxt(db, batch_size), tops=2)
        if state is not None:
            run.layer.restore(state)
        labels += [label for _, batch in batches(run, count) for label in batch]
        state = run.layer.state()
        run.layer.close()
    assert labels == [i % COUNT for i in range(len(labels))]
    assert state["items"] == len(labels)


def test_the_state_is_small_and_tells_the_last_batch_used(layer, db):
    run = layer(db)
    assert run.layer.state() == {"items": 0, "epoch": 0, "index": 0}
    sizes = []
    for i in range(1, 300):
        run.forward()
        state = run.layer.state()
        assert (state["items"], state["epoch"] * COUNT + state["index"]) == (3 * i, 3 * i)
        assert 1 <= state["index"] <= COUNT
        sizes.append(len(json.dumps(state)))
    assert max(sizes) < 120


def test_from_the_beginning_again(layer, db):
    run = layer(db, more=RANDOM)
    start = run.layer.state()
    expected = batches(run, 4)
    run.layer.restore(start)
    assert_same(batches(run, 4), expected)


OTHERS = {
    "other pixels": (
        lambda values: [*values[:5], make_datum(np.zeros(SHAPE, np.uint8)), *values[6:]],
        "is another one",
    ),
    "too few": (lambda values: values[:5], "has no record under the key b'00005'"),
}


@pytest.mark.parametrize("change", OTHERS)
def test_another_database_is_noticed(layer, tmp_path, kind, images, change):
    values = [make_datum(image) for image in images]
    make, words = OTHERS[change]
    run = layer(write_database(tmp_path / "db", values, kind))
    batches(run, 2)
    state = run.layer.state()
    other = layer(write_database(tmp_path / "other", make(values), kind))
    expected = batches(layer(write_database(tmp_path / "same as other", make(values), kind)), 4)
    assert_same(batches(other, 1), expected[:1])
    with pytest.raises(DataError) as caught:
        other.layer.restore(state)
    for text in (
        'layer "the_layer" (Data): data_param.source cannot be used: ',
        words,
        "give the database that was read when the snapshot was taken",
    ):
        assert text in str(caught.value)
    # As if nothing had been asked.
    assert_same(batches(other, 3), expected[1:])


def test_records_added_later_do_no_harm(layer, tmp_path, kind, images):
    values = [make_datum(image) for image in images]
    short, long = write_database(tmp_path / "short", values[:6], kind), write_database(tmp_path / "long", values, kind)
    run, other = layer(short), layer(long)
    batches(run, 2)
    other.layer.restore(run.layer.state())
    assert_array_equal(other.forward().top[0].data, images[[6, 0, 1]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": None},
        {"epoch": -1},
        {"index": "2"},
        {"items": 1.5},
        {"key": "zz"},
        {"key": 3},
        {"crc32": 1},
        {"key": None},
    ],
)
def test_a_state_that_cannot_be(layer, db, wrong):
    run = layer(db).forward()
    with pytest.raises(MinicaffeError, match=r'layer "the_layer" \(Data\): .*snapshot') as caught:
        run.layer.restore({**run.layer.state(), **wrong})
    assert type(caught.value) is (DataError if "crc32" in wrong else FormatError)
