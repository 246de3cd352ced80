"""minicaffe.layers is the package of layers, and pycaffe's L."""

import types

import pytest

import minicaffe
from minicaffe import layers, net_spec


def test_every_type_makes_layers():
    for name in layers.layer_type_list():
        assert getattr(layers, name)(name="x").to_proto().layer[0].type == name
        assert name in dir(layers)


def test_any_other_capitalised_name_does_too():
    assert layers.MyOwn().to_proto().layer[0].type == "MyOwn"
    assert "MyOwn" not in dir(layers)


def test_both_are_one():
    assert minicaffe.layers is layers
    assert layers.ReLU is net_spec.layers.ReLU
    assert isinstance(layers.relu, types.ModuleType)
    assert "relu" in dir(layers)


def test_no_other_name_is_in_capitals():
    """It would be taken for a layer type, or hide one."""
    assert [name for name in vars(layers) if name[0].isupper()] == []


@pytest.mark.parametrize(
    "name, text",
    [
        ("rellu", "layer types begin with a capital; a type of that name is written net_spec.layers.rellu"),
        ("_private", "module 'minicaffe.layers' has no '_private': layer types begin with a capital"),
        ("__wrapped__", "module 'minicaffe.layers' has no '__wrapped__'"),
    ],
)
def test_other_names_are_not_there(name, text):
    with pytest.raises(AttributeError) as caught:
        getattr(layers, name)
    assert text in str(caught.value)


def test_python_itself_gets_no_layers():
    with pytest.raises(AttributeError, match="__wrapped__ is not a layer type"):
        _ = net_spec.layers.__wrapped__
