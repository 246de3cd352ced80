"""What errors about a layer's source say: place, field, and where relative paths begin."""

import os

import pytest
from harness import make_layer

from minicaffe.errors import DataError, FileError, ParamError
from minicaffe.layers.source import check_source, placing_source_errors

FIELD = "data_param.source"


@pytest.fixture
def layer():
    return make_layer('type: "Silence"', (2, 3), tops=0).layer


def raised(layer, error, path=""):
    with pytest.raises(type(error)) as caught, placing_source_errors(layer, FIELD, path):
        raise error
    return caught.value


def test_a_source_that_is_not_named(layer):
    with pytest.raises(ParamError, match=r"\(Silence\): data_param\.source is empty, must be a list$"):
        check_source(layer, "", FIELD, "a list")
    check_source(layer, "list.txt", FIELD, "a list")


def test_errors_get_the_layers_place(layer):
    error = raised(layer, DataError("has no line", file="list.txt", line=3))
    assert str(error).endswith("(Silence): data_param.source cannot be used: list.txt:3: has no line")
    assert (error.layer, error.field) == (layer.name, FIELD)


def test_errors_that_name_a_layer_are_left_alone(layer):
    error = DataError("is nothing", layer="another")
    assert raised(layer, error) is error


@pytest.mark.parametrize(
    "file, path, relative",
    [("list.txt", "", True), ("/list.txt", "", False), ("/list.txt", "0.png", True), ("list.txt", "/0.png", False)],
)
def test_of_missing_files_it_is_told_where_relative_paths_begin(layer, file, path, relative):
    text = str(raised(layer, FileError("no such file", file=file), path))
    assert text.endswith(f" (relative paths begin at {os.getcwd()})") == relative


def test_without_a_current_folder(layer, monkeypatch):
    def getcwd():
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", getcwd)
    assert str(raised(layer, FileError("no such file", file="list.txt"))).endswith("list.txt: no such file")
