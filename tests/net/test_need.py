"""Who runs backward: Caffe's rules one by one, its surprises, and any net against the definition."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from net_kit import inner_product, inputs, layer, make_net, refused, set_blobs

from minicaffe.errors import GraphError, ParamError

LOSS = "TestSumOfSquares"


def needs(net):
    """Names of the layers that run backward, Splits left out."""
    pairs = zip(net.graph.layers, net.graph.need.layer, strict=True)
    return {one.name for one, need in pairs if need and one.type != "Split"}


def bottom_needs(net, name):
    return net.graph.need.bottom[net.layer_names.index(name)]


def ran(net):
    """Names of the layers whose backward is called in a pass."""
    called = []
    for one in net.graph.layers:
        one.run_backward = lambda *_, name=one.name: called.append(name)
    net.run_backward()
    return called


def test_only_what_lies_between_parameters_and_a_loss():
    net = make_net(
        inputs("x")
        + layer("before", "TestPower", "x", "a")
        + inner_product("ip", "a", "b")
        + layer("after", "TestPower", "b", "c")
        + layer("loss", LOSS, "c", "l", "loss_weight: 1")
        + layer("beside", "TestPower", "x", "d")
    )
    assert needs(net) == {"ip", "after", "loss"}
    assert bottom_needs(net, "ip") == [False] and bottom_needs(net, "after") == [True]
    assert ran(net) == ["loss", "after", "ip"]


def test_what_leads_to_no_loss_is_left_out():
    net = make_net(
        inputs("x")
        + inner_product("ip", "x", "a")
        + layer("loss", LOSS, "a", "l", "loss_weight: 1")
        + inner_product("dead", "x", "d")
        + layer("show", "TestPower", "a", "shown")
    )
    assert needs(net) == {"ip", "loss"}
    assert [name for name, need in zip(net.layer_names, net.graph.need.layer, strict=True) if need] == [
        *("ip", "a_ip_0_split", "loss")
    ]


def test_no_loss_no_backward(rng):
    net = make_net(inputs("x") + inner_product("ip", "x", "a"))
    set_blobs(net, rng)
    net.forward()
    net.backward()
    assert needs(net) == set() and not net.params["ip"][0].diff.any()


def test_labels_get_none():
    net = make_net(inputs("x", "t") + inner_product("ip", "x", "a", 3) + layer("l", "TestLabelled", "a t", "l"))
    assert needs(net) == {"ip", "l"} and bottom_needs(net, "l") == [True, False]


def test_a_rate_of_zero_is_no_need(rng):
    text = (
        inputs("x") + inner_product("ip", "x", "a", more="param { lr_mult: 0 } param { lr_mult: 0 decay_mult: 1 }")
        + layer("loss", LOSS, "a", "l", "loss_weight: 1")
    )  # fmt: skip
    net = make_net(text)
    assert needs(net) == set() and net.graph.layers[net.layer_names.index("ip")].param_propagate_down == [False, False]


def test_one_rate_of_zero_leaves_that_gradient_alone(rng):
    text = inputs("x") + inner_product("ip", "x", "a", more="param { lr_mult: 0 }")
    net = make_net(text + layer("loss", LOSS, "a", "l", "loss_weight: 1"))
    set_blobs(net, rng)
    net.forward()
    net.backward()
    weight, bias = net.params["ip"]
    assert net.graph.layers[net.layer_names.index("ip")].param_propagate_down == [False, True]
    assert not weight.diff.any() and bias.diff.any()


def test_a_rate_that_a_layer_takes_off_itself_still_counts():
    """As with BatchNorm: what is asked is the prototxt's message, not the layer's own."""
    text = inputs("x") + layer("bn", "TestScaled", "x", "a") + layer("after", "TestPower", "a", "b")
    net = make_net(text + layer("loss", LOSS, "b", "l", "loss_weight: 1"))
    assert needs(net) == {"bn", "after", "loss"}
    assert net.params_lr == [0] and net.params_decay == [0]


# --- propagate_down -----------------------------------------------------------------------------------


def chain(first="", second=""):
    return (
        inputs("x")
        + inner_product("ip1", "x", "a", more=first)
        + inner_product("ip2", "a", "b", more=second)
        + layer("loss", LOSS, "b", "l", "loss_weight: 1")
    )


def test_propagate_down_true_asks_for_the_gradient_of_data(rng):
    net = make_net(chain("propagate_down: true"))
    set_blobs(net, rng)
    net.forward()
    net.backward()
    assert bottom_needs(net, "ip1") == [True] and net.blobs["x"].diff.any()


def test_propagate_down_true_does_not_make_a_layer_run():
    text = inputs("x") + layer("p", "TestPower", "x", "a", "propagate_down: true")
    net = make_net(text + layer("loss", LOSS, "a", "l", "loss_weight: 1"))
    assert bottom_needs(net, "p") == [True] and needs(net) == set()


def test_propagate_down_false_cuts_off_what_lies_below(rng):
    net = make_net(chain(second="propagate_down: false"))
    assert needs(net) == {"ip2", "loss"}
    set_blobs(net, rng)
    net.forward()
    net.backward()
    assert net.params["ip2"][0].diff.any() and not net.params["ip1"][0].diff.any()


def test_propagate_down_false_does_not_stop_what_follows():
    """The layer's own need comes from the blob, not from the flag."""
    text = (
        inputs("x")
        + inner_product("ip", "x", "a")
        + layer("p", "TestPower", "a", "b", "propagate_down: false")
        + layer("q", "TestPower", "b", "c")
        + layer("loss", LOSS, "c", "l", "loss_weight: 1")
    )
    assert needs(make_net(text)) == {"p", "q", "loss"}


@pytest.mark.parametrize("flags", ["propagate_down: true propagate_down: false", "propagate_down: [1, 0, 1]"])
def test_propagate_down_has_one_entry_a_bottom(flags):
    count = 2 if "true" in flags else 3
    text = inputs("x") + layer("p", "ReLU", "x", "y", flags)
    words = ('net.prototxt:2: layer "p" (ReLU): propagate_down', f"has {count} entries", "each of the 1 bottoms")
    assert refused(ParamError, text, *words).field == "propagate_down"


# --- losses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", [layer("s", "TestSilence", "l"), layer("s", "TestPower", "l", "shown")])
def test_a_default_loss_that_a_dead_branch_reads_is_off(rng, reader):
    """Caffe's trap: the reader wants no gradient, which makes the loss layer itself seem unwanted."""
    below = inputs("x", "t") + inner_product("ip", "x", "a", 3)
    default = layer("l", "TestEuclidean", "a t", "l")
    explicit = layer("l", "TestEuclidean", "a t", "l", "loss_weight: 1")
    assert needs(make_net(below + default + reader)) == set()
    assert needs(make_net(below + explicit + reader)) == {"ip", "l"}
    assert needs(make_net(below + default)) == {"ip", "l"}


def test_that_is_told(logged):
    """Of losses only, and only where there was something to learn."""
    loss, reader = layer("l", "TestEuclidean", "a t", "l"), layer("s", "TestSilence", "l")
    make_net(inputs("x", "t") + inner_product("ip", "x", "a", 3) + loss + reader)
    warnings = [line for line in logged() if "nothing learns" in line]
    assert len(warnings) == 1 and "layer 'l'" in warnings[0] and "write loss_weight: 1" in warnings[0]
    make_net(inputs("x", "t") + layer("ip", "TestPower", "x", "a") + loss + reader)
    make_net(inputs("x") + inner_product("ip", "x", "a", 3) + layer("s", "TestSilence", "a"))
    assert not [line for line in logged() if "nothing learns" in line]


def test_a_weight_of_zero_turns_a_loss_off():
    text = inputs("x", "t") + inner_product("ip", "x", "a", 3)
    net = make_net(text + layer("l", "TestEuclidean", "a t", "l", "loss_weight: 0"))
    assert needs(net) == set() and net.blob_loss_weights["l"] == 0


# --- force_backward -------------------------------------------------------------------------------------


def test_force_backward_asks_everything_of_everyone(rng):
    text = "force_backward: true " + inputs("x", "t") + inner_product("ip", "x", "a", 3, "param { lr_mult: 0 }")
    net = make_net(text + layer("p", "TestPower", "a", "b"))
    assert needs(net) == {"x", "t", "ip", "p"}
    assert net.graph.layers[net.layer_names.index("ip")].param_propagate_down == [True, True]
    set_blobs(net, rng)
    net.forward()
    net.backward(b=np.ones((2, 3)), t=np.zeros((2, 3)))
    np.testing.assert_allclose(net.blobs["x"].diff, np.ones((2, 3)) @ net.params["ip"][0].data, rtol=1e-5)
    assert net.params["ip"][0].diff.any()


def test_force_backward_is_denied_where_there_is_no_gradient():
    text = "force_backward: true " + inputs("x", "t", "u") + layer("l", "TestLabelled", "x t", "l")
    net = make_net(text + layer("e", "TestEuclidean", "x u", "e"))
    assert bottom_needs(net, "l") == [True, False]
    assert bottom_needs(net, "e") == [True, True]


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "TestLabelled"])
def test_force_backward_spares_labels(kind):
    text = "force_backward: true " + inputs("x") + inputs("t", shape=(2,)) + layer("l", kind, "x t", "l")
    net = make_net(text)
    net.run_forward()
    net.run_backward()
    assert bottom_needs(net, "l") == [True, False]


def test_asking_for_the_labels_gradient_is_refused_in_backward():
    text = inputs("x", "t") + layer("l", "TestLabelled", "x t", "l", "propagate_down: [true, true]")
    net = make_net("force_backward: true " + text, file="labels.prototxt")
    net.run_forward()
    with pytest.raises(GraphError) as caught:
        net.run_backward()
    assert 'labels.prototxt:3: layer "l" (TestLabelled): propagate_down' in str(caught.value)
    assert "bottom[1]" in str(caught.value)


def test_an_accuracy_in_a_forced_net_is_refused_in_backward():
    text = "force_backward: true " + inputs("x") + inputs("t", shape=(2,)) + layer("acc", "Accuracy", "x t", "acc")
    net = make_net(text)
    net.run_forward()
    with pytest.raises(GraphError) as caught:
        net.run_backward()
    for word in ('layer "acc" (Accuracy)', "propagate_down", "bottom[0]", "force_backward"):
        assert word in str(caught.value)


def test_the_log_says_who_needs_it_last_to_first(logged):
    make_net(chain(second="propagate_down: false"))
    assert [line for line in logged() if "backward computation" in line] == [
        "loss needs backward computation.",
        "ip2 needs backward computation.",
        "ip1 does not need backward computation.",
        "x does not need backward computation.",
    ]


# --- any net ----------------------------------------------------------------------------------------------


@st.composite
def programs(draw):
    """(name, kind, bottoms, learns) for a few layers; kind is "ip", "sum" or "loss"."""
    layers, blobs = [], ["x"]
    for i in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(["ip", "sum", "sum", "loss"]))
        count = draw(st.integers(1, 3)) if kind == "sum" else 1
        bottoms = [draw(st.sampled_from(blobs)) for _ in range(count)]
        layers.append((f"l{i}", kind, bottoms, kind == "ip" and draw(st.booleans())))
        if kind != "loss":
            blobs.append(f"l{i}")
    return layers


def as_net(program):
    text = inputs("x")
    for name, kind, bottoms, learns in program:
        if kind == "ip":
            frozen = "" if learns else "param { lr_mult: 0 } param { lr_mult: 0 }"
            text += inner_product(name, bottoms[0], name, 3, frozen)
        elif kind == "sum":
            text += layer(name, "TestSum", " ".join(bottoms), name)
        else:
            text += layer(name, LOSS, bottoms[0], name, "loss_weight: 2")
    return make_net(text)


@given(programs())
def test_any_net_by_the_definition(program):
    """A layer runs backward if a loss lies above it, and parameters to be learned in it or below."""
    net = as_net(program)
    learned, above = {"x": False}, {name: kind == "loss" for name, kind, _, _ in program}
    for name, _, bottoms, learns in program:
        learned[name] = learns or any(learned[blob] for blob in bottoms)
    for name, _, bottoms, _ in reversed(program):
        for blob in bottoms:
            above[blob] = above.get(blob, False) or above[name]
    assert needs(net) == {name for name, *_ in program if above[name] and learned[name]}
    for name, _, bottoms, _ in program:
        if above[name] and learned[name]:
            assert bottom_needs(net, name) == [learned[blob] for blob in bottoms]
