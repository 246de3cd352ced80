"""The row of Data: what it gives is counted out here, one number at a time."""

from io import BytesIO

import numpy as np
import pytest
from layer_table import SHAPE, Case, Refusal, Row, no_blob
from PIL import Image

from minicaffe.errors import DataError, FileError, FormatError, GraphError, ParamError, ShapeError
from minicaffe.io.database import create_database
from minicaffe.io.datum import make_datum
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TEST

RECORDS = 5


def case(settings, tops=1, **options):
    """A case of a layer without bottoms."""
    return Case(settings, no_blob, tops, **options)


def pixel(i, c, h, w, shape=SHAPE):
    return (7 * i + (c * shape[1] + h) * shape[2] + w) % 256


def image(i, shape=SHAPE):
    return np.array([pixel(i, *place, shape) for place in np.ndindex(shape)], np.uint8).reshape(shape)


def database(fields="batch_size: 2", more="", kind="lmdb", records=None):
    """Settings of a Data layer on a new database, of RECORDS images unless other records are given."""
    records = [make_datum(image(i), 10 + i) for i in range(RECORDS)] if records is None else records

    def settings(folder):
        pytest.importorskip("plyvel" if kind == "leveldb" else "lmdb")
        path = folder / f"db{len(list(folder.iterdir()))}"
        with create_database(path, kind) as writer:
            for i, record in enumerate(records):
                writer.put(b"%03d" % i, record)
        return f'data_param {{ source: "{path}" backend: {kind.upper()} {fields} }} {more}'

    return settings


def png():
    """A Datum that holds an image file."""
    file = BytesIO()
    Image.new("RGB", (4, 5)).save(file, "png")
    return caffe_pb2.Datum(data=file.getvalue(), encoded=True).SerializeToString()


def records_in_order(param, bottoms, blobs):
    """The first batch: cropped in the middle, the mean taken off, scaled."""
    transform, (channels, height, width) = param.transform_param, SHAPE
    size, batch = transform.crop_size, param.data_param.batch_size
    top = (height - size) // 2 if size else 0
    left = (width - size) // 2 if size else 0
    y = np.empty((batch, channels, size or height, size or width))
    means = list(transform.mean_value) or [0]
    for n, c, h, w in np.ndindex(y.shape):
        y[n, c, h, w] = (pixel(n % RECORDS, c, top + h, left + w) - means[c % len(means)]) * transform.scale
    return [y, [10 + n % RECORDS for n in range(batch)]][: len(param.top)]


def database_refusal(kind, field, words, fields="batch_size: 2", more="", tops=2, bottoms=(), **options):
    settings = options.pop("settings", None) or database(fields, more, **options)
    return Refusal(settings, [*bottoms], kind, field, words, tops=tops)


BOTH = 'top: "data" top: "label"'
FORCED = "transform_param { force_color: true force_gray: true }"
NO_IMAGE = caffe_pb2.Datum(data=b"no image", encoded=True).SerializeToString()
NO_CHANNEL = caffe_pb2.Datum(channels=0, height=2, width=2, data=b"").SerializeToString()
SHORT = caffe_pb2.Datum(channels=1, height=2, width=2, data=b"abc").SerializeToString()
SOURCE = "data_param.source"

ROWS = {
    "Data": Row(
        cases=(
            case(database(more=BOTH), 2),
            case(database("batch_size: 12", more=BOTH, kind="leveldb"), 2),
            case(database("batch_size: 3 prefetch: 1", f"{BOTH} transform_param {{ scale: 0.5 mean_value: 3 }}"), 2),
            case(database(more='top: "data" transform_param { crop_size: 3 mean_value: [1, 2, 3] }'), phase=TEST),
            case(database(more="transform_param { crop_size: 3 mirror: true }"), compared=False),
        ),
        reference=records_in_order,
        gradient=None,
        # It has no bottoms to follow; batch_size is in the cases.
        batches=(),
        refused=(
            database_refusal(ParamError, "data_param.batch_size", ("is 0",), ""),
            database_refusal(ParamError, "data_param.prefetch", ("is 0",), "batch_size: 2 prefetch: 0"),
            database_refusal(
                ParamError,
                "data_param.prefetch",
                ("is 4294967295, must be 1 to 10000",),
                "batch_size: 2 prefetch: 4294967295",
            ),
            database_refusal(ShapeError, "data_param.batch_size", ("4294967295", "INT_MAX"), "batch_size: 4294967295"),
            database_refusal(GraphError, "", ("at least 1", "it has 0"), tops=0),
            database_refusal(GraphError, "", ("at most 2", "it has 3"), tops=3),
            database_refusal(GraphError, "", ("takes 0 bottom", "it has 1"), bottoms=[(2,)]),
            database_refusal(ParamError, SOURCE, ("is empty",), settings="data_param { backend: LMDB batch_size: 2 }"),
            database_refusal(
                FileError,
                SOURCE,
                ("/no/such", "no such folder"),
                settings='data_param { source: "/no/such" backend: LMDB batch_size: 2 }',
            ),
            database_refusal(
                FormatError,
                SOURCE,
                ("is not a LevelDB", "its backend is LMDB"),
                settings=lambda folder: database()(folder).replace("LMDB", "LEVELDB"),
            ),
            database_refusal(DataError, SOURCE, ("is empty",), records=[]),
            database_refusal(FormatError, SOURCE, ("b'000'",), records=[b"\xff\xff"]),
            database_refusal(DataError, SOURCE, ("b'000'", "has 3 bytes", "need 4"), records=[SHORT]),
            database_refusal(DataError, SOURCE, ("b'000'", "no image"), records=[NO_IMAGE]),
            database_refusal(DataError, SOURCE, ("b'000'", "has channels 0"), records=[NO_CHANNEL]),
            database_refusal(
                ParamError, "transform_param.force_color", ("so is force_gray",), more=FORCED, records=[png()]
            ),
            database_refusal(
                ShapeError,
                "transform_param.crop_size",
                ("is 6", "3 x 4 x 5"),
                more="transform_param { crop_size: 6 }",
            ),
            database_refusal(
                ParamError,
                "transform_param.mean_value",
                ("is given 2 times", "3 channels"),
                more="transform_param { mean_value: [1, 2] }",
            ),
            database_refusal(
                ParamError,
                "transform_param.mean_file",
                ("stands beside mean_value",),
                more='transform_param { mean_value: 1 mean_file: "m" }',
            ),
            database_refusal(
                FileError,
                "transform_param.mean_file",
                ("nowhere: no such file",),
                more='transform_param { mean_file: "nowhere" }',
            ),
        ),
    )
}
