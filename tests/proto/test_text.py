"""Reading a prototxt: every form that Caffe accepts, and the line of each field."""

import math
import time

import pytest

from minicaffe.errors import FileError, FormatError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import MAX_LINES, parse_text, read_text

NET = """# a small net
name: "small"
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"  top: "conv"
  param { lr_mult: 1 }
  param {
    lr_mult: 2
  }
  convolution_param { num_output: 20
    kernel_size: [5,
                  3]
  }
}
layer { name: "relu" }
"""


def solver(text):
    return parse_text(text, caffe_pb2.SolverParameter).message


@pytest.mark.parametrize(
    "text, field, value",
    [
        ('net: "a.prototxt"', "net", "a.prototxt"),
        ("net: 'a.prototxt'", "net", "a.prototxt"),
        ('net: "a\'b"', "net", "a'b"),
        ('net: "a" \'b\'\n  # between\n "c"', "net", "abc"),
        ('net: ""', "net", ""),
        ('net: "é😀"', "net", "é😀"),
        (r'net: "\x41\102\n\t\\\"\'\?\a\u00e9\U0001F600\303\251"', "net", "AB\n\t\\\"'?\aé😀é"),
        ("base_lr: 1", "base_lr", 1.0),
        ("base_lr: -.5", "base_lr", -0.5),
        ("base_lr: - 2", "base_lr", -2.0),
        ("base_lr: 1.", "base_lr", 1.0),
        ("base_lr: 1.f", "base_lr", 1.0),
        ("base_lr: 2F", "base_lr", 2.0),
        ("base_lr: 1e3", "base_lr", 1000.0),
        ("base_lr: 25E-2f", "base_lr", 0.25),
        ("base_lr: inf", "base_lr", math.inf),
        ("base_lr: -Infinity", "base_lr", -math.inf),
        ("base_lr: 1e39", "base_lr", math.inf),
        ("max_iter: 10000", "max_iter", 10000),
        ("max_iter: -2147483648", "max_iter", -(2**31)),
        ("max_iter: 0x7fffffff", "max_iter", 2**31 - 1),
        ("max_iter: -017", "max_iter", -15),
        ("max_iter: 0", "max_iter", 0),
        ("random_seed: 9223372036854775807", "random_seed", 2**63 - 1),
        ("solver_mode: CPU", "solver_mode", 0),
        ("solver_mode: 1", "solver_mode", 1),
        ("snapshot_format: 0x0", "snapshot_format", 0),
        ("debug_info: true", "debug_info", True),
        ("debug_info: t", "debug_info", True),
        ("debug_info: True", "debug_info", True),
        ("debug_info: 1", "debug_info", True),
        ("test_initialization: false", "test_initialization", False),
        ("test_initialization: f", "test_initialization", False),
        ("test_initialization: False", "test_initialization", False),
        ("test_initialization: 0", "test_initialization", False),
        ("test_iter: 1 test_iter: 2", "test_iter", [1, 2]),
        ("test_iter: [1, 2]", "test_iter", [1, 2]),
        ("test_iter: [] test_iter: 3 test_iter: [4]", "test_iter", [3, 4]),
        ('test_net: ["a", "b" "c"]', "test_net", ["a", "bc"]),
    ],
)
def test_a_value(text, field, value):
    message = solver(text)
    assert getattr(message, field) == value
    assert [descriptor.name for descriptor, _ in message.ListFields()] == [field]


def test_nan():
    assert math.isnan(solver("base_lr: nan").base_lr) and math.isnan(solver("base_lr: -NaN").base_lr)


@pytest.mark.parametrize(
    "text",
    [
        'net_param { name: "n" layer { name: "l" } }',
        'net_param: { name: "n" layer: { name: "l" } }',
        'net_param < name: "n" layer < name: "l" > >',
        'net_param: < name: "n"; layer { name: "l", }; >;',
        'net_param { layer: [{ name: "l" }] name: "n" }',
        'net_param { layer [ < name: "l" > ] name: "n" }',
        '\ufeffnet_param{name:"n"#c\r\nlayer{name:\v"l"\f}}\t',
    ],
)
def test_forms_of_a_message(text, tmp_path):
    expected = caffe_pb2.SolverParameter()
    expected.net_param.name = "n"
    expected.net_param.layer.add(name="l")
    file = tmp_path / "s.prototxt"
    file.write_bytes(text.encode())
    assert read_text(file, caffe_pb2.SolverParameter).message == expected


def test_an_empty_message_is_present():
    net = parse_text("state {} layer { pooling_param {} }", caffe_pb2.NetParameter).message
    assert net.HasField("state") and net.layer[0].HasField("pooling_param")
    assert not net.HasField("name")


def test_nothing_but_comments_is_an_empty_net():
    assert parse_text("# nothing\n", caffe_pb2.NetParameter).message == caffe_pb2.NetParameter()


def test_lines():
    assert parse_text(NET, caffe_pb2.NetParameter).lines == {
        "name": 2,
        "layer[0]": 3,
        "layer[0].name": 4,
        "layer[0].type": 5,
        "layer[0].bottom[0]": 6,
        "layer[0].top[0]": 6,
        "layer[0].param[0]": 7,
        "layer[0].param[0].lr_mult": 7,
        "layer[0].param[1]": 8,
        "layer[0].param[1].lr_mult": 9,
        "layer[0].convolution_param": 11,
        "layer[0].convolution_param.num_output": 11,
        "layer[0].convolution_param.kernel_size[0]": 12,
        "layer[0].convolution_param.kernel_size[1]": 13,
        "layer[1]": 16,
        "layer[1].name": 16,
    }


def test_origin():
    parsed = parse_text(NET, caffe_pb2.NetParameter, "small.prototxt")
    conv = parsed.origin("layer[0]")
    assert (conv.file, conv.line) == ("small.prototxt", 3)
    assert conv.line_of("param[1].lr_mult") == 9
    assert conv.line_of("convolution_param.kernel_size") == 12
    assert conv.line_of("convolution_param.stride") == 11
    assert conv.line_of("pooling_param.stride") == 3
    assert len(conv.fields) == 12
    relu = parsed.origin("layer[1]")
    assert (relu.line, dict(relu.fields)) == (16, {"name": 16})
    assert parsed.origin().line_of("layer[1].name") == 16
    assert parsed.origin("layer[0].convolution_param").line_of("kernel_size[1]") == 13
    assert parsed.origin("layer[7]").line == 0


def test_a_layer_with_the_number_of_another_at_its_front():
    parsed = parse_text("layer {}\n" * 12, caffe_pb2.NetParameter)
    assert [parsed.origin(f"layer[{i}]").line for i in range(12)] == list(range(1, 13))
    assert not parsed.origin("layer[1]").fields


def test_weights_in_text_keep_only_their_first_lines():
    text = "layer { blobs {" + "data: 1.5\n" * (MAX_LINES + 5) + "} }"
    parsed = parse_text(text, caffe_pb2.NetParameter)
    assert len(parsed.message.layer[0].blobs[0].data) == MAX_LINES + 5
    assert len(parsed.lines) == MAX_LINES + 2


def test_a_large_net_is_read_quickly():
    layer = 'layer {\n name: "l%d"\n type: "Convolution"\n bottom: "a"\n top: "b"\n param {\n lr_mult: 1\n }\n}\n'
    text = "".join(layer % i for i in range(600))
    begin = time.perf_counter()
    parsed = parse_text(text, caffe_pb2.NetParameter)
    assert len([parsed.origin(f"layer[{i}]") for i in range(600)]) == 600
    assert time.perf_counter() - begin < 0.5


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"^Could not open file .*absent\.prototxt: No such file") as caught:
        read_text(tmp_path / "absent.prototxt", caffe_pb2.NetParameter)
    assert caught.value.file == str(tmp_path / "absent.prototxt")
    assert isinstance(caught.value, OSError) and isinstance(caught.value, RuntimeError)


def test_a_folder(tmp_path):
    with pytest.raises(FileError, match="Could not open file"):
        read_text(tmp_path, caffe_pb2.NetParameter)


@pytest.mark.parametrize(
    "raw", [b"name: \x80\n", b'# a\nname: "\xff\xfe"', b"\n\nname\0", b"\x0a\x05LeNet\xa2\x06\x00"]
)
def test_binary_data_is_no_prototxt(tmp_path, raw):
    file = tmp_path / "lenet.caffemodel"
    file.write_bytes(raw)
    with pytest.raises(FormatError, match=r"lenet\.caffemodel:[123]: is no text file.*a prototxt is expected"):
        read_text(file, caffe_pb2.NetParameter)


@pytest.mark.parametrize(
    "path, words",
    [
        (None, "a NetParameter is read from a file: give the file's path, not NoneType$"),
        (caffe_pb2.NetParameter(name="n"), r"not NetParameter; write the message to a file before, as str\(message\)$"),
    ],
)
def test_what_is_no_path(path, words):
    with pytest.raises(TypeError, match=words):
        read_text(path, caffe_pb2.NetParameter)


def test_a_path_in_bytes(tmp_path):
    file = tmp_path / "net.prototxt"
    file.write_text('name: "n"')
    assert read_text(bytes(file), caffe_pb2.NetParameter).message.name == "n"
