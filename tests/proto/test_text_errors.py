"""What the reader of prototxts says of text that is wrong: the place, the field, and what to write."""

import pytest
from hypothesis import given, settings, strategies as st

from minicaffe.errors import ParamError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import parse_text

# The text of a net, and the error without its file: line:column: layer: field, what is wrong, what to do.
WRONG_NETS = [
    ('colour: "red"', "1:1: colour is not a field of NetParameter, which has name, input, "),
    # Misspelt fields.
    (
        'layer {\n  name: "c"\n  type: "Convolution"\n  convolution_param { kernelsize: 5 }\n}',
        '4:23: layer "c" (Convolution): convolution_param.kernelsize is not a field of ConvolutionParameter; '
        "write kernel_size",
    ),
    (
        "layer { convolution_param { num_ouput: 5 } }",
        "1:29: layer[0].convolution_param.num_ouput is not a field of ConvolutionParameter; did you mean num_output?",
    ),
    ("layer { data_param { batchsize: 5 } }", "is not a field of DataParameter; write batch_size"),
    ("layer { Name: 'x' }", "layer[0].Name is not a field of LayerParameter; write name"),
    ("layer { elu_param { a: 1 } }", "elu_param.a is not a field of ELUParameter, which has alpha"),
    ("layer { frobnicate: 1 }", "layer[0].frobnicate is not a field of LayerParameter, nor is one like it; remove it"),
    # Fields in the wrong place.
    ('layer { type: "Pooling" kernel_size: 3 }', "; it belongs in pooling_param { kernel_size: ... }"),
    (
        "layer { kernelsize: 3 }",
        "; it belongs in convolution_param { kernel_size: ... } or pooling_param { kernel_size",
    ),
    ("layers { type: CONVOLUTION num_output: 3 }", "; it belongs in convolution_param { num_output: ... }"),
    ('layer { type: "Data" scale: 3 }', "; it belongs in transform_param { scale: ... }"),
    ('layer { type: "Power" scale: 3 }', "; it belongs in power_param { scale: ... }"),
    ("layer { lr_mult: 3 }", "layer[0].lr_mult is not a field of LayerParameter; it belongs in param { lr_mult: ... }"),
    ("layer { pooling_param { top: 'x' } }", "; it belongs in the layer around it, as top"),
    ("layer { pooling_param { decay_mult: 1 } }", "; it belongs in param { decay_mult: ... } beside it"),
    ("type: 'Data'", "1:1: type is not a field of NetParameter; it belongs in layer { type: ... }"),
    (
        "layer {\nlayer { }",
        "2:1: layer[0].layer is not a field of LayerParameter; it belongs in the net around it; "
        "see whether a closing } is missing before",
    ),
    ("net: 'net.prototxt'", "net is not a field of NetParameter, but of SolverParameter; this looks like another sort"),
    # Fields of another age.
    ("layer { blobs_lr: 1 }", "; write param { lr_mult: ... }, one for each parameter blob"),
    ("layer { weight_decay: 1 }", "; write param { decay_mult: ... }, one for each parameter blob"),
    ("layer { bias_lr: 1 }", "; write a second param { lr_mult: ... }"),
    ("layers { lr_mult: 1 }", "; write blobs_lr, once for each parameter blob"),
    ("layers { phase: TEST }", "; write include { phase: ... }"),
    # Twice.
    (
        'layer {\n name: "p"\n power_param { scale: 2 }\n power_param { shift: 1 }\n}',
        '4:2: layer "p": power_param is given twice, first in line 3; keep one of them',
    ),
    ('name: "a"\nname: "a"', "2:1: name is given twice, first in line 1; keep one of them"),
    # Values of the wrong sort.
    ('layer { name: "p" type: Power }', '1:25: layer "p": type is Power, must be text in quotes: "Power"'),
    ("layer { name: 7 }", '1:15: layer[0].name is 7, must be text in quotes: "7"'),
    ("layer { name: }", '1:15: layer[0].name is }, must be text in quotes: "..."'),
    ('layer { power_param { scale: "two" } }', '1:30: layer[0].power_param.scale is "two", must be a number'),
    ("layer { power_param { scale: 010 } }", "power_param.scale is 010, must be a number"),
    ("layer { power_param { scale: 1.2.3 } }", "power_param.scale is 1.2.3, must be a number"),
    ("layer { power_param { scale: 5x } }", "power_param.scale is 5x, must be a number"),
    ('layer { power_param { scale: -"1" } }', 'power_param.scale is -"1", must be a number'),
    ("layer { power_param { scale: } }", "power_param.scale has no value: } follows"),
    ("layer { power_param { scale: -", "power_param.scale has no value: the end of the text follows"),
    (
        "layer { reshape_param { axis: 99999999999 } }",
        "axis is 99999999999, must be a whole number from -2147483648 to 2147483647",
    ),
    (
        "layer { reshape_param { axis: " + "9" * 5000 + " } }",
        "axis is 9999999999999999999999999999999999999..., must be",
    ),
    ("layer { reshape_param { axis: 1.0 } }", "axis is 1.0, must be a whole number"),
    ("layer { reshape_param { axis: 08 } }", "axis is 08, must be a whole number"),
    ("layer { reshape_param { axis: one } }", "axis is one, must be a whole number"),
    ("layer { inner_product_param { num_output: -1 } }", "is -1, must be a whole number from 0 to 4294967295"),
    ("layer { pooling_param { pad: 4294967296 } }", "is 4294967296, must be a whole number from 0 to 4294967295"),
    ("layer { pooling_param { pad: 0.5 } }", "pad is 0.5, must be a whole number, 0 or more"),
    ("layer { pooling_param { global_pooling: yes } }", "global_pooling is yes, must be true or false"),
    ("layer { pooling_param { global_pooling: 2 } }", "global_pooling is 2, must be true or false"),
    ("layer { pooling_param { pool: MEDIAN } }", "pooling_param.pool is MEDIAN, must be MAX, AVE or STOCHASTIC"),
    ("layer { pooling_param { pool: 3 } }", "pooling_param.pool is 3, must be MAX, AVE or STOCHASTIC"),
    ('layer { phase: "TEST" }', 'phase is "TEST", must be TRAIN or TEST without quotes'),
    ("layers { type: CONVOLUTON }", "type is CONVOLUTON, must be a LayerType; did you mean CONVOLUTION?"),
    ("layers { type: 'Convolution' }", "must be a LayerType without quotes; did you mean CONVOLUTION?"),
    ("layers { type: 99 }", "type is 99, must be a LayerType"),
    (r'name: "a\q"', r'name is "a\q", has an unknown escape, \q; write \\ for'),
    (r'name: "\377"', "must be UTF-8"),
    (r'name: "\777"', r"has the escape \777, must be \377 at most"),
    (r'name: "\ud800"', r"has the escape \ud800, which is no character"),
    (r'name: "\U00110000"', r"has the escape \U00110000, which is no character"),
    # Lists.
    ('name: ["a"]', "1:7: name is one value, not a list; leave out the brackets"),
    ("input_dim: [1 2]", "1:15: input_dim is a list; after a value comes , or ], not 2"),
    ("input_dim: [1,]", "1:15: input_dim[1] has no value: ] follows"),
    ("input_dim: [1", "input_dim is a list; after a value comes , or ], not the end of the text"),
    # Form.
    ("layer: 3", "1:8: layer[0] is 3, must be { ... }"),
    ("layer 3", "1:7: layer needs { ... }"),
    ('name "x"', "1:6: name needs a colon and a value"),
    ("name: x.y", "name is x, must be text in quotes"),
    ("5: 3", "1:1: the name of a field is expected here, not 5"),
    ("name: 'a'; ; ", "1:12: the name of a field is expected here, not ;"),
    ("[caffe.ext]: 1", "the name of a field is expected here, not ["),
    ("}", "1:1: } does not belong here; remove it, or see whether an opening one is missing"),
    ('layer { name: "x" >', '1:19: layer "x": > does not belong here'),
    (
        "\nlayer {\n pooling_param {",
        "3:17: layer[0].pooling_param begins in line 3 and does not end; close it with } or >",
    ),
    ("layer {\n" * 1000, "2:1: layer[0].layer is not a field of LayerParameter"),
    ('name: "a\nb"', '1:7: text begins with " and does not end in this line; close it with "'),
    ("name: 'a", "1:7: text begins with ' and does not end in this line; close it with '"),
    ("name: 'a' // lenet", "1:11: / means nothing here; a comment begins with #"),
    ("@", "1:1: '@' means nothing here; remove it"),
    ("layer { clip_param { min: 3 } }", "layer[0].clip_param.max is missing; a ClipParameter cannot do without"),
]


@pytest.mark.parametrize("text, expected", WRONG_NETS)
def test_a_wrong_net(text, expected):
    with pytest.raises(ParamError) as caught:
        parse_text(text, caffe_pb2.NetParameter, "net.prototxt")
    message = str(caught.value)
    assert message.startswith("net.prototxt:")
    assert expected in message


@pytest.mark.parametrize(
    "text, expected",
    [
        ("base_Lr: 1", "1:1: base_Lr is not a field of SolverParameter; write base_lr"),
        ("learning_rate: 1", "; write base_lr"),
        ("lr: 1", "; write base_lr"),
        ("max_iters: 1", "; did you mean max_iter?"),
        ("solver_mode: CUDA", "solver_mode is CUDA, must be CPU or GPU"),
        ('layer { name: "a" }', "; this looks like another sort of file"),
        ("frobnicate: 1", "frobnicate is not a field of SolverParameter, nor is one like it; remove it"),
        ("net: lenet", 'net is lenet, must be text in quotes: "lenet"'),
        ('net_param { layer { name: "a" top: 1 } }', '1:36: layer "a": top[0] is 1, must be text in quotes: "1"'),
    ],
)
def test_a_wrong_solver(text, expected):
    with pytest.raises(ParamError) as caught:
        parse_text(text, caffe_pb2.SolverParameter, "solver.prototxt")
    assert str(caught.value).startswith("solver.prototxt:")
    assert expected in str(caught.value)


def test_the_parts_of_an_error():
    text = '\nlayer {\n  name: "p"\n  type: "Pooling"\n  pooling_param { pool: MIN }\n}'
    with pytest.raises(ParamError) as caught:
        parse_text(text, caffe_pb2.NetParameter, "net.prototxt")
    error = caught.value
    assert (error.file, error.line, error.column) == ("net.prototxt", 5, 25)
    assert (error.layer, error.layer_type, error.field) == ("p", "Pooling", "pooling_param.pool")


def test_the_v0_layer_inside_a_v1_layer_gives_its_name():
    with pytest.raises(
        ParamError, match=r'layer "c" \(conv\): kernel is not a field of V0LayerParameter; did you mean k'
    ):
        parse_text('layers { layer { name: "c" type: "conv" kernel: 5 } }', caffe_pb2.NetParameter)


PIECES = ["layer", "layers", "name", "type", "input_dim", "pooling_param", "pool", "MAX", "stride", "clip_param", "min"]
PIECES += [
    '"a"',
    "'b'",
    "{",
    "}",
    "<",
    ">",
    "[",
    "]",
    ":",
    ",",
    ";",
    "-",
    "1",
    "1.5",
    "0x",
    "true",
    "#",
    "\n",
    '"',
    "\\",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join) | st.text(max_size=40))
def test_any_text_gives_a_message_or_a_param_error(text):
    try:
        message = parse_text(text, caffe_pb2.NetParameter).message
    except ParamError as error:
        assert 1 <= error.line <= text.count("\n") + 1 and error.column >= 1
    else:
        assert message.IsInitialized()
