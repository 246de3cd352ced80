"""Assembly: what is logged, in which order; phases; names that occur twice; what is refused, with its place."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, refused, set_blobs

from minicaffe.errors import GraphError, ParamError, ShapeError

TRAIN, TEST = 0, 1

SIAMESE = (
    'name: "pair" force_backward: false '
    + inputs("x", shape=(2, 3))
    + inner_product("a", "x", "ya", 4, "param { name: 'w' lr_mult: 0.5 }")
    + layer("r", "ReLU", "ya", "ya")
    + inner_product("b", "x", "yb", 4, "param { name: 'w' }")
    + layer("l", "TestEuclidean", "ya yb")
)


def test_the_lines_of_caffe_in_their_order(logged):
    """Line by line as real Caffe writes them for such a net."""
    make_net(SIAMESE)
    lines = logged()
    start = lines.index("Creating layer x")
    assert lines[0] == "Initializing net from parameters: "
    assert lines[start:] == [
        "Creating layer x",
        "Creating Layer x",
        "x -> x",
        "Setting up x",
        "Top shape: 2 3 (6)",
        "Memory required for data: 24",
        "Creating layer x_x_0_split",
        "Creating Layer x_x_0_split",
        "x_x_0_split <- x",
        "x_x_0_split -> x_x_0_split_0",
        "x_x_0_split -> x_x_0_split_1",
        "Setting up x_x_0_split",
        "Top shape: 2 3 (6)",
        "Top shape: 2 3 (6)",
        "Memory required for data: 72",
        "Creating layer a",
        "Creating Layer a",
        "a <- x_x_0_split_0",
        "a -> ya",
        "Setting up a",
        "Top shape: 2 4 (8)",
        "Memory required for data: 104",
        "Creating layer r",
        "Creating Layer r",
        "r <- ya",
        "r -> ya (in-place)",
        "Setting up r",
        "Top shape: 2 4 (8)",
        "Memory required for data: 136",
        "Creating layer b",
        "Creating Layer b",
        "b <- x_x_0_split_1",
        "b -> yb",
        "Setting up b",
        "Top shape: 2 4 (8)",
        "Memory required for data: 168",
        "Sharing parameters 'w' owned by layer 'a', param index 0",
        "Creating layer l",
        "Creating Layer l",
        "l <- ya",
        "l <- yb",
        "l -> (automatic)",
        "Setting up l",
        "Top shape: (1)",
        "    with loss weight 1",
        "Memory required for data: 172",
        "l needs backward computation.",
        "b needs backward computation.",
        "r needs backward computation.",
        "a needs backward computation.",
        "x_x_0_split does not need backward computation.",
        "x does not need backward computation.",
        "Network initialization done.",
    ]


def test_outputs_are_listed_sorted(logged):
    make_net(inputs("x") + layer("p", "TestHalves", "x", "z a"))
    assert [line for line in logged() if line.startswith("This")] == [
        "This network produces output a",
        "This network produces output z",
    ]


def test_double_precision_takes_twice_the_memory(logged):
    make_net(inputs("x"), dtype="float64")
    assert "Memory required for data: 48" in logged()


def test_the_net_is_logged_as_filtered_and_before_the_splits(logged):
    text = 'name: "n" debug_info: true ' + inputs("x") + layer("a", "TestSum", "x x", "y")
    make_net(text + layer("t", "ReLU", "y", "z", "include { phase: TRAIN }"), TEST, level=2, stages=["s"])
    lines = logged()
    shown = lines[lines.index("Initializing net from parameters: ") + 1 : lines.index("Creating layer x")]
    assert shown == [
        'name: "n"',
        "state {",
        "  phase: TEST",
        "  level: 2",
        '  stage: "s"',
        "}",
        "debug_info: true",
        "layer {",
        '  name: "x"',
        '  type: "Input"',
        '  top: "x"',
        "  input_param {",
        "    shape {",
        "      dim: 2",
        "      dim: 3",
        "    }",
        "  }",
        "}",
        "layer {",
        '  name: "a"',
        '  type: "TestSum"',
        '  bottom: "x"',
        '  bottom: "x"',
        '  top: "y"',
        "}",
        "",
    ]


def test_a_layer_has_the_nets_phase_unless_it_says_another():
    text = inputs("x") + layer("a", "ReLU", "x", "y") + layer("b", "ReLU", "y", "z", "phase: TRAIN")
    net = make_net(text, TEST)
    assert [one.phase for one in net.layers] == [TEST, TEST, TRAIN]
    assert [one.layer_param.phase for one in net.graph.layers] == [TEST, TEST, TRAIN]


def test_layers_of_one_name(rng):
    """Allowed; by name, the last is found in dicts, and the first where layers are run or copied into."""
    text = inputs("x") + inner_product("same", "x", "y", 3) + inner_product("same", "y", "z", 2)
    net = make_net(text)
    assert net.layer_names == ["x", "same", "same"] and list(net.layer_dict) == ["x", "same"]
    assert net.layer_dict["same"] is net.layers[2] and net.top_names["same"] == ["z"]
    assert [blob.shape for blob in net.params["same"]] == [(2, 3), (2,)]
    assert len(net.learnable_params) == 4
    x = set_blobs(net, rng)["x"]
    first, second = (np.array(net.layers[i].blobs[0].data) for i in (1, 2))
    np.testing.assert_allclose(net.forward()["z"], x @ first.T @ second.T, rtol=1e-4)
    assert list(net.forward(end="same")) == ["y"]


# --- refusals -------------------------------------------------------------------------------------------


def test_an_unknown_type_lists_the_known_ones():
    text = inputs("x") + 'layer {\n name: "p"\n type: "Convolutoin"\n bottom: "x" top: "y" }'
    words = ('net.prototxt:4: layer "p" (Convolutoin): type is "Convolutoin"', "Unknown layer type: Convolutoin")
    error = refused(ParamError, text, *words, "(known types: AbsVal, ", "did you mean Convolution?")
    assert (error.field, error.line) == ("type", 4)


def test_a_layer_without_a_type():
    refused(ParamError, 'layer { name: "p" }', 'layer "p": type is "": Unknown layer type:')


@pytest.mark.parametrize(
    "line, words",
    [
        (layer("p", "TestPower", "", "y"), "TestPower Layer takes 1 bottom blob(s) as input, it has 0"),
        (layer("p", "TestPower", "x z", "y"), "TestPower Layer takes 1 bottom blob(s) as input, it has 2"),
        (layer("p", "TestPower", "x", ""), "TestPower Layer produces 1 top blob(s) as output, it has 0"),
        (layer("p", "TestPower", "x", "y w"), "TestPower Layer produces 1 top blob(s) as output, it has 2"),
        (layer("p", "TestSum", "", "y"), "TestSum Layer takes at least 1 bottom blob(s) as input, it has 0"),
        (layer("p", "Accuracy", "x z", "a b c"), "Accuracy Layer produces at most 2 top blob(s) as output, it has 3"),
    ],
)
def test_numbers_of_blobs(line, words):
    error = refused(GraphError, inputs("x", "z") + line, "net.prototxt:3: layer", words)
    assert error.layer == "p"


def test_loss_weights_must_be_one_a_top():
    text = inputs("x") + layer("h", "TestHalves", "x", "a b", "loss_weight: 1")
    words = ('net.prototxt:2: layer "h" (TestHalves): loss_weight has 1 entries', "each of the 2 tops")
    assert refused(ParamError, text, *words).field == "loss_weight"


def test_a_fault_in_set_up_names_layer_and_line():
    text = inputs("x") + "\n\n" + layer("ip", "InnerProduct", "x", "y", "inner_product_param { num_output: 0 }")
    refused(ParamError, text, 'net.prototxt:4: layer "ip" (InnerProduct): inner_product_param.num_output is 0')


def test_a_fault_of_a_filler_names_layer_and_line():
    settings = "inner_product_param { num_output: 2\nweight_filler { type: 'gausian' } }"
    text = inputs("x") + layer("ip", "InnerProduct", "x", "y", settings)
    words = ('net.prototxt:3: layer "ip" (InnerProduct): inner_product_param.weight_filler', '"gausian"', "gaussian")
    refused(ParamError, text, *words)


def test_stored_blobs_of_another_number_or_shape():
    stored = "blobs { shape { dim: 2 dim: 2 } data: [1, 2, 3, 4] }"
    text = inputs("x") + inner_product("ip", "x", "y", 2, stored)
    refused(ShapeError, text, 'layer "ip" (InnerProduct): blobs', "holds 1 blobs, this layer has 2")
    text = inputs("x") + inner_product("ip", "x", "y", 2, stored + "blobs { shape { dim: 2 } data: [1, 2] }")
    refused(ShapeError, text, "blobs[0] has shape 2 2 (4), this layer needs 2 3 (6)")


def test_stored_blobs_are_the_first_values():
    stored = "blobs { shape { dim: 1 dim: 3 } data: [1, 2, 3] } blobs { num: 1 channels: 1 height: 1 width: 1 data: 9 }"
    net = make_net(inputs("x") + inner_product("ip", "x", "y", 1, stored))
    assert net.params["ip"][0].data.tolist() == [[1, 2, 3]] and net.params["ip"][1].data.tolist() == [9]
    assert not net.graph.layers[1].layer_param.blobs, "they are kept once"


def test_a_fault_without_a_place_gets_the_layers(monkeypatch):
    """Blob's own errors know no layer."""
    text = inputs("x", shape=(1, 1)) + layer("bad", "TestSum", "x", "y")
    from net_kit import SumLayer

    monkeypatch.setattr(SumLayer, "reshape", lambda self, bottom, top: top[0].reshape(-1))
    refused(ShapeError, text, 'net.prototxt:2: layer "bad" (TestSum): a blob cannot have shape -1')
