"""NetSpec as an object: reading, copying, printing, deep nets, and what it says of mistakes."""

import copy
import pickle
import re
import sys

import pytest

import minicaffe as caffe
from minicaffe import layers as L
from minicaffe.errors import GraphError
from minicaffe.net_spec import Function, NetSpec, Top, to_proto


@pytest.fixture
def spec():
    n = NetSpec()
    n.data, n.label = L.Data(source="train_lmdb", batch_size=2, ntop=2)
    n.conv1 = L.Convolution(n.data, num_output=4, kernel_size=3)
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool = L.Pooling(L.TanH(n.relu1), kernel_size=2)
    n.silence = L.Silence(n.label, ntop=0)
    return n


def test_reading(spec):
    assert spec.data is spec["data"] is spec.tops["data"]
    assert list(spec) == spec.keys() == list(spec.tops) == ["data", "label", "conv1", "relu1", "pool", "silence"]
    assert spec.vals() == list(spec.tops.values())
    assert dict(spec) == spec.tops
    assert "conv1" in spec
    assert "conv2" not in spec
    assert {"conv1", "to_proto", "keys"} <= set(dir(spec))
    del spec["silence"]
    assert "silence" not in spec


@pytest.mark.parametrize(
    "name, text",
    [
        ("conv2", "conv2 was never assigned in this NetSpec; did you mean conv1?"),
        ("xyz", "xyz was never assigned in this NetSpec; it holds data, label, conv1, relu1, pool, silence"),
    ],
)
@pytest.mark.parametrize("read", [getattr, NetSpec.__getitem__, hasattr])
def test_a_missing_name_is_a_key_error(spec, name, text, read):
    with pytest.raises(KeyError) as caught:
        read(spec, name)
    assert caught.value.args == (text,)


def test_a_missing_name_in_an_empty_spec():
    with pytest.raises(KeyError, match="it holds nothing yet"):
        _ = NetSpec().data


def test_a_subclass_that_forgets_to_begin():
    class Forgetful(NetSpec):
        def __init__(self):
            self.data = L.Input()

    with pytest.raises(AttributeError, match="NetSpec has no tops; its __init__ was not called"):
        Forgetful()


def test_printing(spec):
    assert repr(spec) == (
        "<NetSpec\n"
        "  data = L.Data(source='train_lmdb', batch_size=2, ntop=2)[0]\n"
        "  label = L.Data(source='train_lmdb', batch_size=2, ntop=2)[1]\n"
        "  conv1 = L.Convolution(data, num_output=4, kernel_size=3)\n"
        "  relu1 = L.ReLU(conv1, in_place=True)\n"
        "  pool = L.Pooling(<TanH>, kernel_size=2)\n"
        "  silence = L.Silence(label, ntop=0)\n"
        ">"
    )
    assert repr(spec.pool) == repr(spec.pool.fn) == "L.Pooling(<TanH>, kernel_size=2)"
    spec.wrong = 5
    assert "  wrong = 5\n" in repr(spec)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda spec: pickle.loads(pickle.dumps(spec))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies(spec, copied):
    text, other = str(spec.to_proto()), copied(spec)
    assert type(other) is NetSpec
    assert str(other.to_proto()) == text
    assert (other.data is spec.data) == (copied is copy.copy)
    other.extra = L.ReLU(other.pool)
    assert "extra" not in spec
    if copied is not copy.copy:
        other.conv1.fn.params["num_output"] = 9
        assert other.data.fn is other.label.fn
        assert str(spec.to_proto()) == text


def test_a_copy_of_an_unfinished_spec(spec):
    spec.wrong = [1]
    assert copy.deepcopy(spec).tops["wrong"] == [1]


def test_deep_nets():
    """Far deeper than Python's recursion limit: emission, printing and copies are loops."""
    depth = 3 * sys.getrecursionlimit()
    n = NetSpec()
    n.data = top = L.Input(shape={"dim": [1, 1]})
    for index in range(depth):
        n[f"relu{index}"] = top = L.ReLU(top)
    assert len(n.to_proto().layer) == len(top.to_proto().layer) == depth + 1
    assert repr(n).count("L.ReLU(") == depth
    only = NetSpec()
    only.end = top
    for spec in (n, only):
        assert copy.deepcopy(spec).to_proto() == pickle.loads(pickle.dumps(spec)).to_proto() == spec.to_proto()


def test_many_ways_through_a_net():
    """Each layer is looked at once, however many ways lead there (here 2^60)."""
    top = L.Input()
    for _ in range(60):
        top = L.Eltwise(top, top)
    assert len(top.to_proto().layer) == 61


def test_a_layer_type_has_a_name_and_a_text():
    assert L.Pooling.__name__ == "Pooling"
    assert "Settings: pool, pad, pad_h, " in L.Pooling.__doc__
    assert "in messages of other names" in L.Deconvolution.__doc__


# Mistakes: the script's line, the layer, the setting, what to write.

HERE = __file__


@pytest.mark.parametrize(
    "wrong, kind, text",
    [
        (
            {"num_outpt": 3},
            AttributeError,
            "num_outpt is not a field of convolution_param or LayerParameter; did you mean num_output?",
        ),
        (
            {"weight_filler": {"tpye": "x"}},
            AttributeError,
            "weight_filler.tpye is not a field of FillerParameter; did you mean type?",
        ),
        ({"kernel_size": (3, 3)}, TypeError, "kernel_size is (3, 3) (tuple), must be uint32; write a list: [3, 3]"),
        ({"kernel_size": []}, IndexError, "kernel_size is an empty list; leave it out instead"),
        ({"pad": -1}, ValueError, "pad is -1, out of range for uint32"),
        (
            {"convolution_param": {"engine": "GPU"}},
            ValueError,
            "convolution_param.engine is 'GPU', must be one of DEFAULT, CAFFE, CUDNN",
        ),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(wrong, kind, text):
    n = NetSpec()
    n.conv = L.Convolution(L.Input(), **wrong)
    line = sys._getframe().f_lineno - 1
    with pytest.raises(kind) as caught:
        n.to_proto()
    assert type(caught.value) is kind
    assert str(caught.value) == f'{HERE}:{line}: layer "conv" (Convolution): {text}'
    with pytest.raises(kind, match="Convolution1"):
        n.conv.to_proto()


@pytest.mark.parametrize(
    "inputs, text",
    [
        ((L.Data(ntop=2),), "Silence input 0 is not a Top (type is <class 'tuple'>)"),
        (
            (*L.Data(ntop=2), L.Silence(ntop=0)),
            "Silence input 2 is not a Top (type is <class 'minicaffe.net_spec.Function'>)",
        ),
        (("data",), "Silence input 0 is not a Top (type is <class 'str'>)"),
    ],
)
def test_inputs_must_be_tops(inputs, text):
    with pytest.raises(TypeError) as caught:
        L.Silence(*inputs, ntop=0)
    assert str(caught.value) == text
    L.Silence(*L.Data(ntop=2), ntop=0)


@pytest.mark.parametrize("ntop", [-1, 2.0, "2", None])
def test_ntop_must_be_a_number(ntop):
    with pytest.raises(
        ValueError, match=rf"{re.escape(HERE)}:\d+: layer of type Slice: ntop is {ntop!r}, must be how many tops"
    ):
        L.Slice(L.Input(), ntop=ntop)


A_TOP = "must be a Top (or a Function without tops), as L.Type(...) returns"


@pytest.mark.parametrize(
    "value, text",
    [
        (L.Data(ntop=2), "is a tuple of 2 Tops, must be one; write n.bad, n.other = L.Type(...)"),
        ([L.Input()], "is a list of 1 Tops, must be one; write n.bad, n.other = L.Type(...)"),
        (L.ReLU, f"is <class 'function'>, {A_TOP}"),
        ({}, f"is <class 'dict'>, {A_TOP}"),
        (None, f"is <class 'NoneType'>, {A_TOP}"),
    ],
)
def test_what_is_assigned_must_be_tops(spec, value, text):
    spec.bad = value
    with pytest.raises(AttributeError) as caught:
        spec.to_proto()
    assert str(caught.value) == f"bad of this NetSpec {text}"


def test_arguments_of_to_proto_must_be_tops():
    with pytest.raises(
        AttributeError, match=r"^argument 1 of to_proto is a tuple of 2 Tops, .* write to_proto\(\*tops\)$"
    ):
        caffe.to_proto(L.Input(), L.Data(ntop=2))


def test_names_must_be_text(spec):
    with pytest.raises(TypeError, match="a name in a NetSpec is 5, must be a string"):
        spec[5] = spec.data


def test_a_top_that_an_in_place_layer_does_not_have():
    _, second = L.ReLU(L.Input(), in_place=True, ntop=2)
    with pytest.raises(
        IndexError, match=r'layer "ReLU1" \(ReLU\): is in place: its 1 bottoms are its tops, there is no top 1'
    ):
        L.TanH(second).to_proto()


def test_a_circle():
    top = L.ReLU(L.Input())
    top.fn.inputs = (L.TanH(top),)
    with pytest.raises(
        GraphError, match=r"layer of type TanH: reads what is computed from it, through L\.ReLU\(<TanH>\)"
    ):
        to_proto(top)


def test_a_function_made_by_hand():
    settings = {"ntop": 2, "batch_size": 4}
    fn = Function("Data", (), settings)
    assert settings == {"ntop": 2, "batch_size": 4}
    assert [type(top) for top in fn.tops] == [Top, Top]
    assert to_proto(*fn.tops).layer[0].data_param.batch_size == 4
