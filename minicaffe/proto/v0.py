"""From V0 to V1: the first files kept all settings of all layers side by side, in a `layer` inside each `layers`.

As upgrade_proto.cpp: UpgradeV0PaddingLayers, UpgradeV0Net.
"""

from __future__ import annotations

from typing import Any

from minicaffe.errors import GraphError, Origin
from minicaffe.proto import caffe_pb2
from minicaffe.proto.schema import set_field
from minicaffe.proto.source import NetSource, moved

# V0 type -> name in V1LayerParameter.LayerType. The type `padding` goes into the layer behind it.
TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_SOURCES = {
    "data": "data_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "window_data": "window_data_param",
}


def _weights(name: str) -> dict[str, str]:
    return {"conv": f"convolution_param.{name}", "innerproduct": f"inner_product_param.{name}"}


def _window(name: str) -> dict[str, str]:
    return {"conv": f"convolution_param.{name}[0]", "pool": f"pooling_param.{name}"}


def _any(path: str) -> dict[str, str]:
    return dict.fromkeys(["", *TYPES], path)


# V0 field -> V0 type -> path in V1LayerParameter, [0] where one value becomes a list; "" drops it without a word.
PLACES: dict[str, dict[str, str]] = {
    "name": _any("name"),
    "type": _any("type"),
    "blobs": _any("blobs"),
    "blobs_lr": _any("blobs_lr"),
    "weight_decay": _any("weight_decay"),
    "num_output": _weights("num_output"),
    "biasterm": _weights("bias_term"),
    "weight_filler": _weights("weight_filler"),
    "bias_filler": _weights("bias_filler"),
    "pad": _window("pad"),
    "kernelsize": _window("kernel_size"),
    "stride": _window("stride"),
    "group": {"conv": "convolution_param.group"},
    "pool": {"pool": "pooling_param.pool"},
    "dropout_ratio": {"dropout": "dropout_param.dropout_ratio"},
    "local_size": {"lrn": "lrn_param.local_size"},
    "alpha": {"lrn": "lrn_param.alpha"},
    "beta": {"lrn": "lrn_param.beta"},
    "k": {"lrn": "lrn_param.k"},
    "source": {
        **{kind: f"{param}.source" for kind, param in _SOURCES.items()},
        "infogain_loss": "infogain_loss_param.source",
    },
    "batchsize": {kind: f"{param}.batch_size" for kind, param in _SOURCES.items()},
    "scale": _any("transform_param.scale"),
    "meanfile": _any("transform_param.mean_file"),
    "cropsize": _any("transform_param.crop_size"),
    "mirror": _any("transform_param.mirror"),
    "rand_skip": {"data": "data_param.rand_skip", "images": "image_data_param.rand_skip"},
    "shuffle_images": {"images": "image_data_param.shuffle"},
    "new_height": {"images": "image_data_param.new_height"},
    "new_width": {"images": "image_data_param.new_width"},
    "concat_dim": {"concat": "concat_param.concat_dim"},
    "det_fg_threshold": {"window_data": "window_data_param.fg_threshold"},
    "det_bg_threshold": {"window_data": "window_data_param.bg_threshold"},
    "det_fg_fraction": {"window_data": "window_data_param.fg_fraction"},
    "det_context_pad": {"window_data": "window_data_param.context_pad"},
    "det_crop_mode": {"window_data": "window_data_param.crop_mode"},
    "hdf5_output_param": {"hdf5_output": "hdf5_output_param"},
    "new_num": _any(""),
    "new_channels": _any(""),
}


def needed(net: Any) -> bool:
    return any(layer.HasField("layer") for layer in net.layers)


def upgrade(source: NetSource) -> None:
    """Rebuild the net from V1 layers. Only its name, inputs and force_backward come along."""
    old = source.param
    new = caffe_pb2.NetParameter(input=old.input, input_dim=old.input_dim)
    for field, value in old.ListFields():
        if field.name in ("name", "force_backward"):
            setattr(new, field.name, value)
        elif field.name not in ("input", "input_dim", "layers"):
            source.note("WARNING", f"{field.name} is dropped: nets of V0 layers do not have it")
    origins, indices = [], []
    for index in _fold_padding(source):
        new.layers.add().CopyFrom(_upgrade_layer(old.layers[index], source, source.origins[index]))
        kind = old.layers[index].layer.type
        moves = {f"layer.{name}": places[kind] for name, places in PLACES.items() if places.get(kind)}
        origins.append(moved(source.origins[index], moves))
        indices.append(source.indices[index])
    source.param, source.origins, source.indices = new, origins, indices


def _fold_padding(source: NetSource) -> list[int]:
    """Give the pad of padding layers to those that read them; indices of the layers that are left."""
    layers = source.param.layers
    producer = dict.fromkeys(source.param.input, -1)  # the last to write each blob; -1: the net's input
    for index, layer in enumerate(layers):
        for k, bottom in enumerate(list(layer.bottom)):
            if bottom not in producer:
                raise GraphError(
                    f'is "{bottom}", which no layer before it and no input of the net produces',
                    file=source.origin.file,
                    line=source.origins[index].line_of(f"bottom[{k}]"),
                    layer=layer.layer.name,
                    field=f"bottom[{k}]",
                )
            if producer[bottom] >= 0 and layers[producer[bottom]].layer.type == "padding":
                _take_padding(layer, layers[producer[bottom]], source, source.origins[index])
        producer.update(dict.fromkeys(layer.top, index))
    return [index for index, layer in enumerate(layers) if layer.layer.type != "padding"]


def _take_padding(layer: Any, padding: Any, source: NetSource, origin: Origin) -> None:
    """Let `layer` read the bottom of `padding`, and pad by itself."""
    if layer.layer.type not in ("conv", "pool") or len(layer.bottom) != 1:
        message = "reads a padding layer; only a conv or pool layer with no other bottom can"
        raise source.param_error(message, layer.layer, origin, "bottom[0]")
    if len(padding.bottom) != 1 or len(padding.top) != 1:
        message = f'reads the padding layer "{padding.layer.name}", which must have one bottom and one top'
        raise source.param_error(message, layer.layer, origin, "bottom[0]")
    layer.layer.pad = padding.layer.pad
    layer.bottom[0] = padding.bottom[0]


def _upgrade_layer(layer: Any, source: NetSource, origin: Origin) -> Any:
    """The V1 form of a layer: bottoms, tops, and each V0 setting at its place."""
    old = layer.layer
    if not layer.HasField("layer"):
        message = "has no layer { ... } inside, as others in this net have; write all layers in one form"
        raise source.param_error(message, layer, origin)
    if old.HasField("type") and old.type not in TYPES:
        known = ", ".join(sorted([*TYPES, "padding"]))
        raise source.param_error(
            f"is {old.type}, an unknown type of V0 layers (known: {known})", old, origin, "layer.type"
        )
    for field, _ in layer.ListFields():
        if field.name not in ("bottom", "top", "layer"):
            source.note(
                "WARNING", f'{field.name} of layer "{old.name}" is dropped: it stands outside its layer {{ ... }}'
            )
    new = caffe_pb2.V1LayerParameter(bottom=layer.bottom, top=layer.top)
    for field, value in old.ListFields():
        path = PLACES[field.name].get(old.type)
        if field.name == "type":
            new.type = caffe_pb2.V1LayerParameter.LayerType.Value(TYPES[value])
        elif path:
            _put(new, path, value)
        elif path is None:
            source.note("ERROR", f"Unknown parameter {field.name} for layer type {old.type}: dropped")
            source.compatible = False
    return new


def _put(message: Any, path: str, value: Any) -> None:
    """Set the field at `path`; the values of a repeated one are added to it."""
    *outer, name = path.split(".")
    for part in outer:
        message = getattr(message, part)
    if name.endswith("[0]"):
        getattr(message, name.removesuffix("[0]")).append(value)
    else:
        set_field(message, name, value)
