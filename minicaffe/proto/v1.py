"""From V1 to today's layers: `layers` with enum types and per-parameter lists become `layer` with strings and `param`.

As upgrade_proto.cpp: UpgradeNetDataTransformation, UpgradeV1Net.
"""

from __future__ import annotations

from typing import Any

from minicaffe.errors import ParamError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.schema import set_field
from minicaffe.proto.source import NetSource, moved

LayerType = caffe_pb2.V1LayerParameter.LayerType

# Enum -> string.
TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}

# Lists with an entry for each parameter blob -> field of ParamSpec.
PARAM_LISTS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}

# Settings that moved from the data layers' own messages into transform_param.
TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")
DATA_PARAMS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}


def _data_param(layer: Any) -> str | None:
    return DATA_PARAMS.get(LayerType.Name(layer.type))


def transforms_needed(net: Any) -> bool:
    return any(
        getattr(layer, name).HasField(field)
        for layer in net.layers
        if (name := _data_param(layer)) is not None
        for field in TRANSFORMS
    )


def upgrade_transforms(source: NetSource) -> None:
    """Move scale, mean_file, crop_size and mirror of V1 data layers into their transform_param."""
    for index, layer in enumerate(source.param.layers):
        name = _data_param(layer)
        if name is None:
            continue
        data = getattr(layer, name)
        # All data layers get both messages once one of them needs the step, as in Caffe.
        data.SetInParent()
        layer.transform_param.SetInParent()
        moves = {}
        for field in TRANSFORMS:
            if data.HasField(field):
                setattr(layer.transform_param, field, getattr(data, field))
                data.ClearField(field)
                moves[f"{name}.{field}"] = f"transform_param.{field}"
        source.origins[index] = moved(source.origins[index], moves)


def needed(net: Any) -> bool:
    return len(net.layers) > 0


def upgrade(source: NetSource) -> None:
    """Turn every `layers` entry into a `layer`."""
    net = source.param
    if net.layer:
        raise ParamError(
            "the net holds both layers { ... }, the old form, and layer { ... }, the new; "
            'write all of them as layer { type: "..." }',
            file=source.origin.file,
            line=source.origin.line_of("layers[0]"),
        )
    for old in net.layers:
        _upgrade_layer(old, net.layer.add())
    net.ClearField("layers")
    moves = {old: f"param[{{}}].{new}" for old, new in PARAM_LISTS.items()}
    source.origins = [moved(origin, moves) for origin in source.origins]


def _upgrade_layer(old: Any, new: Any) -> None:
    for field, value in old.ListFields():
        if field.name == "type":
            new.type = TYPES[LayerType.Name(value)]
        elif field.name in PARAM_LISTS:
            while len(new.param) < len(value):
                new.param.add()
            for spec, entry in zip(new.param, value, strict=False):  # the longest list decides
                setattr(spec, PARAM_LISTS[field.name], entry)
        else:
            set_field(new, field.name, value)
