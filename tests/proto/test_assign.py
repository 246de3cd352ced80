"""assign_proto: what Python values become, and what it says of those that become nothing."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.proto import caffe_pb2
from minicaffe.proto.assign import assign_proto
from minicaffe.proto.printer import format_text

# (field of LayerParameter, value, the text on one line)
VALUES = [
    ("name", "conv1", 'name: "conv1"'),
    ("phase", 1, "phase: TEST"),
    ("phase", "TEST", "phase: TEST"),
    ("bottom", "data", 'bottom: "data"'),
    ("bottom", ["data", "label"], 'bottom: "data" bottom: "label"'),
    ("loss_weight", 0.5, "loss_weight: 0.5"),
    ("loss_weight", [0, np.float32(0.25)], "loss_weight: 0 loss_weight: 0.25"),
    ("propagate_down", [True, False], "propagate_down: true propagate_down: false"),
    ("param", {"lr_mult": 0}, "param { lr_mult: 0 }"),
    ("param", [{"lr_mult": 1}, {}], "param { lr_mult: 1 } param { }"),
    ("param", [caffe_pb2.ParamSpec(name="w")], 'param { name: "w" }'),
    ("include", {"phase": 0, "stage": "deploy"}, 'include { phase: TRAIN stage: "deploy" }'),
    ("relu_param", {}, ""),
    (
        "convolution_param",
        {"num_output": np.int64(3), "bias_term": np.bool_(False), "kernel_size": 5, "weight_filler": {"type": "msra"}},
        'convolution_param { num_output: 3 bias_term: false kernel_size: 5 weight_filler { type: "msra" } }',
    ),
    ("pooling_param", {"pool": "AVE", "global_pooling": False}, "pooling_param { pool: AVE global_pooling: false }"),
    ("dummy_data_param", {"shape": [{"dim": [2, 3]}, {"dim": 4}]}, None),
]


def one_line(message):
    return " ".join(format_text(message).split())


@pytest.mark.parametrize("field, value, text", VALUES)
def test_values(field, value, text):
    layer = caffe_pb2.LayerParameter()
    assign_proto(layer, field, value)
    assert one_line(layer) == (
        text if text is not None else "dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 4 } }"
    )


def test_what_was_there_stays():
    layer = caffe_pb2.LayerParameter(bottom=["a"], power_param={"power": 2, "scale": 3})
    assign_proto(layer, "bottom", ["b"])
    assign_proto(layer, "power_param", {"scale": 4})
    assert one_line(layer) == 'bottom: "a" bottom: "b" power_param { power: 2 scale: 4 }'


@given(st.recursive(st.integers(0, 99), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=9))
def test_a_list_is_taken_whole_or_not_at_all(value):
    """Flat lists of numbers become a field, a list in a list becomes an error."""
    param = caffe_pb2.ConvolutionParameter()
    flat = value if isinstance(value, list) else [value]
    if any(isinstance(item, list) for item in flat):
        with pytest.raises(TypeError, match="kernel_size"):
            assign_proto(param, "kernel_size", value)
    else:
        assign_proto(param, "kernel_size", value)
        assert list(param.kernel_size) == flat


# (field, value, kind of error, its text)
WRONG = [
    ("nme", "x", AttributeError, "nme is not a field of LayerParameter; did you mean name?"),
    (
        "convolution_param",
        {"weight_filler": {"tpye": "xavier"}},
        AttributeError,
        "convolution_param.weight_filler.tpye is not a field of FillerParameter; did you mean type?",
    ),
    (
        "param",
        [{"lr_mult": 1}, {"lr": 1}],
        AttributeError,
        "param[1].lr is not a field of ParamSpec, which has name, share_mode, lr_mult, decay_mult",
    ),
    ("name", ["x"], AttributeError, "name takes one string, not a list of 1"),
    ("relu_param", [{"negative_slope": 1}], AttributeError, "relu_param takes one ReLUParameter, not a list of 1"),
    (
        "python_param",
        {"param_str": {"k": 1}},
        AttributeError,
        "python_param.param_str takes one string, not a dict; write str() of it",
    ),
    ("phase", {"TEST": 1}, AttributeError, "phase takes one Phase, not a dict"),
    ("relu_param", 0.1, AttributeError, "relu_param takes a dict of the fields of ReLUParameter, not 0.1 (float)"),
    ("bottom", [], IndexError, "bottom is an empty list; leave it out instead"),
    ("name", [], IndexError, "name is an empty list; leave it out instead"),
    ("bottom", ("a", "b"), TypeError, "bottom is ('a', 'b') (tuple), must be string; write a list: ['a', 'b']"),
    (
        "loss_weight",
        np.ones(2),
        TypeError,
        "loss_weight is array([1., 1.]) (ndarray), must be float; write a list: [1.0, 1.0]",
    ),
    ("bottom", ["a", 7], TypeError, "bottom[1] is 7 (int), must be string"),
    ("name", None, TypeError, "name is None (NoneType), must be string"),
    ("name", range(99), TypeError, "name is range(0, 99) (range), must be string"),
    ("param", [{}, 5], TypeError, "param[1] is 5 (int), must be ParamSpec"),
    ("tile_param", {"tiles": 4 / 2}, TypeError, "tile_param.tiles is 2.0 (float), must be int32; write 2"),
    ("tile_param", {"tiles": 2.5}, TypeError, "tile_param.tiles is 2.5 (float), must be int32"),
    ("tile_param", {"tiles": 2**31}, ValueError, "tile_param.tiles is 2147483648, out of range for int32"),
    ("phase", "TSET", ValueError, "phase is 'TSET', must be one of TRAIN, TEST"),
    ("phase", 7, ValueError, "phase is 7, must be one of TRAIN, TEST"),
    ("name", b"\xff", ValueError, "name is b'\\xff', not text in UTF-8"),
]


@pytest.mark.parametrize("field, value, kind, text", WRONG)
def test_a_wrong_value_is_told(field, value, kind, text):
    with pytest.raises(kind) as caught:
        assign_proto(caffe_pb2.LayerParameter(), field, value)
    assert type(caught.value) is kind
    assert str(caught.value) == text


def test_a_long_value_is_cut_short():
    with pytest.raises(TypeError, match=r"^name is .{57}\.\.\. \(tuple\), must be string$"):
        assign_proto(caffe_pb2.LayerParameter(), "name", tuple(range(99)))
