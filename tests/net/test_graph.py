"""Wiring: in place, tops that are there already, tops nobody named, inputs and outputs."""

import numpy as np
import pytest
from net_kit import inputs, layer, make_net, refused, set_blobs

from minicaffe.errors import GraphError
from minicaffe.net.graph import AUTOMATIC


def test_in_place_is_the_same_blob(rng):
    net = make_net(inputs("x") + layer("p", "TestPower", "x", "y") + layer("r", "ReLU", "y", "y"))
    x = set_blobs(net, rng)["x"]
    assert list(net.blobs) == ["x", "y"] and net.outputs == ["y"]
    assert net.top_names["r"] == net.bottom_names["r"] == ["y"]
    np.testing.assert_allclose(net.forward()["y"], np.maximum(x, 0), rtol=1e-6)


def test_in_place_counts_at_the_same_index_only():
    text = inputs("x", "z") + layer("p", "TestSum", "x z", "z")
    error = refused(
        GraphError, text, "top[0] is 'z': Top blob 'z' produced by multiple sources", "layer 'z' among them"
    )
    assert error.layer == "p" and error.field == "top[0]"


def test_a_type_that_cannot_run_in_place():
    place = "net.prototxt:2: layer \"p\" (TestSum): top[0] is 'x'"
    words = ("layers of type TestSum cannot run in place", "give the top a name of its own")
    refused(GraphError, inputs("x") + layer("p", "TestSum", "x", "x"), place, *words)


def test_a_top_that_is_there_already():
    text = inputs("x", "z") + layer("p", "ReLU", "x", "z")
    refused(GraphError, text, "Top blob 'z' produced by multiple sources", "give this top another name")


def test_one_top_twice_in_a_layer():
    text = inputs("x") + layer("h", "TestHalves", "x", "a a")
    refused(GraphError, text, 'layer "h" (TestHalves): top[1]', "Top blob 'a' produced by multiple sources")


def test_in_place_after_another_reader():
    """The blob is split, so the bottom has another name by then."""
    text = inputs("x") + layer("a", "ReLU", "x", "p") + layer("b", "ReLU", "x", "x")
    words = ("Top blob 'x' produced by multiple sources", "let no other layer read the blob before it does")
    refused(GraphError, text, 'layer "b" (ReLU)', *words)


def test_in_place_before_another_reader():
    net = make_net(inputs("x") + layer("b", "ReLU", "x", "x") + layer("a", "ReLU", "x", "p"))
    assert net.layer_names == ["x", "b", "a"]


@pytest.mark.parametrize("alias", ["Flatten", "Reshape", "Concat", "Slice", "Split"])
def test_in_place_on_memory_that_another_layer_wrote(rng, alias):
    """Backward of the Sigmoid reads what it wrote; in Caffe the layer behind the alias has changed that."""
    shape = "reshape_param { shape { dim: 0 dim: -1 } }" if alias == "Reshape" else ""
    below = "force_backward: true " + inputs("x", shape=(2, 3, 4)) + layer("s", "Sigmoid", "x", "y")
    power = "power_param { power: 3 scale: 3 shift: -1 }"
    gradients = []
    for top in ("b", "a"):
        net = make_net(below + layer("alias", alias, "y", "a", shape) + layer("p", "Power", "a", top, power))
        net.blobs["x"].data[...] = np.linspace(-1, 1, 24).reshape(2, 3, 4)
        net.forward()
        dy = np.linspace(1, 2, 24).reshape(net.blobs[top].shape)
        gradients.append(np.array(net.backward(**{top: dy})["x"]))
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-6)


def test_outputs_are_what_nobody_reads_sorted_as_bytes():
    tops = ["zeta", "alpha", "Beta", "blob10", "blob9", "é"]
    net = make_net(inputs("x") + "".join(layer(top, "ReLU", "x", top) for top in tops))
    assert net.outputs == sorted(tops, key=str.encode) == ["Beta", "alpha", "blob10", "blob9", "zeta", "é"]
    assert [blob.shape for blob in net.output_blobs] == [(2, 3)] * 6


def test_inputs_are_the_tops_of_input_layers_in_order():
    two = layer("two", "Input", "", "b a", "input_param { shape { dim: 2 } }")
    net = make_net(two + inputs("x") + layer("d", "DummyData", "", "d", "dummy_data_param { shape { dim: 2 } }"))
    assert net.inputs == ["b", "a", "x"]
    assert net.outputs == ["a", "b", "d", "x"]


def test_a_net_of_nothing():
    net = make_net("")
    assert (net.run_forward(), net.outputs, net.inputs, list(net.blobs)) == (0, [], [], [])
    net.run_backward()
    net.clear_param_diffs()


# --- tops nobody named ------------------------------------------------------------------------------


def two_losses(top_a="", top_b=""):
    return inputs("x", "t") + layer("a", "TestLabelled", "x t", top_a) + layer("b", "TestEuclidean", "x t", top_b)


def test_a_loss_without_a_top_gets_one(rng):
    net = make_net(inputs("x", "t") + layer("a", "TestLabelled", "x t"))
    x = set_blobs(net, rng)["x"]
    assert net.outputs == [] and net.top_names["a"] == [AUTOMATIC]
    assert net.forward() == {}
    assert net.run_forward() == pytest.approx(x.mean())
    assert net.blob_loss_weights[AUTOMATIC] == 1


def test_two_of_them_do_not_get_into_each_others_way(rng):
    net = make_net("force_backward: true " + two_losses())
    values = set_blobs(net, rng)
    mean, squares = values["x"].mean(), ((values["x"] - values["t"]) ** 2).sum() / 4
    assert net.run_forward() == pytest.approx(mean + squares)
    assert net.top_names["a"] == net.top_names["b"] == [AUTOMATIC]
    assert net._blob_names.count(AUTOMATIC) == 2 and len(net._blobs) == len(net._blob_names)
    assert net._top_ids(4) != net._top_ids(5)
    assert float(net._blobs[net._top_ids(net.layer_names.index("a"))[0]].data) == pytest.approx(mean)
    # By name, the last of them.
    assert float(net.blobs[AUTOMATIC].data) == pytest.approx(squares)
    assert list(net.blobs).count(AUTOMATIC) == 1
    assert [float(v) for k, v in net.forward(end="b").items()] == [pytest.approx(squares)]
    net.run_backward()
    expected = 1 / 6 + (values["x"] - values["t"]) / 2
    np.testing.assert_allclose(net.blobs["x"].diff, expected, rtol=1e-5)


def test_only_losses_get_them():
    error = refused(GraphError, inputs("x") + layer("p", "TestSum", "x"), "TestSum Layer produces 1 top blob(s)")
    assert error.layer == "p"


def test_nobody_can_read_them():
    text = inputs("x", "t") + layer("a", "TestLabelled", "x t") + layer("r", "ReLU", AUTOMATIC, "y")
    refused(GraphError, text, "Unknown bottom blob '(automatic)'")


# --- memory order -------------------------------------------------------------------------------------


def orders(net):
    return {name: net.graph.blobs[net._blob_names.index(name)].order for name in net.blobs}


def test_what_user_code_touches_lies_in_c_order():
    big = inputs("x", "z", shape=(32, 2, 4, 5))
    text = big + layer("a", "ReLU", "x", "y") + layer("u", "TestUserCode", "y", "v") + layer("w", "ReLU", "z", "w")
    found = orders(make_net(text))
    assert {name for name, order in found.items() if order == "C"} == {"y", "v"}


def test_what_shares_memory_with_it_does_too():
    """The Split's bottom and its other tops are the same memory."""
    text = inputs("x", shape=(32, 2, 4, 5)) + layer("a", "ReLU", "x", "y") + layer("b", "ReLU", "x", "z")
    assert set(orders(make_net(text)).values()) != {"C"}
    text = inputs("x", shape=(32, 2, 4, 5)) + layer("a", "ReLU", "x", "y") + layer("u", "TestUserCode", "x", "z")
    found = orders(make_net(text))
    assert {name for name, order in found.items() if order != "C"} == {"y"}
    seen = []
    net = make_net(text)
    net.graph.layers[-1].forward = lambda bottom, top: seen.append(bottom[0].data.flags.c_contiguous)
    net.run_forward()
    assert seen == [True]


def test_splits_of_splits_share_it_as_well():
    text = (
        inputs("x", shape=(32, 2, 4, 5))
        + layer("s1", "Split", "x", "a b")
        + layer("s2", "Split", "b", "c d")
        + layer("u", "TestUserCode", "d", "e")
        + layer("r", "ReLU", "a", "f")
    )
    assert {name for name, order in orders(make_net(text)).items() if order != "C"} == {"f"}


# --- layers in place behind a blob in another shape ---------------------------------------------------

RESHAPED = {
    'type: "Reshape" reshape_param { shape { dim: -1 dim: 5 } }': False,
    'type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }': True,
    'type: "Reshape" reshape_param { shape { dim: -1 } axis: 1 }': True,
    'type: "Reshape" reshape_param { shape { dim: -1 } num_axes: 2 }': False,
    'type: "Flatten"': True,
    'type: "Flatten" flatten_param { axis: 0 end_axis: 1 }': False,
    'type: "Slice"': True,
}


def reshaped(words, in_place=True):
    """x -> y -> z, which is y in another shape, and ReLU in place there; w is read from y afterwards."""
    kind, settings = words.removeprefix('type: "').split('"', 1)
    text = inputs("x", shape=(32, 2, 4, 5)) + layer("p", "TestPower", "x", "y") + layer("z", kind, "y", "z", settings)
    return text + layer("r", "ReLU", "z", "z" if in_place else "v") + layer("w", "TestPower", "y", "w")


@pytest.mark.parametrize("words", RESHAPED)
def test_a_layer_in_place_changes_the_blob_that_it_is_another_shape_of(rng, words):
    """As in Caffe, whatever the batch: without a view of it, y would keep its values with many images alone."""
    net = make_net(reshaped(words))
    net.blobs["x"].data[...] = rng.normal(size=(32, 2, 4, 5))
    net.forward()
    expected = np.maximum(net.blobs["x"].data, 0)
    for name in ("y", "w"):
        np.testing.assert_array_equal(net.blobs[name].data, expected)


@pytest.mark.parametrize("words", RESHAPED)
def test_it_takes_the_batch_off_the_inner_place_only_where_it_must(words):
    is_c = {name: order == "C" for name, order in orders(make_net(reshaped(words))).items()}
    assert is_c["y"] is not RESHAPED[words]
    assert not is_c["x"] and not is_c["w"]
    assert orders(make_net(reshaped(words, in_place=False)))["y"] != "C"


def test_nor_is_there_a_view_where_user_code_reads_the_other_shape(rng):
    text = inputs("x", shape=(32, 2, 4, 5)) + layer("p", "TestPower", "x", "y") + layer("f", "Concat", "y", "z")
    net = make_net(text + layer("r", "ReLU", "z", "z") + layer("u", "TestUserCode", "z", "v"))
    net.blobs["x"].data[...] = rng.normal(size=(32, 2, 4, 5))
    net.forward()
    np.testing.assert_array_equal(net.blobs["y"].data, np.maximum(net.blobs["x"].data, 0))


@pytest.mark.parametrize("kind", ["Flatten", "Reshape", "Split"])
def test_a_layer_that_shares_its_bottom_must_have_one(kind):
    refused(GraphError, layer("f", kind, "", "y"), f"{kind} Layer takes 1 bottom blob(s) as input, it has 0")
