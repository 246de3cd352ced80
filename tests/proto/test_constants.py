"""P: the enums of caffe.proto by short names."""

import pytest

from minicaffe.proto import caffe_pb2
from minicaffe.proto.constants import Parameters

P = Parameters()


@pytest.mark.parametrize(
    "name, constant",
    [
        ("Pooling", "MAX"),
        ("Pooling", "STOCHASTIC"),
        ("Eltwise", "SUM"),
        ("Loss", "VALID"),
        ("Data", "LMDB"),
        ("Filler", "AVERAGE"),
        ("Reduction", "SUMSQ"),
        ("Solver", "GPU"),
    ],
)
def test_constants(name, constant):
    value = getattr(getattr(P, name), constant)
    assert type(value) is int
    assert value == getattr(getattr(caffe_pb2, name + "Parameter"), constant)
    assert name in dir(P)
    assert constant in dir(getattr(P, name))


def test_every_constant_is_listed_and_there():
    for name in dir(P):
        constants = getattr(P, name)
        assert dir(constants)
        assert all(isinstance(getattr(constants, constant), int) for constant in dir(constants))
    assert "ParamSpec" not in dir(P)


def test_enums_themselves():
    assert P.Pooling.PoolMethod.Name(1) == "AVE"
    assert repr(P.Eltwise) == "<P.Eltwise: MAX, PROD, SUM>"


@pytest.mark.parametrize(
    "name, constant, text",
    [
        ("Poling", "MAX", "P.Poling: caffe.proto has no PolingParameter; did you mean P.Pooling?"),
        ("Xyz", "MAX", "P.Xyz: caffe.proto has no XyzParameter; with enums there are Convolution, Data, Eltwise, "),
        ("Eltwise", "ADD", "P.Eltwise.ADD: EltwiseParameter has MAX, PROD, SUM"),
        ("Pooling", "STOCHASTICS", "P.Pooling.STOCHASTICS: PoolingParameter has STOCHASTIC"),
        ("Concat", "MAX", "P.Concat.MAX: ConcatParameter has no enums"),
        ("__path__", "MAX", "__path__ is not a message of caffe.proto"),
        ("Pooling", "__wrapped__", "__wrapped__ is not a value of an enum"),
    ],
)
def test_what_is_not_there_is_told(name, constant, text):
    with pytest.raises(AttributeError) as caught:
        getattr(getattr(P, name), constant)
    assert str(caught.value).startswith(text)
    assert text.endswith(", ") or str(caught.value) == text
