"""What tests of layers that read data share: their batches, how they go on, what they raise and when."""

import json
import threading
import time
from contextlib import contextmanager

import pytest
from harness import make_layer
from numpy.testing import assert_array_equal
from PIL import Image
from watch import wait_for

from minicaffe.errors import MinicaffeError
from minicaffe.io.database import create_database
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TRAIN


def write_database(path, values, kind="lmdb", note=""):
    """A database of these records under the keys 00000, 00001, ...; the settings that read it."""
    with create_database(path, kind, note) as writer:
        for i, value in enumerate(values):
            writer.put(b"%05d" % i, value)
    return f'source: "{path}" backend: {kind.upper()}'


def picture(image):
    """Pillow's form of an image (C, H, W), grey or BGR."""
    return Image.fromarray(image.transpose(1, 2, 0)[..., ::-1].copy() if len(image) == 3 else image[0])


@contextmanager
def layers_of(prototxt):
    """make_layer, by the arguments of `prototxt`, which writes their text; what it made is closed in the end."""
    made = []

    def make(*args, tops=2, phase=TRAIN, order=None, dtype="float32", **fields):
        made.append(make_layer(prototxt(*args, **fields), tops=tops, phase=phase, order=order, dtype=dtype))
        return made[-1]

    yield make
    for run in made:
        run.layer.close()


def batches(run, count):
    """(data, label) of so many forward passes."""
    return [tuple(top.data.copy() for top in run.forward().top) for _ in range(count)]


def assert_same(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        for array, wanted in zip(one, other, strict=True):
            assert_array_equal(array, wanted)


def threads():
    """The threads of layers that make_layer made."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch the_layer")]


def wait_until_ahead(run):
    """Return once the thread has made all batches that it may make ahead, and rests."""
    prefetcher = run.layer._prefetcher
    wait_for(lambda: prefetcher._lane.ready.qsize() == len(prefetcher._slots))


def check_goes_on(run, used, other):
    """A run after `used` passes, `other` restored from its state, and itself put back: all give the same batches."""
    batches(run, used)
    if used:
        wait_until_ahead(run)
    state = json.loads(json.dumps(run.layer.state()))
    expected = batches(run, 6)
    other.layer.restore(state)
    assert other.layer.state() == state
    assert_same(batches(other, 6), expected)
    assert other.layer.state() == run.layer.state()
    run.layer.restore(state)
    assert_same(batches(run, 6), expected)


# --- what is refused ------------------------------------------------------------------------------


def error_of(net_file):
    """What Net raises."""
    with pytest.raises(MinicaffeError) as caught:
        Net(net_file, TRAIN)
    return caught.value


def error_in_pass(net):
    """What the next pass raises: within a second, from where it happened, and again in the pass after it."""
    started = time.monotonic()
    with pytest.raises(MinicaffeError) as caught:
        net.forward()
    assert time.monotonic() - started < 1
    # The thread is in the traceback.
    assert "fill" in [entry.name for entry in caught.traceback]
    with pytest.raises(type(caught.value)) as again:
        net.forward()
    assert str(again.value) == str(caught.value)
    return caught.value


def assert_placed(error, kind, place, *words):
    """A source's error begins with its place, `file:line: layer "name" (Type): field`, and has these words."""
    assert type(error) is kind
    assert str(error).startswith(f"{place} cannot be used: ")
    for text in words:
        assert text in str(error)
    found = f'{error.file}:{error.line}: layer "{error.layer}" ({error.layer_type}): {error.field}'
    assert found == place
