"""force_backward over the real layer types: which bottoms are spared, and which nets fail once backward runs."""

import pytest
from net_kit import inputs, layer, make_net

from minicaffe.errors import GraphError

ROWS = inputs("x", shape=(2, 3))
NUMBERS = inputs("t", shape=(2,))
STEPS = inputs("x", shape=(2, 2, 3)) + inputs("t", shape=(2, 2))
OUTPUTS = "recurrent_param { num_output: 2 }"
CELL = inputs("x", shape=(1, 2, 3)) + inputs("g", shape=(1, 2, 12)) + inputs("t", shape=(1, 2))


def forced(below, kind, bottom, more="", top="y"):
    net = make_net("force_backward: true " + below + layer("it", kind, bottom, top, more))
    for name in net.inputs:
        net.blobs[name].data[...] = 1
    net.run_forward()
    return net


# layers.md 1.5: what is not forced.
SPARED = [
    ("SoftmaxWithLoss", ROWS + NUMBERS, "x t", [True, False], ""),
    ("MultinomialLogisticLoss", ROWS + NUMBERS, "x t", [True, False], ""),
    ("HingeLoss", ROWS + NUMBERS, "x t", [True, False], ""),
    ("SigmoidCrossEntropyLoss", ROWS + inputs("t", shape=(2, 3)), "x t", [True, False], ""),
    ("EuclideanLoss", ROWS + inputs("t", shape=(2, 3)), "x t", [True, True], ""),
    ("ContrastiveLoss", ROWS + inputs("z", shape=(2, 3)) + NUMBERS, "x z t", [True, True, False], ""),
    ("LSTM", STEPS, "x t", [True, False], OUTPUTS),
    ("RNN", STEPS, "x t", [True, False], OUTPUTS),
    ("Crop", ROWS + inputs("z", shape=(2, 2)), "x z", [True, True], "crop_param { axis: 1 }"),
]


@pytest.mark.parametrize("kind, below, bottom, expected, more", SPARED, ids=[row[0] for row in SPARED])
def test_bottoms_that_are_spared(kind, below, bottom, expected, more):
    net = forced(below, kind, bottom, more)
    assert net.graph.need.bottom[-1] == expected
    net.run_backward()


def test_the_continuation_of_an_lstm_unit_is_spared():
    net = forced(CELL, "LSTMUnit", "x g t", top="y z")
    assert net.graph.need.bottom[-1] == [True, True, False]
    net.run_backward()


# Those that Caffe does force, and then stops at.
FORCED = [
    ("Accuracy", ROWS + NUMBERS, "x t", ""),
    ("ArgMax", ROWS, "x", ""),
    ("Threshold", ROWS, "x", ""),
    ("Embed", inputs("x", shape=(2,)), "x", "embed_param { input_dim: 3 num_output: 2 }"),
    ("BatchReindex", ROWS + NUMBERS, "x t", ""),
    ("Filter", ROWS + NUMBERS, "x t", ""),
    ("InfogainLoss", ROWS + NUMBERS + inputs("h", shape=(3, 3)), "x t h", ""),
]


@pytest.mark.parametrize("kind, below, bottom, more", FORCED, ids=[row[0] for row in FORCED])
def test_bottoms_that_are_forced_and_have_no_gradient(kind, below, bottom, more):
    net = forced(below, kind, bottom, more)
    with pytest.raises(GraphError) as caught:
        net.run_backward()
    assert f'layer "it" ({kind})' in str(caught.value)
