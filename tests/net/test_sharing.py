"""Shared parameters: one memory, one gradient, one rate; and what does not fit together."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, refused, set_blobs

from minicaffe.errors import ParamError, ShapeError


def pair(first, second, outputs=(4, 4), shapes=((2, 3), (2, 3)), more=""):
    """Two InnerProducts without bias, each with its `param { ... }`."""
    text = more
    for name, param, count, shape in zip("ab", (first, second), outputs, shapes, strict=True):
        settings = f"inner_product_param {{ num_output: {count} bias_term: false weight_filler {{ type: 'xavier' }} }}"
        text += inputs(f"x{name}", shape=shape) + layer(name, "InnerProduct", f"x{name}", f"y{name}", param + settings)
    return text


def test_one_memory(rng):
    net = make_net(pair("param { name: 'w' }", "param { name: 'w' }"))
    a, b = net.params["a"][0], net.params["b"][0]
    assert np.shares_memory(a.data, b.data) and np.shares_memory(a.diff, b.diff)
    assert len(net.learnable_params) == 1 and net.params_lr == [1] and net.params_decay == [1]
    a.data[0, 0] = 77
    assert b.data[0, 0] == 77


def test_the_owners_first_values_stand():
    shared = make_net(pair("param { name: 'w' }", "param { name: 'w' }"))
    alone = make_net(pair("", ""))
    np.testing.assert_array_equal(shared.params["b"][0].data, alone.params["a"][0].data)
    assert not np.array_equal(alone.params["a"][0].data, alone.params["b"][0].data)


def test_the_owners_stored_values_stand():
    """Values inside the layer messages: the sharer's are not used either."""
    stored = "blobs {{ shape {{ dim: 4 dim: 3 }} data: {} }}".format
    values = [[float(i)] * 12 for i in (1, 2)]
    net = make_net(pair(*("param { name: 'w' }" + stored(value) for value in values)))
    assert (net.params["b"][0].data == 1).all()


def test_gradients_add_up(rng):
    net = make_net("force_backward: true " + pair("param { name: 'w' }", "param { name: 'w' }"))
    x = set_blobs(net, rng)
    net.forward()
    dy = {name: rng.normal(size=(2, 4)) for name in ("ya", "yb")}
    net.backward(**dy)
    expected = dy["ya"].T @ x["xa"] + dy["yb"].T @ x["xb"]
    np.testing.assert_allclose(net.params["a"][0].diff, expected, rtol=1e-5)
    net.clear_param_diffs()
    assert not net.params["b"][0].diff.any()


def test_within_one_layer(rng):
    """Both blobs of one layer, of equal count."""
    text = inputs("x", shape=(2, 1)) + inner_product(
        "ip",
        "x",
        "y",
        5,
        more="param { name: 'w' } param { name: 'w' \
        share_mode: PERMISSIVE }",
    )
    net = make_net(text)
    weight, bias = net.params["ip"]
    assert np.shares_memory(weight.data, bias.data) and (weight.shape, bias.shape) == ((5, 1), (5,))


def test_a_chain_of_sharers(rng):
    text = inputs("x", shape=(2, 3)) + "".join(
        inner_product(name, bottom, name, 3, more="param { name: 'w' }")
        for name, bottom in (("a", "x"), ("b", "a"), ("c", "b"))
    )
    net = make_net(text)
    assert len(net.learnable_params) == 1 + 3
    assert np.shares_memory(net.params["a"][0].data, net.params["c"][0].data)


def test_permissive_takes_another_shape_of_the_same_count(rng):
    text = pair("param { name: 'w' }", "param { name: 'w' share_mode: PERMISSIVE }", (6, 4), ((2, 4), (2, 6)))
    net = make_net("force_backward: true " + text)
    a, b = net.params["a"][0], net.params["b"][0]
    assert (a.shape, b.shape) == ((6, 4), (4, 6))
    np.testing.assert_array_equal(a.data.ravel(), b.data.ravel())
    x = set_blobs(net, rng)
    dy = {"ya": rng.normal(size=(2, 6)), "yb": rng.normal(size=(2, 4))}
    net.forward()
    net.backward(**dy)
    expected = (dy["ya"].T @ x["xa"]).ravel() + (dy["yb"].T @ x["xb"]).ravel()
    np.testing.assert_allclose(a.diff.ravel(), expected, rtol=1e-5)


def test_parameters_without_a_name_are_their_own():
    net = make_net(pair("param { lr_mult: 2 }", "param { lr_mult: 3 }"))
    assert net.params_lr == [2, 3] and len(net.learnable_params) == 2
    assert not np.shares_memory(net.params["a"][0].data, net.params["b"][0].data)


# --- factors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ("", "", 1),
        ("{0}: 3", "", 3),
        ("", "{0}: 3", 3),
        ("{0}: 3", "{0}: 3", 3),
        ("{0}: 0", "", 0),
        ("", "{0}: 0", 0),
    ],
)
@pytest.mark.parametrize("factor", ["lr_mult", "decay_mult"])
def test_a_factor_given_once_is_everyones(factor, first, second, expected):
    params = [f"param {{ name: 'w' {text.format(factor)} }}" for text in (first, second)]
    net = make_net(pair(*params))
    found = {"lr_mult": net.params_lr, "decay_mult": net.params_decay}
    assert found.pop(factor) == [expected]
    assert list(found.values()) == [[1]], "the other factor is not touched"


@pytest.mark.parametrize("factor", ["lr_mult", "decay_mult"])
def test_factors_that_differ_are_refused(factor):
    text = pair(f"param {{ name: 'w' {factor}: 1 }}", f"param {{ name: 'w' {factor}: 2 }}")
    error = refused(ParamError, text, f"param[0].{factor} is 2", f"Shared param 'w' has mismatched {factor}")
    assert error.layer == "b" and "It is 1 in layer 'a'" in str(error)


def test_a_third_sharer_is_held_to_the_second():
    text = pair("param { name: 'w' }", "param { name: 'w' lr_mult: 2 }")
    text += inputs("xc") + layer(
        "c", "InnerProduct", "xc", "yc", "inner_product_param { num_output: 4 bias_term: false } \
        param { name: 'w' lr_mult: 3 }"
    )  # fmt: skip
    refused(ParamError, text, 'layer "c"', "has mismatched lr_mult. It is 2")


def test_a_layer_adds_params_of_its_own():
    net = make_net(inputs("x") + layer("bn", "TestScaled", "x", "y"))
    assert (net.params_lr, net.params_decay) == ([0], [0])


# --- refusals -------------------------------------------------------------------------------------------


def test_strict_shapes_must_be_equal():
    text = pair("param { name: 'w' }", "param { name: 'w' }", (6, 4), ((2, 4), (2, 6)))
    words = (
        "param[0].name is 'w': Cannot share param 'w' owned by layer 'a' with layer 'b'; shape mismatch",
        "Owner layer param shape is 6 4 (24); sharing layer expects shape 4 6 (24)",
        "share_mode: PERMISSIVE",
    )
    assert refused(ShapeError, text, *words).layer == "b"


def test_it_is_the_sharers_mode_that_counts():
    text = pair("param { name: 'w' share_mode: PERMISSIVE }", "param { name: 'w' }", (6, 4), ((2, 4), (2, 6)))
    refused(ShapeError, text, "shape mismatch")


def test_permissive_counts_must_be_equal():
    text = pair("param { name: 'w' }", "param { name: 'w' share_mode: PERMISSIVE }", (6, 5), ((2, 4), (2, 6)))
    error = refused(ShapeError, text, "count mismatch", "6 4 (24)", "expects count 5 6 (30)")
    assert "PERMISSIVE" not in str(error), "the advice would not help"


def test_too_many_params():
    text = inputs("x") + inner_product("ip", "x", "y", more="param { } param { }\nparam { lr_mult: 2 }")
    words = ('net.prototxt:3: layer "ip" (InnerProduct): param[2] is one too many', "Too many params specified for")
    error = refused(ParamError, text, *words, "which has 2 parameter blobs")
    assert error.field == "param[2]"


def test_fewer_params_are_fine():
    net = make_net(inputs("x") + inner_product("ip", "x", "y", more="param { lr_mult: 5 }"))
    assert net.params_lr == [5, 1] and net.params_decay == [1, 1]
