"""Nets with one fault each, every one of another kind: WELL_FORMED with one place changed.

FAULTS: name -> (what to replace, by what, parts of the text of the error). "# more" is where layers may be added. The
fault may show when the net is built, or in its first forward. TRAIN phase.
"""

WELL_FORMED = """\
name: "small"
layer {
  name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param {
    shape { dim: 4 dim: 3 dim: 8 dim: 8 } data_filler { type: "gaussian" std: 1 }
    shape { dim: 4 } data_filler { type: "constant" value: 2 }
  }
}
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 6 kernel_size: 3 stride: 1 pad: 1 weight_filler { type: "xavier" } }
}
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "pool" top: "pool" }
# more
layer {
  name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def added(type, fault, settings="", bottom="pool", top="new"):
    """An entry of FAULTS that adds a layer "new" of this type; fault: what the error says beside that name."""
    blobs = " ".join([f'bottom: "{name}"' for name in bottom.split()] + [f'top: "{name}"' for name in top.split()])
    return "# more", f'layer {{ name: "new" type: "{type}" {blobs} {settings} }}', ['"new"', type, fault]


def python_layer(module, layer, fault):
    return added("Python", fault, f'python_param {{ module: "{module}" layer: "{layer}" }}')


def sharing(outputs):
    """A layer whose weights are called w."""
    return (
        f'layer {{ name: "sharing{outputs}" type: "InnerProduct" bottom: "pool" top: "sharing{outputs}" '
        f'param {{ name: "w" }} inner_product_param {{ num_output: {outputs} }} }} '
    )


POOLING = "pool: MAX kernel_size: 2 stride: 2"
CONVOLUTION = "kernel_size: 3 stride: 1 pad: 1"
LOSS_BOTTOMS = 'bottom: "ip" bottom: "label"'

FAULTS = {
    # The text is no prototxt of a net.
    "brace never closed": ('top: "loss" }', 'top: "loss"', ["net.prototxt:21", "begins in line 20 and does not end"]),
    "brace too many": ("# more", "}", ["net.prototxt:15", "} does not belong"]),
    "string never closed": ('top: "loss" }', 'top: "loss }', ["net.prototxt:20", "does not end in this line"]),
    "stray sign": ("# more", "@", ["net.prototxt:15", "@"]),
    "value left out": ("num_output: 5", "num_output:", ["net.prototxt:18", "num_output"]),
    "unknown field of the net": ("# more", "batch_sizes: 3", ["net.prototxt:15", "batch_sizes"]),
    "unknown field of a setting": ("num_output: 5", "num_outputs: 5", ["net.prototxt:18", "num_outputs", "num_output"]),
    "text for a number": ("num_output: 5", 'num_output: "five"', ["net.prototxt:18", "num_output", "five"]),
    "number for a text": ('name: "relu"', "name: 7", ["net.prototxt:14", "name", "7"]),
    "unknown enum value": ("pool: MAX", "pool: MEDIAN", ["net.prototxt:13", "pool", "MEDIAN"]),
    "one value twice": ("num_output: 5", "num_output: 5 num_output: 6", ["net.prototxt:18", "num_output"]),
    "fraction for an integer": ("stride: 1 pad", "stride: 1.5 pad", ["net.prototxt:11", "stride", "1.5"]),
    "old and new layers mixed": ("# more", 'layers { name: "old" type: RELU }', ["layers"]),
    "input of three axes": ("# more", 'input: "x" input_dim: 1 input_dim: 2 input_dim: 3', ["input_dim"]),
    # Layers do not fit together.
    "unknown type": ('"Pooling"', '"Poolling"', ["net.prototxt:13", '"pool"', "Poolling", "Pooling"]),
    "no type": ('type: "ReLU"', "", ['"relu"', "type"]),
    "unknown bottom": ('bottom: "conv"', 'bottom: "convolved"', ['"pool"', "convolved"]),
    "bottom made later": ('bottom: "conv"', 'bottom: "ip"', ['"pool"', "'ip'", "order"]),
    "two makers of one blob": added("TanH", "'conv'", top="conv"),
    "too few bottoms": (LOSS_BOTTOMS, 'bottom: "ip"', ['"loss"', "SoftmaxWithLoss", "bottom"]),
    "too many tops": added("TanH", "1 top", top="new newer"),
    "include and exclude": (
        'type: "ReLU"',
        'type: "ReLU" include { phase: TRAIN } exclude { phase: TEST }',
        ['"relu"', "include", "exclude"],
    ),
    "loss weights for other tops": ('top: "ip"', 'top: "ip" loss_weight: 1 loss_weight: 1', ['"ip"', "loss_weight"]),
    "propagate_down of other bottoms": ('top: "ip"', 'top: "ip" propagate_down: true propagate_down: false', ['"ip"']),
    "more params than parameters": ('top: "ip"', 'top: "ip"' + " param { }" * 3, ['"ip"', "param"]),
    "shared parameters of other shapes": ("# more", sharing(2) + sharing(3), ['"sharing3"', "w", "shape"]),
    # Shapes do not fit.
    "window wider than the image": ("kernel_size: 3 stride: 1 pad: 1", "kernel_size: 13", ['"conv"', "kernel", "13"]),
    "sum of unequal shapes": added("Eltwise", "4 6 8 8 (1536)", bottom="pool conv"),
    "concatenation of unequal shapes": added("Concat", "4 6 8 8 (1536)", bottom="pool conv"),
    "reshape to another count": added("Reshape", "384 / 7", "reshape_param { shape { dim: 7 dim: -1 } }"),
    "slices that do not divide": added("Slice", "axis 1, which 4 tops", top="a b c d"),
    "labels of another batch": ("shape { dim: 4 } data", "shape { dim: 3 } data", ['"loss"', "batch"]),
    "crop beyond the edge": added("Crop", "crop_param.offset is 5", "crop_param { axis: 2 offset: 5 }", "conv pool"),
    "scale of another shape": added("Scale", "4 (4)", "scale_param { axis: 1 }", "pool label"),
    "shapes missing": (
        'shape { dim: 4 dim: 3 dim: 8 dim: 8 } data_filler { type: "gaussian" std: 1 }\n    shape { dim: 4 }',
        "",
        ['"data"', "DummyData"],
    ),
    "negative size": ("dim: 4 dim: 3", "dim: 4 dim: -3", ['"data"', "-3"]),
    # Values that mean nothing.
    "no kernel": ("kernel_size: 3 stride: 1", "stride: 1", ['"conv"', "kernel_size"]),
    "kernel of size 0": ("kernel_size: 2 stride: 2", "kernel_size: 0 stride: 2", ['"pool"', "kernel_size", "0"]),
    "stride 0": ("kernel_size: 2 stride: 2", "kernel_size: 2 stride: 0", ['"pool"', "stride", "0"]),
    "kernel given twice over": ("kernel_size: 3 ", "kernel_size: 3 kernel_h: 3 kernel_w: 3 ", ['"conv"', "kernel_h"]),
    "padding as wide as the window": (POOLING, POOLING + " pad: 2", ['"pool"', "pad"]),
    "groups that do not divide": (CONVOLUTION, CONVOLUTION + " group: 2", ['"conv"', "group", "2"]),
    "no outputs": ("num_output: 5", "num_output: 0", ['"ip"', "num_output", "0"]),
    "axis that is not there": ("num_output: 5", "num_output: 5 axis: 9", ['"ip"', "axis", "9"]),
    "ratio above 1": added("Dropout", "dropout_ratio is 1.5", "dropout_param { dropout_ratio: 1.5 }"),
    "even neighbourhood": added("LRN", "local_size is 4", "lrn_param { local_size: 4 }"),
    "negative base": added("Exp", "base is -2", "exp_param { base: -2 }"),
    "unknown filler": ('"xavier"', '"javier"', ["filler", "javier", "xavier"]),
    "filler for other shapes": (
        'num_output: 5 weight_filler { type: "xavier"',
        'num_output: 5 weight_filler { type: "bilinear"',
        ['"ip"', "bilinear"],
    ),
    # Data that cannot be had, or used.
    "no such database": added(
        "Data", "absent_lmdb", 'data_param { source: "absent_lmdb" backend: LMDB batch_size: 1 }', ""
    ),
    "no such list of images": added("ImageData", "absent.txt", 'image_data_param { source: "absent.txt" }', "", "a b"),
    "no such list of HDF5 files": added(
        "HDF5Data", "absent.h5", 'hdf5_data_param { source: "absent.h5" batch_size: 1 }', ""
    ),
    "memory without a size": added("MemoryData", "channels is 0", "memory_data_param { batch_size: 2 }", "", "a b"),
    "label out of range": ("value: 2", "value: 5", ['"loss"', "label", "5"]),
    "index out of range": added("Embed", "holds 2", "embed_param { input_dim: 2 num_output: 3 }", "label"),
    # Somebody else's code.
    "code not agreed to": python_layer("not_agreed_to", "Any", "import not_agreed_to in your program"),
    "class that is not there": python_layer("malformed_nets", "NoSuchLayer", "cannot import name 'NoSuchLayer'"),
    "function for a class": python_layer("malformed_nets", "added", "must be a class that derives"),
}
