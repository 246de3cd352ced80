"""Writing messages as text, with protobuf's own text format as the oracle of both directions."""

import math
import struct

import pytest
from google.protobuf import text_format
from hypothesis import given, settings, strategies as st
from proto_messages import messages

from minicaffe.proto import caffe_pb2
from minicaffe.proto.printer import format_float, format_text
from minicaffe.proto.text import parse_text

CLASSES = [caffe_pb2.LayerParameter, caffe_pb2.SolverParameter, caffe_pb2.V1LayerParameter, caffe_pb2.Datum]


@pytest.mark.parametrize("message_class", [*CLASSES, caffe_pb2.BlobProto], ids=lambda c: c.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_each_reads_what_the_other_writes(message_class, data):
    message = data.draw(messages(message_class))
    ours, theirs = format_text(message), text_format.MessageToString(message)
    assert text_format.Parse(ours, message_class()) == message
    assert parse_text(theirs, message_class).message == message
    assert parse_text(ours, message_class).message == message


@settings(max_examples=200, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_takes_six_digits_or_nine(value):
    written = format_float(value)
    assert struct.unpack("f", struct.pack("f", float(written)))[0] == value
    digits = written.lstrip("-").partition("e")[0].replace(".", "").strip("0")
    assert len(digits) <= 9
    if float(f"{value:.6g}") == value:
        assert len(digits) <= 6


@pytest.mark.parametrize(
    "value, written",
    [
        (0.01, "0.01"),
        (1e-5, "1e-05"),
        (1.0, "1"),
        (-0.0, "-0"),
        (1 / 3, "0.333333343"),
        (0.00390625, "0.00390625"),
        (1e10, "1e+10"),
        (16777216.0, "16777216"),
        (3.4028234663852886e38, "3.40282347e+38"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_floats(value, written):
    layer = caffe_pb2.LayerParameter(loss_weight=[value])
    assert format_text(layer) == f"loss_weight: {written}\n"


def test_doubles():
    blob = caffe_pb2.BlobProto(double_data=[0.1, 1 / 3, 1e300])
    assert format_text(blob) == "double_data: 0.1\ndouble_data: 0.33333333333333331\ndouble_data: 1e+300\n"


def test_a_net_as_caffe_writes_it():
    net = caffe_pb2.NetParameter(name="net", force_backward=True)
    net.state.phase = caffe_pb2.TEST
    net.state.stage.append("deploy")
    layer = net.layer.add(name="conv", type="Convolution", phase=caffe_pb2.TRAIN, bottom=["data"], top=["conv"])
    layer.param.add(lr_mult=2)
    layer.convolution_param.num_output = 20
    layer.convolution_param.kernel_size.extend([5, 3])
    layer.convolution_param.weight_filler.type = "xavier"
    layer.convolution_param.engine = caffe_pb2.ConvolutionParameter.CUDNN
    net.layer.add().relu_param.SetInParent()
    assert format_text(net) == (
        'name: "net"\nforce_backward: true\nstate {\n  phase: TEST\n  stage: "deploy"\n}\n'
        'layer {\n  name: "conv"\n  type: "Convolution"\n  bottom: "data"\n  top: "conv"\n'
        "  param {\n    lr_mult: 2\n  }\n  phase: TRAIN\n"
        "  convolution_param {\n    num_output: 20\n    kernel_size: 5\n    kernel_size: 3\n"
        '    weight_filler {\n      type: "xavier"\n    }\n    engine: CUDNN\n  }\n}\n'
        "layer {\n  relu_param {\n  }\n}\n"
    )


def test_escapes():
    net = caffe_pb2.NetParameter(name="a\"b'c\\d\n\r\t\x01é")
    assert format_text(net) == 'name: "a\\"b\\\'c\\\\d\\n\\r\\t\\001\\303\\251"\n'
