"""What is written in boxes, at arrows and in tips."""

import pytest
from drawing_kit import layer
from hypothesis import given, strategies as st

from minicaffe.net.drawing.labels import edge_label, layer_details, layer_tip, layer_type, lr_mults
from minicaffe.net.drawing.text import printable, shown, text_width
from minicaffe.proto.caffe_pb2 import TRAIN
from minicaffe.proto.upgrade import parse_net


def one(type, settings="", top="y"):
    return parse_net(layer("l", type, "" if type in ("Data", "Input", "HDF5Data") else "x", top, settings)).param.layer[
        0
    ]


@pytest.mark.parametrize(
    "type, settings, lines",
    [
        ("Convolution", "convolution_param { kernel_size: 5 }", ["kernel 5", "stride 1, pad 0"]),
        (
            "Deconvolution",
            "convolution_param { kernel_h: 3 kernel_w: 5 stride: 2 pad_h: 1 pad_w: 1 }",
            ["kernel 3x5", "stride 2, pad 1"],
        ),
        (
            "Convolution",
            "convolution_param { kernel_size: [3, 4, 5] dilation: 2 group: 4 pad: 0 pad: 1 pad: 2 }",
            ["kernel 3x4x5", "stride 1, pad 0x1x2", "dilation 2", "group 4"],
        ),
        ("Convolution", "", ["kernel ?", "stride 1, pad 0"]),
        ("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }", ["kernel 3", "stride 2, pad 1"]),
        ("Pooling", "pooling_param { kernel_h: 2 kernel_w: 3 }", ["kernel 2x3", "stride 1, pad 0"]),
        ("Pooling", "pooling_param { global_pooling: true }", ["global"]),
        ("ReLU", "", []),
    ],
)
def test_the_lines_of_a_box(type, settings, lines):
    assert layer_details(one(type, settings), TRAIN) == lines


def test_a_phase_is_named_where_several_are_drawn():
    trained = one("ReLU", 'include { phase: TRAIN stage: "a" } include { phase: TRAIN }')
    assert layer_details(trained) == ["TRAIN only"]
    assert layer_details(trained, TRAIN) == []
    assert layer_details(one("ReLU", 'include { stage: "a" }')) == []


@pytest.mark.parametrize(
    "type, settings, rates, line",
    [
        ("Convolution", "param { lr_mult: 1 } param { lr_mult: 2 }", [1, 2], "lr mult 1/2"),
        ("Convolution", "param { lr_mult: 0.5 }", [0.5, 1], "lr mult 0.5/1"),
        ("InnerProduct", "inner_product_param { bias_term: false }", [1], "lr mult 1"),
        ("Scale", "param { lr_mult: 0 }", [0], "lr mult 0"),
        ("BatchNorm", "param { } param { }", [1, 1], "lr mult 1/1"),
        ("ReLU", "", [], None),
    ],
)
def test_learning_rates(type, settings, rates, line):
    made = one(type, settings)
    assert lr_mults(made) == rates
    assert [text for text in layer_details(made, display_lrm=True) if "lr" in text] == [line] * bool(line)
    assert not [text for text in layer_details(made) if "lr" in text]


@pytest.mark.parametrize(
    "type, settings, label",
    [
        ("Convolution", "convolution_param { num_output: 20 }", "20"),
        ("InnerProduct", "inner_product_param { num_output: 500 }", "500"),
        ("Embed", "embed_param { num_output: 7 }", "7"),
        ("LSTM", "recurrent_param { num_output: 256 }", "256"),
        ("Data", "data_param { batch_size: 64 }", "batch 64"),
        ("HDF5Data", "hdf5_data_param { batch_size: 3 }", "batch 3"),
        ("Data", "data_param { }", ""),
        ("Input", "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }", "1x3x224x224"),
        ("Input", "", ""),
        ("ReLU", "", ""),
    ],
)
def test_what_stands_at_an_arrow(type, settings, label):
    assert edge_label(one(type, settings)) == label


def test_each_top_of_an_input_layer_has_its_shape():
    two = one("Input", "input_param { shape { dim: 1 dim: 2 } shape { dim: 3 } }", top="y z w")
    assert [edge_label(two, top) for top in range(3)] == ["1x2", "3", ""]


def test_what_a_layer_does():
    assert layer_type(one("Pooling", "pooling_param { pool: AVE }")) == "AVE Pooling"
    assert layer_type(one("Eltwise", "eltwise_param { operation: PROD }")) == "PROD Eltwise"
    assert layer_type(one("TanH")) == "TanH"


def test_a_tip_holds_all_settings_but_no_weights():
    made = one(
        "Convolution", "include { phase: TEST } convolution_param { num_output: 2 kernel_size: 3 } loss_weight: 0.5"
    )
    tip = layer_tip(made)
    made.blobs.add(data=[1.0] * 1000)
    assert layer_tip(made) == tip
    assert parse_net(f"layer {{ {tip} }}").param.layer[0] == one(
        "Convolution", "include { phase: TEST } convolution_param { num_output: 2 kernel_size: 3 } loss_weight: 0.5"
    )


def test_long_names_lose_their_middle():
    assert shown("conv1") == "conv1"
    assert shown("a" * 40) == "a" * 40
    assert shown("b" * 30 + "e" * 30, 13) == "bbbbb...eeeee"
    assert shown("first\nsecond\x00\ufffe\ud800") == "first second???"


@given(st.text())
def test_what_is_printable_is_as_long_and_has_no_controls(text):
    assert len(printable(text)) == len(text)
    assert not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 or ord(c) in (0xFFFE, 0xFFFF) for c in printable(text))
    assert len(shown(text, 12)) == min(12, len(text))


def test_widths_of_text():
    # A digit of Helvetica is 0.556 wide, a blank 0.278, M 0.833.
    assert text_width("100", 10) == pytest.approx(16.68)
    assert text_width("M ", 20) == pytest.approx(22.22)
    assert text_width("\u4e2d", 10) == 10
    assert text_width("e\u0301", 10) == text_width("e", 10)
