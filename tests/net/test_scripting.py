"""Scripting: what pycaffe's scripts call, and what they are told when it does not fit."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, set_blobs

from minicaffe.errors import MinicaffeError


@pytest.fixture
def net():
    """x -> conv-like a -> y -> z, and a second output."""
    return make_net(
        "force_backward: true "
        + inputs("x", shape=(2, 5))
        + inner_product("ip", "x", "y", 4)
        + layer("r", "ReLU", "y", "y")
        + inner_product("out", "y", "z", 3)
        + layer("also", "TestPower", "y", "b", "power_param { scale: 2 }")
    )


# --- what stands where ------------------------------------------------------------------------------------


def test_dicts_are_in_order_of_creation_with_splits(net):
    split = ["y_r_0_split_0", "y_r_0_split_1"]
    assert list(net.blobs) == ["x", "y", *split, "z", "b"]
    assert list(net.layer_dict) == list(net._layer_names) == ["x", "ip", "r", "y_r_0_split", "out", "also"]
    assert list(net.params) == ["ip", "out"]
    assert dict(net.top_names) == {
        "x": ["x"],
        "ip": ["y"],
        "r": ["y"],
        "y_r_0_split": split,
        "out": ["z"],
        "also": ["b"],
    }
    assert dict(net.bottom_names) == {
        "x": [],
        "ip": ["x"],
        "r": ["y"],
        "y_r_0_split": ["y"],
        "out": split[:1],
        "also": split[1:],
    }
    assert net.inputs == ["x"] and net.outputs == ["b", "z"]
    assert [one.type for one in net.layers] == [net.layer_dict[name].type for name in net._layer_names]
    assert dict(net.blob_loss_weights) == dict.fromkeys(net.blobs, 0)


def test_they_are_made_once(net):
    for name in ("blobs", "params", "layer_dict", "top_names", "bottom_names", "blob_loss_weights", "layers"):
        assert getattr(net, name) is getattr(net, name)


def test_any_attribute_may_be_set(net):
    net.my_own = 3
    assert net.my_own == 3


def test_blobs_outlive_their_net(net, rng):
    set_blobs(net, rng)
    net.forward()
    blobs, params, expected = net.blobs, net.params, np.array(net.blobs["z"].data)
    del net
    np.testing.assert_array_equal(blobs["z"].data, expected)
    assert params["ip"][0].data.any()


def test_private_names(net, rng):
    assert net._blob_names == list(net.blobs) and len(net._blobs) == 6
    assert all(blob is net.blobs[name] for name, blob in zip(net._blob_names, net._blobs, strict=True))
    assert (net._inputs, net._outputs) == ([0], [5, 4])
    assert [net._blob_names[i] for i in net._top_ids(3)] == ["y_r_0_split_0", "y_r_0_split_1"]
    assert net._bottom_ids(3) == [1] and net._bottom_ids(0) == []
    assert net._blob_loss_weights == [0] * 6
    set_blobs(net, rng)
    assert net._forward(0, 5) == 0.0
    net.blobs["z"].diff[...] = 1
    net._backward(5, 0)
    assert net.blobs["x"].diff.any()


# --- forward ------------------------------------------------------------------------------------------------


def relu(x):
    return np.maximum(x, 0)


def expected_y(net, x):
    return relu(x @ net.params["ip"][0].data.T)


def test_forward_takes_inputs_and_gives_outputs(net, rng):
    x = rng.normal(size=(2, 5))
    found = net.forward(x=x)
    assert list(found) == ["b", "z"]
    np.testing.assert_allclose(found["b"], 2 * expected_y(net, x), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["z"], expected_y(net, x) @ net.params["out"][0].data.T, rtol=1e-4, atol=1e-6)


def test_what_comes_back_are_views(net, rng):
    z = net.forward(x=rng.normal(size=(2, 5)))["z"]
    before = z.copy()
    net.forward(x=rng.normal(size=(2, 5)))
    assert not np.array_equal(z, before) and np.shares_memory(z, net.blobs["z"].data)


def test_forward_without_inputs_uses_what_is_there(net, rng):
    x = set_blobs(net, rng)["x"]
    np.testing.assert_allclose(net.forward()["b"], 2 * expected_y(net, x), rtol=1e-4, atol=1e-6)


def test_forward_gives_further_blobs(net, rng):
    assert list(net.forward(["y", "x"])) == ["b", "z", "y", "x"]
    assert list(net.forward(blobs=("z",))) == ["b", "z"]


def test_forward_broadcasts_as_numpy_does(net):
    net.forward(x=np.full((2, 1), 3))
    assert (net.blobs["x"].data == 3).all()
    with pytest.raises(ValueError, match=r"^Input 'x' does not fit the blob of shape \(2, 5\): .*broadcast"):
        net.forward(x=np.zeros((2, 4)))


def test_forward_over_a_part(net, rng):
    x = set_blobs(net, rng)["x"]
    assert list(net.forward(end="ip")) == ["y"]
    np.testing.assert_allclose(net.blobs["y"].data, x @ net.params["ip"][0].data.T, rtol=1e-4, atol=1e-6)
    assert not net.blobs["z"].data.any()
    y = rng.normal(size=(2, 4))
    net.blobs["y"].data[...] = y
    found = net.forward(start="y_r_0_split", blobs=["y"])
    assert list(found) == ["b", "z", "y"]
    np.testing.assert_allclose(found["b"], 2 * y, rtol=1e-6)
    assert list(net.forward(start="out", end="out")) == ["z"]


@pytest.mark.parametrize(
    "call, kind, words",
    [
        ({"start": "nosuch"}, ValueError, "'nosuch' is not in the list of layers: x, ip, r, y_r_0_split, out, also"),
        ({"end": "z"}, ValueError, "'z' is not in the list"),
        ({"start": "out", "end": "ip"}, MinicaffeError, "cannot run layers 4 to 1"),
        ({"blobs": ["nosuch"]}, KeyError, "Unknown blob name nosuch; this net has: x, y,"),
        ({"nosuch": np.zeros(2)}, MinicaffeError, "Input blob arguments do not match net inputs. Given: nosuch; the"),
        ({"x": np.zeros((3, 5))}, MinicaffeError, "Input is not batch sized: 'x' has shape (3, 5), the blob (2, 5)"),
        ({"x": np.zeros(())}, MinicaffeError, "Input is not batch sized: 'x' has shape (), the blob (2, 5)"),
    ],
)
def test_what_forward_refuses(net, rng, call, kind, words):
    set_blobs(net, rng)
    with pytest.raises(kind) as caught:
        net.forward(**call)
    assert words in str(caught.value)
    assert not net.blobs["z"].data.any(), "nothing has run"


def test_all_inputs_or_none():
    net = make_net(inputs("x", "t") + layer("p", "TestSum", "x t", "y"))
    with pytest.raises(MinicaffeError, match=r"Given: x; the net has: x, t"):
        net.forward(x=np.zeros((2, 3)))


def test_nothing_is_written_unless_all_fits():
    net = make_net(inputs("x", "t") + layer("p", "TestSum", "x t", "y"))
    with pytest.raises(MinicaffeError):
        net.forward(x=np.ones((2, 3)), t=np.ones((5, 3)))
    assert not net.blobs["x"].data.any()


def test_a_net_without_inputs_takes_none():
    net = make_net(layer("d", "DummyData", "", "y", "dummy_data_param { shape { dim: 2 } }"))
    with pytest.raises(MinicaffeError, match="the net has: none"):
        net.forward(y=np.zeros(2))


def test_a_scalar_input():
    net = make_net(layer("x", "Input", "", "x", "input_param { shape { } }") + layer("p", "TestPower", "x", "y"))
    found = net.forward(x=5)["y"]
    assert found.shape == () and found == 5


# --- backward -----------------------------------------------------------------------------------------------


def test_backward_takes_gradients_of_outputs_and_gives_those_of_inputs(net, rng):
    x, dz, db = rng.normal(size=(2, 5)), rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    net.forward(x=x)
    found = net.backward(z=dz, b=db)
    assert list(found) == ["x"]
    dy = (dz @ net.params["out"][0].data + 2 * db) * (expected_y(net, x) > 0)
    np.testing.assert_allclose(found["x"], dy @ net.params["ip"][0].data, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(net.params["ip"][0].diff, dy.T @ x, rtol=1e-4, atol=1e-5)
    assert np.shares_memory(found["x"], net.blobs["x"].diff)


def test_backward_over_a_part(net, rng):
    net.forward(x=rng.normal(size=(2, 5)))
    dz = rng.normal(size=(2, 3))
    net.blobs["z"].diff[...] = dz
    found = net.backward(start="out", end="out", diffs=["z"])
    assert list(found) == ["y_r_0_split_0", "z"]
    np.testing.assert_allclose(found["y_r_0_split_0"], dz @ net.params["out"][0].data, rtol=1e-4)
    assert not net.blobs["y"].diff.any() and not net.blobs["x"].diff.any()
    assert list(net.backward(start="r")) == ["x"]


@pytest.mark.parametrize(
    "call, kind, words",
    [
        ({"start": "nosuch"}, ValueError, "'nosuch' is not in the list of layers"),
        ({"diffs": ["nosuch"]}, KeyError, "Unknown blob name nosuch"),
        ({"start": "ip", "end": "out"}, MinicaffeError, "cannot run layers 4 to 1"),
        ({"x": np.zeros((2, 5))}, MinicaffeError, "Top diff arguments do not match net outputs. Given: x; the net has"),
        (
            {"z": np.zeros((2, 3)), "b": np.zeros((1, 4))},
            MinicaffeError,
            "Diff is not batch sized: 'b' has shape (1, 4)",
        ),
    ],
)
def test_what_backward_refuses(net, rng, call, kind, words):
    net.forward(x=rng.normal(size=(2, 5)))
    with pytest.raises(kind) as caught:
        net.backward(**call)
    assert words in str(caught.value)
    assert not net.params["ip"][0].diff.any(), "nothing has run"


def test_the_gradient_of_a_scalar_output():
    net = make_net("force_backward: true " + inputs("x") + layer("s", "TestSumOfSquares", "x", "s"))
    net.forward(x=np.ones((2, 3)))
    np.testing.assert_array_equal(net.backward(s=3)["x"], np.full((2, 3), 6))


# --- hooks --------------------------------------------------------------------------------------------------


def test_hooks_run_around_every_layer_needed_or_not(rng):
    net = make_net(inputs("x") + inner_product("ip", "x", "y", 3) + layer("p", "TestPower", "y", "z"))
    called = []
    for event in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, event)(lambda i, event=event: called.append((event, i)))
    net.forward()
    assert called == [(f"{when}_forward", i) for i in range(3) for when in ("before", "after")]
    called.clear()
    net.backward()
    assert called == [(f"{when}_backward", i) for i in (2, 1, 0) for when in ("before", "after")]
    called.clear()
    net.forward(start="ip", end="ip")
    assert called == [("before_forward", 1), ("after_forward", 1)]


def test_hooks_add_up_and_their_errors_come_through(net):
    called = []
    net.before_forward(lambda i: called.append(("one", i)))
    net.before_forward(lambda i: called.append(("two", i)))
    net.forward(end="x")
    assert called == [("one", 0), ("two", 0)]

    def fail(i):
        raise LookupError(f"at {i}")

    net.after_forward(fail)
    with pytest.raises(LookupError, match="at 0"):
        net.forward()


def test_a_hook_may_change_what_follows(net, rng):
    set_blobs(net, rng)
    index = net.layer_names.index("ip")
    net.after_forward(lambda i: i == index and net.blobs["y"].data.fill(1))
    assert (net.forward()["b"] == 2).all()
