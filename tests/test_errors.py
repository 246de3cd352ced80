"""Errors: one form of text, the parts as attributes, and the line of a field."""

import pickle

import pytest

from minicaffe import errors
from minicaffe.errors import FileError, MinicaffeError, Origin, ParamError

KINDS = [
    errors.ParamError,
    errors.GraphError,
    errors.ShapeError,
    errors.FormatError,
    errors.DataError,
    errors.FileError,
    errors.DeviceError,
    errors.SolverError,
    errors.DivergedError,
]


@pytest.mark.parametrize(
    "parts, text",
    [
        ({}, "is 0"),
        ({"field": "base_lr"}, "base_lr is 0"),
        ({"file": "net.prototxt"}, "net.prototxt: is 0"),
        ({"file": "net.prototxt", "line": 41}, "net.prototxt:41: is 0"),
        ({"file": "net.prototxt", "line": 41, "column": 7}, "net.prototxt:41:7: is 0"),
        ({"layer": "pool1"}, 'layer "pool1": is 0'),
        ({"layer": "pool1", "layer_type": "Pooling"}, 'layer "pool1" (Pooling): is 0'),
        ({"layer_type": "Pooling"}, "layer of type Pooling: is 0"),
        (
            {
                "file": "net.prototxt",
                "line": 41,
                "layer": "pool1",
                "layer_type": "Pooling",
                "field": "pooling_param.stride",
            },
            'net.prototxt:41: layer "pool1" (Pooling): pooling_param.stride is 0',
        ),
    ],
)
def test_the_text(parts, text):
    error = MinicaffeError("is 0", **parts)
    assert str(error) == text
    for name in ("file", "line", "column", "layer", "layer_type", "field"):
        assert getattr(error, name) == parts.get(name, 0 if name in ("line", "column") else "")


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_have_one_base(kind):
    error = kind("is wrong", file="f", line=3)
    assert isinstance(error, MinicaffeError) and isinstance(error, RuntimeError)
    assert str(error) == "f:3: is wrong"
    assert issubclass(kind, OSError) == (kind is FileError)


def test_a_missing_file_is_an_os_error():
    with pytest.raises(OSError, match=r"^db: does not exist$") as caught:
        raise FileError("does not exist", file="db")
    assert caught.value.file == "db"


def test_a_diverged_run_is_a_fault_of_the_solver():
    assert issubclass(errors.DivergedError, errors.SolverError)


ORIGIN = Origin(
    "net.prototxt",
    40,
    {"bottom[0]": 41, "bottom[1]": 42, "pooling_param": 43, "pooling_param.stride": 44, "param[1]": 45},
)


@pytest.mark.parametrize(
    "field, line",
    [
        ("pooling_param.stride", 44),
        ("pooling_param.kernel_size", 43),
        ("pooling_param", 43),
        ("bottom[1]", 42),
        ("bottom", 41),
        ("param[1].lr_mult", 45),
        ("param[0].lr_mult", 40),
        ("name", 40),
        ("", 40),
    ],
)
def test_line_of_a_field(field, line):
    assert ORIGIN.line_of(field) == line


def test_an_origin_of_nothing():
    assert (Origin().file, Origin().line, Origin().line_of("name")) == ("", 0, 0)


def test_an_origin_does_not_change():
    with pytest.raises(AttributeError):
        ORIGIN.line = 1


def test_an_error_crosses_to_another_process():
    error = pickle.loads(pickle.dumps(ParamError("is 0", file="f", line=3, layer="l", field="x")))
    assert str(error) == 'f:3: layer "l": x is 0'
    assert (type(error), error.file, error.line, error.layer) == (ParamError, "f", 3, "l")
