"""Fixtures of the tests of Data, which fill several files; `layer` serves ImageData and WindowData too."""

import gc

import numpy as np
import pytest
from data_kit import layers_of, threads, write_database
from watch import wait_for

from minicaffe import log
from minicaffe.io.datum import make_datum

SHAPE = (3, 4, 5)
COUNT = 7  # records: no multiple of any batch

NET = """\
name: "a net"
layer {
  name: "the_layer"
  type: "Data"
  top: "data"
  top: "label"
  data_param {
    batch_size: 3
    %s
  }
}
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
"""


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)


@pytest.fixture
def db(tmp_path, kind, images):
    """Images with the labels 10, 11, ... in a database of either kind; the settings that read it."""
    return write_database(tmp_path / "db", [make_datum(image, 10 + i) for i, image in enumerate(images)], kind)


@pytest.fixture
def mixed(tmp_path):
    """Pairs of Datums of different sizes; every pixel tells the record's index."""
    sizes = [size for size in ((1, 4, 5), (1, 6, 6), (2, 3, 3)) for _ in range(2)]
    return write_database(
        tmp_path / "mixed", [make_datum(np.full(size, i, np.uint8), i) for i, size in enumerate(sizes)]
    )


@pytest.fixture
def prototxt():
    """A function that writes the layer which reads a database."""

    def make(db, batch_size=3, more="", **data_param):
        fields = " ".join(f"{name}: {value}" for name, value in data_param.items())
        return f'type: "Data" data_param {{ {db} batch_size: {batch_size} {fields} }} {more}'

    return make


@pytest.fixture
def layer(prototxt):
    """make_layer for what `prototxt` writes, with two tops; what it made is closed in the end, and leaves no thread."""
    with layers_of(prototxt) as make:
        yield make
    wait_for(lambda: gc.collect() >= 0 and not threads())


@pytest.fixture
def net_file(tmp_path):
    """A function that writes a net which reads a database."""

    def make(db):
        path = tmp_path / "net.prototxt"
        path.write_text(NET % db)
        return str(path)

    return make


@pytest.fixture
def all_is_logged():
    before = log.set_level(log.INFO)
    yield
    log.set_level(before)
