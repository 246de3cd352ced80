"""Rows of the layers that begin a net: what they give is counted out here, one number at a time."""

import re
from pathlib import Path

import h5py
import numpy as np
from hdf5_kit import write_file, write_list, write_numbered
from layer_table import SHAPE, Case, Refusal, Row, no_blob

from minicaffe.errors import DataError, FileError, FormatError, GraphError, ParamError, ShapeError
from minicaffe.proto import caffe_pb2

BOTH = 'top: "data" top: "label"'
TWO = np.arange(120).reshape(2, *SHAPE)  # items


def case(settings, tops=1, **options):
    """A case of a layer without bottoms."""
    return Case(settings, no_blob, tops, **options)


def each_top(count, tops):
    """What each top is given of a repeated field: one for all, or one each."""
    return [count[0 if len(count) == 1 else i] for i in range(tops)]


# --- DummyData and Input ----------------------------------------------------------------------------

CONSTANT = "data_filler { value: 3 }"
LEGACY = "num: 2 channels: 3 height: 4"


def dummy(fields):
    return f"dummy_data_param {{ {fields} }}"


def constants(param, bottoms, blobs):
    p = param.dummy_data_param
    tops = len(param.top)
    legacy = [each_top(sizes, tops) for sizes in (p.num, p.channels, p.height, p.width) if len(sizes)]
    shapes = zip(*legacy, strict=True) if legacy else [shape.dim for shape in each_top(p.shape, tops)]
    fillers = each_top(p.data_filler or [caffe_pb2.FillerParameter()], tops)
    return [np.full(tuple(shape), filler.value) for shape, filler in zip(shapes, fillers, strict=True)]


def dummy_refusal(kind, field, words, fields):
    return Refusal(dummy(fields), [], kind, f"dummy_data_param.{field}", words, tops=3)


DUMMY_DATA = Row(
    cases=(
        case(f'top: "a" {dummy("shape { dim: [2, 3, 4, 5] }")}'),
        case(f"{BOTH} {dummy(f'shape {{ dim: [17, 3, 4, 5] }} shape {{ }} {CONSTANT}')}", 2),
        case(f"{BOTH} {dummy(f'num: [2, 20] channels: 3 height: [4, 1] width: 5 {CONSTANT} data_filler {{ }}')}", 2),
        case(dummy('shape { dim: [2, 3, 4, 5] } data_filler { type: "gaussian" }'), compared=False),
    ),
    reference=constants,
    gradient=None,
    # It has no bottoms to follow; the sizes are in the cases.
    batches=(),
    refused=(
        dummy_refusal(ParamError, "shape", ("given 0 times", "3 tops"), ""),
        dummy_refusal(ParamError, "shape", ("given 2 times", "3 tops"), "shape { dim: 2 } shape { dim: 2 }"),
        dummy_refusal(ParamError, "height", ("Both shape and legacy fields",), "shape { dim: 2 } height: 2"),
        dummy_refusal(ParamError, "width", ("given 0 times",), LEGACY),
        dummy_refusal(ParamError, "width", ("given 2 times",), f"{LEGACY} width: [5, 6]"),
        dummy_refusal(ParamError, "data_filler", ("given 2 times",), f"shape {{ dim: 2 }} {CONSTANT} {CONSTANT}"),
        dummy_refusal(ParamError, "data_filler", ('"oops"',), 'shape { dim: 2 } data_filler { type: "oops" }'),
        dummy_refusal(ShapeError, "shape", ("top[0] empty", "2 0 (0)", "1 or more"), "shape { dim: [2, 0] }"),
        dummy_refusal(ShapeError, "width", ("top[0] empty", "2 3 4 0 (0)"), f"{LEGACY} width: 0"),
        dummy_refusal(ShapeError, "shape", ("is 2 -3", "negative"), "shape { dim: [2, -3] }"),
        dummy_refusal(ShapeError, "shape", ("100000 100000", "INT_MAX"), "shape { dim: [100000, 100000] }"),
        Refusal(dummy("shape { dim: 2 }"), [(2,)], GraphError, "", ("takes 0 bottom", "it has 1")),
    ),
)


def zeros(param, bottoms, blobs):
    shapes = each_top(param.input_param.shape, len(param.top))
    return [np.zeros(tuple(shape.dim)) for shape in shapes]


INPUT = Row(
    cases=(
        case(f"{BOTH} input_param {{ shape {{ dim: [17, 3, 4, 5] }} }}", 2),
        case(f"{BOTH} input_param {{ shape {{ dim: [2, 3] }} shape {{ }} }}", 2),
    ),
    reference=zeros,
    gradient=None,
    # The program shapes its tops.
    batches=(),
    refused=(
        Refusal(
            "input_param { shape { dim: 2 } shape { dim: 2 } }",
            [],
            ParamError,
            "input_param.shape",
            ("given 2 times", "3 tops"),
            tops=3,
        ),
        Refusal(
            "input_param { shape { dim: [2, -1] } }",
            [],
            ShapeError,
            "input_param.shape[0]",
            ("is 2 -1", "negative"),
        ),
        Refusal("", [(2,)], GraphError, "", ("takes 0 bottom", "it has 1")),
    ),
)

# --- HDF5Data ---------------------------------------------------------------------------------------


def hdf5(*sizes, batch_size=2, fields="", more=BOTH):
    """Settings of an HDF5Data layer on new files of so many rows each."""

    def settings(folder):
        source = write_list(folder, *write_numbered(folder, sizes, SHAPE))
        return f'{more} hdf5_data_param {{ source: "{source}" batch_size: {batch_size} {fields} }}'

    return settings


def rows_in_order(param, bottoms, blobs):
    """The first batch: row after row, of one file after the other."""
    tops = []
    for name in param.top:
        rows = []
        for path in Path(param.hdf5_data_param.source).read_text().split():
            with h5py.File(path, "r") as file:
                rows += [file[name][i].astype(float) for i in range(len(file[name]))]
        tops.append(np.stack([rows[n % len(rows)] for n in range(param.hdf5_data_param.batch_size)]))
    return tops


def hdf5_refusal(kind, words, field="hdf5_data_param.source", settings=None, **arrays):
    """What an HDF5Data layer on one file of these arrays must refuse, or one of other settings."""

    def one_file(folder):
        source = write_list(folder, write_file(folder / "a.h5", **arrays))
        return f'{BOTH} hdf5_data_param {{ source: "{source}" batch_size: 2 }}'

    return Refusal(settings or one_file, [], kind, field, words, tops=2)


def other_rows(folder):
    """The second file's rows are of another shape."""
    settings = hdf5(2, 2)(folder)
    write_file(folder / "1.h5", data=np.zeros((2, 3, 4, 6)), label=np.zeros(2))
    return settings


def listing(*names):
    return lambda folder: f'{BOTH} hdf5_data_param {{ source: "{write_list(folder, *names)}" batch_size: 2 }}'


THREE = np.zeros(3)

HDF5_DATA = Row(
    cases=(
        case(hdf5(5), 2),
        case(hdf5(3, 1, 2, batch_size=17), 2),
        case(hdf5(2, 3, batch_size=3, more='top: "label"')),
        case(hdf5(2, 3, batch_size=3, fields="shuffle: true"), 2, compared=False),
    ),
    reference=rows_in_order,
    gradient=None,
    # It has no bottoms to follow; batch_size is in the cases.
    batches=(),
    refused=(
        hdf5_refusal(ParamError, ("is 0", "1 or more"), "hdf5_data_param.batch_size", hdf5(2, batch_size=0)),
        hdf5_refusal(
            ParamError,
            ("does not transform data",),
            "transform_param",
            hdf5(2, more=f"{BOTH} transform_param {{ scale: 2 }}"),
        ),
        hdf5_refusal(
            ShapeError,
            ("is 2147483647:", "2147483647 3 4 5", "INT_MAX"),
            "hdf5_data_param.batch_size",
            hdf5(2, batch_size=2**31 - 1),
        ),
        hdf5_refusal(ParamError, ("is empty",), settings="hdf5_data_param { batch_size: 2 }"),
        hdf5_refusal(
            FileError,
            ("/no/such: cannot be read",),
            settings='hdf5_data_param { source: "/no/such" batch_size: 2 }',
        ),
        hdf5_refusal(DataError, ("list.txt: is empty", "at least 1 HDF5 file name"), settings=listing()),
        hdf5_refusal(FileError, ("/no/such: no such file",), settings=listing("/no/such")),
        hdf5_refusal(FormatError, (f"{__file__}: is no HDF5 file",), settings=listing(__file__)),
        hdf5_refusal(DataError, ('no dataset "label"', "did you mean labels?"), data=THREE, labels=THREE),
        hdf5_refusal(DataError, ('"label" is a group',), **{"data": THREE, "label/x": THREE}),
        hdf5_refusal(ShapeError, ('"label" has no axis',), data=THREE, label=3.0),
        hdf5_refusal(ShapeError, ('"label" has 2 rows', '"data" has 3'), data=THREE, label=np.zeros(2)),
        hdf5_refusal(ShapeError, ('"data" has no rows',), data=np.zeros(0), label=np.zeros(0)),
        hdf5_refusal(DataError, ('"label" is of class ENUM',), data=THREE, label=np.zeros(3, bool)),
        hdf5_refusal(DataError, ('"label" is of class STRING',), data=THREE, label=["a", "b", "c"]),
        hdf5_refusal(DataError, ("is of class COMPOUND",), data=THREE, label=np.zeros(3, [("x", "f4")])),
        hdf5_refusal(ShapeError, ("1.h5", '"data" has shape (3, 4, 6)', "(3, 4, 5)"), settings=other_rows),
        Refusal(hdf5(2, more=""), [], GraphError, "", ("at least 1 top", "it has 0"), tops=0),
        Refusal(hdf5(2), [(2,)], GraphError, "", ("takes 0 bottom", "it has 1"), tops=2),
    ),
)

# --- HDF5Output -------------------------------------------------------------------------------------


def output(folder):
    return f'hdf5_output_param {{ file_name: "{folder}/out{len(list(folder.iterdir()))}.h5" }}'


def written(message, bottoms, blobs):
    return []


HDF5_OUTPUT = Row(
    # What the file holds is for tests/layers/test_hdf5_output.py.
    cases=(Case(output, lambda rng, n: (rng.normal(size=(n, *SHAPE)), rng.normal(size=n)), tops=0),),
    reference=written,
    gradient=None,
    once=True,
    refused=(
        Refusal("", [(2, 3), (2,)], ParamError, "hdf5_output_param.file_name", ("is empty",), tops=0),
        Refusal(
            output, [(2, 1, 1, 1, 3), (2,)], ShapeError, "", ("bottom[0] 2 1 1 1 3 (6) has 5 axes", "at most 4"), tops=0
        ),
        Refusal(
            output, [(2, 3), (3,)], ShapeError, "", ("bottom[0] 2 3 (6)", "bottom[1] 3 (3)", "same first axis"), tops=0
        ),
        Refusal(output, [(2, 3)], GraphError, "", ("takes 2 bottom", "it has 1"), tops=0),
        Refusal(
            *(
                output,
                [(2, 3), (2,)],
                FileError,
                "hdf5_output_param.file_name",
                ("is written already", "run forward once"),
            ),
            act=lambda run: run.forward().forward(),
            tops=0,
        ),
    ),
)


# --- MemoryData -------------------------------------------------------------------------------------

SIZES = "channels: 3 height: 4 width: 5"


def hand_over(run):
    """Two items, as a script does, in the type of the layer's net."""
    items = TWO.astype(run.layer.context.dtype)
    run.layer.reset(items, np.array([10, 11], items.dtype).reshape(2, 1, 1, 1))


def handed_over(message, bottoms, blobs):
    return [TWO, np.array([10, 11]).reshape(2, 1, 1, 1)]


def memory_refusal(kind, words, field="", settings=f"batch_size: 2 {SIZES}", act=None):
    return Refusal(f"memory_data_param {{ {settings} }}", [], kind, field, words, act=act, tops=2)


def give(data, labels):
    """Hand zeros of these shapes over."""
    return lambda run: run.layer.reset(np.zeros(data, np.float32), np.zeros(labels, np.float32))


MEMORY_DATA = Row(
    cases=(case(f"memory_data_param {{ batch_size: 2 {SIZES} }}", 2, prepare=hand_over),),
    reference=handed_over,
    gradient=None,
    # It has no bottoms to follow.
    batches=(),
    refused=(
        *(
            memory_refusal(
                ParamError,
                ("is 0", "1 or more"),
                f"memory_data_param.{name}",
                re.sub(rf"{name}: \d", "", f"batch_size: 2 {SIZES}"),
            )
            for name in ("batch_size", "channels", "height", "width")
        ),
        memory_refusal(DataError, ("has no data yet", "set_input_arrays"), act=lambda run: run.forward()),
        memory_refusal(ShapeError, ("3", "2"), act=give((3, 3, 4, 5), (3, 1, 1, 1))),
        memory_refusal(ShapeError, ("(2, 3, 4, 6)",), act=give((2, 3, 4, 6), (2, 1, 1, 1))),
        memory_refusal(ShapeError, ("2 and 4",), act=give((2, 3, 4, 5), (4, 1, 1, 1))),
    ),
)

ROWS = {
    "DummyData": DUMMY_DATA,
    "HDF5Data": HDF5_DATA,
    "HDF5Output": HDF5_OUTPUT,
    "MemoryData": MEMORY_DATA,
    "Input": INPUT,
}
