"""Where a layer's setting goes by its name, and what is said of one that belongs nowhere."""

import pytest

from minicaffe.proto import caffe_pb2
from minicaffe.proto.printer import format_text
from minicaffe.proto.settings import assign_setting, own_fields, own_message, param_name_dict


def test_messages_of_types():
    names = param_name_dict()
    assert names["ReLU"] == "relu"
    assert names["HDF5Data"] == "hdf5_data"
    assert names["InnerProduct"] == "inner_product"
    assert names["Transformation"] == "transform"
    assert names["SPP"] == "spp"
    assert "Deconvolution" not in names
    fields = {field.name for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields if field.name.endswith("_param")}
    assert {name + "_param" for name in names.values()} == fields
    assert not any(field.endswith("param") for name in names for field in own_fields(name))
    assert own_message("TanH") == "tanh_param"
    assert own_message("Deconvolution") == ""
    assert set(own_fields("Tile")) == {"axis", "tiles"}
    assert own_fields("Deconvolution") == {}


# (type, setting, value, the text on one line)
PLACES = [
    ("Convolution", "kernel_size", 3, "convolution_param { kernel_size: 3 }"),
    ("Convolution", "convolution_param", {"kernel_size": 3}, "convolution_param { kernel_size: 3 }"),
    ("HDF5Data", "source", "list.txt", 'hdf5_data_param { source: "list.txt" }'),
    ("ReLU", "negative_slope", 0, "relu_param { negative_slope: 0 }"),
    ("Convolution", "param", {"lr_mult": 2}, "param { lr_mult: 2 }"),
    ("Data", "transform_param", {"scale": 2}, "transform_param { scale: 2 }"),
    ("Data", "crop_size", 27, "data_param { crop_size: 27 }"),
    ("Deconvolution", "convolution_param", {"stride": 2}, "convolution_param { stride: 2 }"),
    ("SoftmaxWithLoss", "loss_weight", 0.5, "loss_weight: 0.5"),
    ("Data", "include", {"phase": "TEST"}, "include { phase: TEST }"),
    ("Pooling", "phase", 1, "phase: TEST"),
    ("Slice", "propagate_down", [False], "propagate_down: false"),
    ("NoSuchType", "name", "x", 'name: "x"'),
]


@pytest.mark.parametrize("layer_type, name, value, text", PLACES)
def test_places(layer_type, name, value, text):
    layer = caffe_pb2.LayerParameter()
    assign_setting(layer, layer_type, name, value)
    assert " ".join(format_text(layer).split()) == text


CONVOLUTION = "is not a field of convolution_param or LayerParameter"
LAYER = "is not a field of LayerParameter"
WRONG = [
    ("Convolution", "num_outpt", f"num_outpt {CONVOLUTION}; did you mean num_output?"),
    ("Convolution", "loss_wieght", f"loss_wieght {CONVOLUTION}; did you mean loss_weight?"),
    ("Convolution", "negative_slope", f"negative_slope {CONVOLUTION}, but of relu_param, for other types; remove it"),
    ("Convolution", "lr_mult", f"lr_mult {CONVOLUTION}; write param=dict(lr_mult=...)"),
    ("Convolution", "blobs_lr", f"blobs_lr {CONVOLUTION}; write param=[dict(lr_mult=...), ...]"),
    ("Convolution", "weight_decay", f"weight_decay {CONVOLUTION}; write param=[dict(decay_mult=...), ...]"),
    ("Convolution", "qqq", f"qqq {CONVOLUTION}, nor is one like it; remove it"),
    (
        "Data",
        "max_level",
        "max_level is not a field of data_param or LayerParameter; write include=dict(max_level=...)",
    ),
    ("Convolution", "convolution_parm", f"convolution_parm {CONVOLUTION}; did you mean convolution_param?"),
    ("Convolution", "pool_param", f"pool_param {LAYER}; did you mean pooling_param?"),
    ("Deconvolution", "num_output", f"num_output {LAYER}; write convolution_param=dict(num_output=...)"),
    ("Deconvolution", "pad", f"pad {LAYER}; write convolution_param=dict(pad=...)"),
    ("LSTM", "num_output", f"num_output {LAYER}; write recurrent_param=dict(num_output=...)"),
    ("SoftmaxWithLoss", "axis", f"axis {LAYER}; write softmax_param=dict(axis=...)"),
    ("SoftmaxWithLoss", "ignore_lable", f"ignore_lable {LAYER}; did you mean loss_param=dict(ignore_label=...)?"),
    (
        "NoSuchType",
        "kernel_size",
        f"kernel_size {LAYER}; write convolution_param=dict(kernel_size=...) or pooling_param=",
    ),
]


@pytest.mark.parametrize("layer_type, name, text", WRONG)
def test_a_setting_without_a_place_is_told(layer_type, name, text):
    with pytest.raises(AttributeError) as caught:
        assign_setting(caffe_pb2.LayerParameter(), layer_type, name, 1)
    assert str(caught.value).startswith(text)
    assert text.endswith("=") or str(caught.value) == text
