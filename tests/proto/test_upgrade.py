"""Old nets in today's form: each layer against what Caffe 1.0 makes of it, and where each setting stands."""

import pytest
from hypothesis import given, settings, strategies as st
from proto_messages import messages

from minicaffe.errors import FileError, GraphError, MinicaffeError, Origin, ParamError
from minicaffe.proto import caffe_pb2, v0, v1
from minicaffe.proto.text import parse_text
from minicaffe.proto.upgrade import parse_net, read_net, upgrade_net

X = 'input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4\n'


def net(text):
    return parse_text(text, caffe_pb2.NetParameter).message


def layers(text):
    """Today's form of the layers in `text`, a net with the input x."""
    return parse_net(X + text).param.layer[1:]


def assert_upgrades(old, new):
    assert list(layers(old)) == list(net(new).layer)


# V0: a layer { ... } with its bottoms and tops left out, and what it becomes.
V0_LAYERS = [
    (
        'name: "c" type: "conv" num_output: 6 biasterm: false pad: 1 kernelsize: 3 group: 2 stride: 4 '
        'weight_filler { type: "xavier" } bias_filler { value: 2 } blobs_lr: 1 blobs_lr: 2 weight_decay: 3',
        'name: "c" type: "Convolution" param { lr_mult: 1 decay_mult: 3 } param { lr_mult: 2 } convolution_param { '
        "num_output: 6 bias_term: false pad: 1 kernel_size: 3 group: 2 stride: 4 "
        'weight_filler { type: "xavier" } bias_filler { value: 2 } }',
    ),
    (
        'name: "i" type: "innerproduct" num_output: 6 biasterm: true weight_filler { std: 2 } bias_filler { value: 2 }',
        'name: "i" type: "InnerProduct" inner_product_param { num_output: 6 bias_term: true '
        "weight_filler { std: 2 } bias_filler { value: 2 } }",
    ),
    (
        'type: "pool" pool: AVE pad: 1 kernelsize: 3 stride: 2',
        'type: "Pooling" pooling_param { pool: AVE pad: 1 kernel_size: 3 stride: 2 }',
    ),
    ('type: "dropout" dropout_ratio: 0.3', 'type: "Dropout" dropout_param { dropout_ratio: 0.3 }'),
    (
        'type: "lrn" local_size: 3 alpha: 0.1 beta: 0.5 k: 2',
        'type: "LRN" lrn_param { local_size: 3 alpha: 0.1 beta: 0.5 k: 2 }',
    ),
    (
        'type: "data" source: "db" batchsize: 3 scale: 0.1 meanfile: "m" cropsize: 5 mirror: true rand_skip: 7',
        'type: "Data" data_param { source: "db" batch_size: 3 rand_skip: 7 } '
        'transform_param { scale: 0.1 mean_file: "m" crop_size: 5 mirror: true }',
    ),
    (
        'type: "images" source: "l" batchsize: 3 shuffle_images: true new_height: 5 new_width: 6 rand_skip: 2 scale: 2',
        'type: "ImageData" image_data_param { source: "l" batch_size: 3 shuffle: true new_height: 5 new_width: 6 '
        "rand_skip: 2 } transform_param { scale: 2 }",
    ),
    ('type: "hdf5_data" source: "l" batchsize: 3', 'type: "HDF5Data" hdf5_data_param { source: "l" batch_size: 3 }'),
    (
        'type: "window_data" source: "w" batchsize: 3 det_fg_threshold: 0.6 det_bg_threshold: 0.4 det_fg_fraction: 0.2 '
        'det_context_pad: 16 det_crop_mode: "square" mirror: true',
        'type: "WindowData" window_data_param { source: "w" batch_size: 3 fg_threshold: 0.6 bg_threshold: 0.4 '
        'fg_fraction: 0.2 context_pad: 16 crop_mode: "square" } transform_param { mirror: true }',
    ),
    ('type: "infogain_loss" source: "h"', 'type: "InfogainLoss" infogain_loss_param { source: "h" }'),
    ('type: "concat" concat_dim: 0', 'type: "Concat" concat_param { concat_dim: 0 }'),
    (
        'type: "hdf5_output" hdf5_output_param { file_name: "f" }',
        'type: "HDF5Output" hdf5_output_param { file_name: "f" }',
    ),
    ('type: "relu" new_num: 3 new_channels: 4', 'type: "ReLU"'),
    ('type: "relu" scale: 2', 'type: "ReLU" transform_param { scale: 2 }'),
    ('name: "a" type: "accuracy" blobs { data: 1 }', 'name: "a" type: "Accuracy" blobs { data: 1 }'),
    ('type: "bnll"', 'type: "BNLL"'),
    ('type: "euclidean_loss"', 'type: "EuclideanLoss"'),
    ('type: "flatten"', 'type: "Flatten"'),
    ('type: "im2col"', 'type: "Im2col"'),
    ('type: "multinomial_logistic_loss"', 'type: "MultinomialLogisticLoss"'),
    ('type: "sigmoid"', 'type: "Sigmoid"'),
    ('type: "softmax"', 'type: "Softmax"'),
    ('type: "softmax_loss"', 'type: "SoftmaxWithLoss"'),
    ('type: "split"', 'type: "Split"'),
    ('type: "tanh"', 'type: "TanH"'),
]


@pytest.mark.parametrize("old, new", V0_LAYERS)
def test_v0_layers(old, new):
    assert_upgrades(f'layers {{ layer {{ {old} }} bottom: "x" top: "y" }}', f'layer {{ {new} bottom: "x" top: "y" }}')


def test_every_v0_type_and_field_is_in_the_table_above():
    old = " ".join(old for old, _ in V0_LAYERS)
    assert all(f'type: "{kind}"' in old for kind in v0.TYPES) and len(v0.TYPES) == 24
    fields = {field.name for field in caffe_pb2.V0LayerParameter.DESCRIPTOR.fields}
    assert set(v0.PLACES) == fields
    assert [field for field in fields if f"{field}: " not in old and f"{field} {{" not in old] == []


def test_v0_keeps_only_name_inputs_and_force_backward():
    source = parse_net(
        'name: "n" force_backward: true debug_info: true state { phase: TRAIN } input_shape { dim: 9 }\n'
        + X
        + 'layers { layer { name: "r" type: "relu" } bottom: "x" top: "y" include { phase: TEST } loss_weight: 2 }\n'
        'layer { name: "lost" }'
    )
    new = net('name: "n" force_backward: true layer { name: "input" type: "Input" top: "x" }')
    new.layer[0].input_param.shape.add(dim=[1, 2, 3, 4])
    new.layer.add(name="r", type="ReLU", bottom=["x"], top=["y"])
    assert source.param == new
    warnings = " ".join(text for severity, text in source.notes if severity == "WARNING")
    for dropped in (
        "debug_info is",
        "state is",
        "input_shape is",
        "layer is",
        'include of layer "r"',
        "loss_weight of",
    ):
        assert f"{dropped} " in warnings and "dropped" in warnings


def test_a_v0_setting_of_another_type_is_dropped_aloud():
    source = parse_net(X + 'layers { layer { name: "r" type: "relu" kernelsize: 3 } bottom: "x" top: "y" }')
    assert not source.compatible and source.upgraded
    assert ("ERROR", "Unknown parameter kernelsize for layer type relu: dropped") in source.notes
    assert source.param.layer[1] == net('layer { name: "r" type: "ReLU" bottom: "x" top: "y" }').layer[0]


PADDED = (
    X
    + 'layers { layer { name: "p" type: "padding" pad: 2 } bottom: "x" top: "padded" }\n'
    + 'layers { layer { name: "c" type: "conv" pad: 1 } bottom: "padded" top: "c" }\n'
    + 'layers { layer { name: "q" type: "pool" } bottom: "padded" top: "q" }\n'
    + 'layers { layer { name: "r" type: "relu" } bottom: "q" top: "q" }'
)


def test_padding_goes_into_the_layers_behind_it():
    source = parse_net(PADDED)
    assert [layer.name for layer in source.param.layer] == ["input", "c", "q", "r"]
    assert [list(layer.bottom) for layer in source.param.layer] == [[], ["x"], ["x"], ["q"]]
    assert list(source.param.layer[1].convolution_param.pad) == [2]
    assert source.param.layer[2].pooling_param.pad == 2
    assert source.indices == [None, 1, 2, 3]
    assert [origin.line for origin in source.origins] == [1, 3, 4, 5]


@pytest.mark.parametrize(
    "old, new, error",
    [
        ('type: "pool" } bottom: "padded"', 'type: "relu" } bottom: "padded"', 'layer "q": bottom[0] reads a padding'),
        ('bottom: "padded" top: "q"', 'bottom: "padded" bottom: "x" top: "q"', 'layer "q": bottom[0] reads a padding'),
        (
            'bottom: "x" top: "padded"',
            'bottom: "x" bottom: "x" top: "padded"',
            'padding layer "p", which must have one',
        ),
        ('type: "pool"', 'type: "padding"', 'layer "q": bottom[0] reads a padding layer'),
    ],
)
def test_padding_that_cannot_be_folded(old, new, error):
    assert old in PADDED
    with pytest.raises(ParamError) as caught:
        parse_net(PADDED.replace(old, new), "old.prototxt")
    assert error in str(caught.value)
    assert str(caught.value).startswith("old.prototxt:")


def test_an_unknown_bottom_in_a_v0_net():
    with pytest.raises(GraphError, match=r'^old:3: layer "c": bottom\[0\] is "padde", which no layer before it'):
        parse_net(PADDED.replace('bottom: "padded" top: "c"', 'bottom: "padde" top: "c"'), "old")


def test_an_unknown_v0_type():
    with pytest.raises(ParamError, match=r'^old:2: layer "l": layer\.type is convolution, an unknown type.*conv, data'):
        parse_net(X + 'layers { layer { name: "l" type: "convolution" } bottom: "x" top: "y" }', "old")


def test_v0_and_v1_layers_do_not_mix():
    with pytest.raises(ParamError, match=r'layer "b": has no layer \{ \.\.\. \} inside, as others'):
        parse_net('layers { layer { name: "a" type: "data" } top: "y" }\nlayers { name: "b" type: RELU bottom: "y" }')


@pytest.mark.parametrize("name, string", v1.TYPES.items())
def test_v1_types(name, string):
    assert_upgrades(f'layers {{ name: "l" type: {name} }}', f'layer {{ name: "l" type: "{string}" }}')


def test_every_v1_type_has_a_string():
    assert list(v1.TYPES) == sorted(v1.TYPES, key=lambda name: (name != "NONE", name))
    assert set(v1.TYPES) == set(caffe_pb2.V1LayerParameter.LayerType.keys())


def test_v1_layers():
    assert_upgrades(
        """layers {
          name: "c" type: CONVOLUTION bottom: "x" top: "y" top: "z" loss_weight: 1 loss_weight: 2
          blobs_lr: 1 blobs_lr: 2 weight_decay: 3 param: "w" blob_share_mode: PERMISSIVE
          include { phase: TEST stage: "s" } exclude { min_level: 1 } blobs { num: 1 data: 5 }
          convolution_param { num_output: 2 kernel_size: 3 } loss_param { normalize: true } transform_param {}
        }""",
        """layer {
          name: "c" type: "Convolution" bottom: "x" top: "y" top: "z" loss_weight: 1 loss_weight: 2
          param { lr_mult: 1 decay_mult: 3 name: "w" share_mode: PERMISSIVE } param { lr_mult: 2 }
          include { phase: TEST stage: "s" } exclude { min_level: 1 } blobs { num: 1 data: 5 }
          convolution_param { num_output: 2 kernel_size: 3 } loss_param { normalize: true } transform_param {}
        }""",
    )


def test_v1_messages_of_all_types_are_carried_over():
    old, new = caffe_pb2.V1LayerParameter(), caffe_pb2.LayerParameter()
    carried = [field.name for field in old.DESCRIPTOR.fields if field.name.endswith("_param")]
    for name in carried:
        getattr(old, name).SetInParent()
        getattr(new, name).SetInParent()
    assert len(carried) == 30
    assert upgrade_net(caffe_pb2.NetParameter(layers=[old])).param == caffe_pb2.NetParameter(layer=[new])


def test_v1_without_a_type_stays_without():
    assert not layers('layers { name: "l" }')[0].HasField("type")


def test_v1_keeps_what_belongs_to_the_net():
    text = 'name: "n" state { phase: TRAIN level: 2 } debug_info: true '
    assert parse_net(text + 'layers { name: "l" type: RELU }').param == net(text + 'layer { name: "l" type: "ReLU" }')


@pytest.mark.parametrize("kind", ["DATA", "IMAGE_DATA", "WINDOW_DATA"])
def test_transformation_fields(kind):
    param = f"{kind.lower()}_param"
    assert_upgrades(
        f'layers {{ type: {kind} {param} {{ source: "s" scale: 2 mean_file: "m" crop_size: 3 mirror: true }} '
        "transform_param { scale: 5 mean_value: 4 } } layers { type: DATA } layers { type: RELU }",
        f'layer {{ type: "{v1.TYPES[kind]}" {param} {{ source: "s" }} '
        'transform_param { mean_value: 4 scale: 2 mean_file: "m" crop_size: 3 mirror: true } } '
        'layer { type: "Data" data_param {} transform_param {} } layer { type: "ReLU" }',
    )


def test_transformation_fields_elsewhere_stay():
    assert_upgrades(
        'layers { type: DATA data_param { source: "s" } }', 'layer { type: "Data" data_param { source: "s" } }'
    )
    new = 'layer { type: "Data" data_param { scale: 2 crop_size: 3 } }'
    source = parse_net(new)
    assert source.param == net(new) and not source.upgraded and source.notes == []


def test_layer_and_layers_do_not_mix():
    with pytest.raises(ParamError, match=r"^mixed:2: the net holds both layers \{ \.\.\. \}, the old form, and layer"):
        parse_net('layer { name: "a" type: "ReLU" }\nlayers { name: "b" type: RELU }', "mixed")


def test_inputs():
    source = parse_net('input: "a"\ninput: "b"\ninput_dim: [1,2,\n3,4]\ninput_dim: [5,6,7,8] layer { name: "l" }', "f")
    assert source.param == net(
        'layer { name: "input" type: "Input" top: "a" top: "b" '
        "input_param { shape { dim: [1, 2, 3, 4] } shape { dim: [5, 6, 7, 8] } } } layer { name: 'l' }"
    )
    origin = source.origins[0]
    assert (origin.file, origin.line, origin.line_of("top[1]")) == ("f", 1, 2)
    assert [origin.line_of(f"input_param.shape[0].dim[{i}]") for i in range(4)] == [3, 3, 4, 4]
    assert origin.line_of("input_param.shape[1].dim[0]") == 5
    assert source.indices == [None, 0]
    assert source.origins[1].line_of("name") == 5


def test_input_shape_wins_over_input_dim():
    source = parse_net('input: "a" input_dim: [1,2,3,4]\ninput_shape {\n dim: 7 dim: 8 }')
    assert list(source.param.layer[0].input_param.shape[0].dim) == [7, 8]
    assert source.origins[0].line_of("input_param.shape[0].dim[1]") == 3
    assert source.origins[0].line_of("input_param.shape[0]") == 2


def test_inputs_without_shapes_are_dropped():
    source = parse_net('input: "a" input: "b" layer { name: "l" }')
    assert source.param == net('layer { name: "l" }')
    text = "input names a, b, but there is no input_shape: inputs without shapes are dropped"
    assert ("WARNING", text) in source.notes


def test_an_input_that_is_no_text_is_dropped_too():
    # Field 3, "input", of one byte that is no UTF-8.
    source = upgrade_net(caffe_pb2.NetParameter.FromString(b"\x1a\x01\xff"))
    assert source.param == caffe_pb2.NetParameter()
    assert any("input names \\xff, but" in text for _, text in source.notes)


def test_shapes_without_inputs_stay():
    text = "input_dim: 1 input_shape { dim: 2 } layer { name: 'l' }"
    source = parse_net(text)
    assert source.param == net(text) and not source.upgraded


@pytest.mark.parametrize(
    "text, error",
    [
        (
            'input: "a" input: "b"\ninput_dim: [1,2,3,4]',
            "net:2: input_dim has 4 entries for 2 input fields, must have 8",
        ),
        ('input: "a" input: "b" input_shape {}', "net:1: input_shape has 1 entries for 2 input fields, must have 2"),
        ('input: "a"\ninput_dim: 1', "net:2: input_dim has 1 entries for 1 input fields, must have 4"),
    ],
)
def test_too_few_shapes(text, error):
    with pytest.raises(ParamError) as caught:
        parse_net(text, "net")
    assert str(caught.value) == error


def test_too_many_shapes_are_dropped_aloud():
    source = parse_net('input: "a" input_dim: [1,2,3,4,5]')
    assert [list(shape.dim) for shape in source.param.layer[0].input_param.shape] == [[1, 2, 3, 4]]
    assert ("WARNING", "input_dim has 5 entries for 1 input fields; those after 4 are dropped") in source.notes


def test_batch_norm():
    three = "param { lr_mult: 3 name: 'm' } param { decay_mult: 2 } param {}"
    source = parse_net(
        f'layer {{ type: "BatchNorm" {three} }} layer {{ type: "Scale" {three} }} '
        'layer { type: "BatchNorm" param { lr_mult: 1 } }'
    )
    frozen = "param { lr_mult: 0 decay_mult: 0 name: 'm' }" + "param { lr_mult: 0 decay_mult: 0 }" * 2
    assert source.param == net(
        f'layer {{ type: "BatchNorm" {frozen} }} layer {{ type: "Scale" {three} }} '
        'layer { type: "BatchNorm" param { lr_mult: 1 } }'
    )


def test_a_current_net_is_left_alone():
    text = 'name: "n" layer { name: "a" type: "ReLU" bottom: "x" top: "x" }'
    source = parse_net(text, "now.prototxt")
    assert source.param == net(text)
    assert (source.notes, source.upgraded, source.compatible, source.indices) == ([], False, True, [0])
    param = net(text)
    assert upgrade_net(param).param is param


def test_upgrading_a_message_leaves_it_as_it_is():
    old = net(X + 'layers { name: "l" type: RELU bottom: "x" top: "y" }')
    before = caffe_pb2.NetParameter()
    before.CopyFrom(old)
    source = upgrade_net(old, file="old.caffemodel")
    assert old == before
    assert [layer.type for layer in source.param.layer] == ["Input", "ReLU"]
    assert [(origin.file, origin.line) for origin in source.origins] == [("old.caffemodel", 0)] * 2
    assert upgrade_net(source.param).param == source.param


def test_upgrading_takes_origins_along():
    old = net('layers { name: "l" type: RELU blobs_lr: 1 }')
    source = upgrade_net(old, [Origin("f", 5, {"blobs_lr[0]": 6})])
    assert source.origins[0].line_of("param[0].lr_mult") == 6
    assert source.origins[0].line_of("param[0].decay_mult") == 6
    assert source.origins[0].line_of("type") == 5


def test_origins_of_v0_fields():
    source = parse_net(
        'input: "x"\nlayers {\n layer {\n name: "c"\n type: "conv"\n kernelsize: 3\n weight_filler {\n std: 2 }\n'
        ' blobs_lr: 1\n blobs_lr: 2\n cropsize: 3 }\n bottom: "x"\n top: "y"\n}',
        "v0.prototxt",
    )
    origin = source.origins[0]
    lines = {
        "name": 4,
        "type": 5,
        "convolution_param.kernel_size[0]": 6,
        "convolution_param.kernel_size": 6,
        "convolution_param": 6,
        "convolution_param.weight_filler.std": 8,
        "convolution_param.weight_filler.value": 7,
        "param[0].lr_mult": 9,
        "param[1].lr_mult": 10,
        "transform_param.crop_size": 11,
        "bottom[0]": 12,
        "top": 13,
        "pooling_param.stride": 2,
    }
    assert (origin.file, {field: origin.line_of(field) for field in lines}) == ("v0.prototxt", lines)


def test_origins_of_v1_fields():
    source = parse_net(
        'layers {\n type: DATA\n data_param {\n scale: 2\n source: "s" }\n blobs_lr: [1,\n2]\n param: "a"\n}'
    )
    lines = {
        "type": 2,
        "transform_param.scale": 4,
        "data_param.source": 5,
        "data_param.batch_size": 3,
        "param[0].lr_mult": 6,
        "param[1].lr_mult": 7,
        "param[0].name": 8,
    }
    assert {field: source.origins[0].line_of(field) for field in lines} == lines


def test_what_is_logged():
    old = 'layers { layer { name: "d" type: "data" source: "s" } top: "x" }'
    notes = parse_net(old, "old.prototxt").notes
    info = [text for severity, text in notes if severity == "INFO"]
    assert info == [
        "Attempting to upgrade input file specified using deprecated V0LayerParameter: old.prototxt",
        "Successfully upgraded file specified using deprecated V0LayerParameter",
        "Attempting to upgrade input file specified using deprecated V1LayerParameter: old.prototxt",
        "Successfully upgraded file specified using deprecated V1LayerParameter",
    ]
    assert sum(severity == "WARNING" for severity, _ in notes) == 2


def test_a_missing_net(tmp_path):
    with pytest.raises(FileError, match="Could not open file"):
        read_net(tmp_path / "absent.prototxt")


def test_a_net_in_a_file(tmp_path):
    file = tmp_path / "net.prototxt"
    file.write_text('\nlayer { name: "a" }', encoding="utf-8")
    source = read_net(file)
    assert source.param.layer[0].name == "a"
    assert (source.origins[0].file, source.origins[0].line, source.origin.file) == (str(file), 2, str(file))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_mtcnn(models_dir, number):
    """Real files: nets with input and input_dim, and types in strings."""
    source = read_net(models_dir / "mtcnn" / f"det{number}.prototxt")
    assert source.param.layer[0].type == "Input" and not source.param.input
    assert len(source.origins) == len(source.param.layer) > 5
    assert all(origin.line > 0 for origin in source.origins)


@pytest.mark.parametrize("old", [old for old, _ in V0_LAYERS])
def test_a_v0_layer_cut_short_is_refused(old):
    whole = f'layers {{ layer {{ {old} }} bottom: "x" top: "y" }}'
    for end in range(8, len(whole) - 1, 7):
        with pytest.raises(MinicaffeError):
            parse_net(whole[:end])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(messages(caffe_pb2.V1LayerParameter), max_size=3), st.lists(st.sampled_from(["", "a", "x"]), max_size=2)
)
def test_any_old_net_is_upgraded_or_refused(old, inputs):
    try:
        source = upgrade_net(caffe_pb2.NetParameter(layers=old, input=inputs), file="f")
    except MinicaffeError as error:
        assert error.file == "f"
        return
    assert not source.param.layers and not source.param.input
    assert len(source.origins) == len(source.indices) == len(source.param.layer)
    assert source.upgraded == bool(old or inputs)
