"""Net: how it is constructed, how it runs, what it keeps between runs."""

import threading

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, set_blobs

import minicaffe
from minicaffe.errors import FileError, FormatError, MinicaffeError, ParamError, ShapeError
from minicaffe.net.net import Net

TRAIN, TEST = 0, 1

RULES = inputs("x") + "".join(
    layer(name, "ReLU", "x", name, f"include {{ {rule} }}")
    for name, rule in {
        "train": "phase: TRAIN",
        "test": "phase: TEST",
        "low": "max_level: 0",
        "high": "min_level: 1",
        "own": "stage: 'own'",
        "given": "stage: 'given'",
        "neither": "not_stage: 'own' not_stage: 'given'",
    }.items()
)


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""

    def write(text, name="net.prototxt"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def ones(net):
    """The layers that are not Splits or inputs."""
    return [one.name for one in net.layers if one.type == "ReLU"]


# --- construction ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "own, arguments, expected",
    [
        ("", (TRAIN,), ["train", "low", "neither"]),
        ("", (TEST,), ["test", "low", "neither"]),
        ("state { phase: TEST }", (TRAIN,), ["train", "low", "neither"]),
        ("state { level: 3 }", (TRAIN,), ["train", "low", "neither"]),
        ("", (TRAIN, 1), ["train", "high", "neither"]),
        ("state { stage: 'own' }", (TRAIN, 0, ["given"]), ["train", "low", "own", "given"]),
        ("", (TRAIN, 0, ["given", "more"]), ["train", "low", "given"]),
        ("", (TEST, 5, []), ["test", "high", "neither"]),
    ],
)
def test_the_state_of_a_net(write, own, arguments, expected):
    """The phase and level of the call stand, whatever the file says; stages add up."""
    assert ones(Net(write(own + RULES), *arguments)) == expected


def test_keywords(write):
    net = Net(network_file=write(RULES), phase=TEST, level=1, stages=["own"])
    assert ones(net) == ["test", "high", "own"] and net.phase == TEST
    assert minicaffe.Net is Net and (minicaffe.TRAIN, minicaffe.TEST) == (TRAIN, TEST)


@pytest.mark.parametrize("keyword", [True, False])
def test_weights_at_construction(write, tmp_path, keyword, logged):
    path, saved = write(inputs("x") + inner_product("ip", "x", "y")), tmp_path / "w.caffemodel"
    trained = Net(path, TRAIN)
    trained.save(saved)
    logged()
    net = Net(path, TEST, weights=saved) if keyword else Net(path, str(saved), TEST)
    np.testing.assert_array_equal(net.params["ip"][0].data, trained.params["ip"][0].data)
    assert net.phase == TEST
    words = "DEPRECATION WARNING - deprecated use of Python interface"
    lines = [words, 'Use this instead (with the named "weights" parameter):', f"Net('{path}', 1, weights='{saved}')"]
    assert logged()[: 0 if keyword else 3] == ([] if keyword else lines)


def test_the_older_form_takes_paths(write, tmp_path):
    path, saved = write(inputs("x") + inner_product("ip", "x", "y")), tmp_path / "w.caffemodel"
    Net(path, TRAIN).save(saved)
    assert Net(path, saved, TEST).phase == TEST


@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ((), TypeError, "phase"),
        (("w.caffemodel",), TypeError, "'w.caffemodel') has no phase: write Net("),
        (("w.caffemodel", TEST, 1), TypeError, "has more than a phase behind the weights"),
        ((TEST, None), TypeError, "level must be an integer, not None"),
        ((TEST, 0, ["deploy", 1]), TypeError, "a list of names, and 1 is none"),
        ((None,), TypeError, "phase must be TRAIN (0) or TEST (1), not None"),
        ((1.0,), TypeError, "not 1.0"),
        ((2,), ParamError, "phase is 2, must be TRAIN (0) or TEST (1)"),
        ((TEST, 0, "deploy"), TypeError, "['deploy']"),
    ],
)
def test_wrong_arguments(write, arguments, kind, words):
    with pytest.raises(kind) as caught:
        Net(write(RULES), *arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_only_two_precisions(write, dtype):
    with pytest.raises(ParamError) as caught:
        Net(write(RULES), TEST, dtype=dtype)
    assert f"dtype is {dtype}, must be float32, or float64" in str(caught.value)


def test_numpy_numbers_are_numbers(write):
    assert Net(write(RULES), np.int64(1)).phase == TEST


def test_a_missing_file(tmp_path):
    path = str(tmp_path / "none.prototxt")
    for kind in (FileError, RuntimeError, OSError):
        with pytest.raises(kind) as caught:
            Net(path, TEST)
        assert path in str(caught.value) and "open" in str(caught.value).lower()


def test_a_fault_in_a_file_is_told_with_its_line(write):
    path = write(inputs("x") + "\n" + layer("ip", "InnerProduct", "x", "y", "inner_product_param { num_output: 0 }"))
    with pytest.raises(ParamError) as caught:
        Net(path, TEST)
    assert str(caught.value).startswith(f'{path}:3: layer "ip" (InnerProduct): inner_product_param.num_output is 0')


def test_missing_weights(write, tmp_path):
    path = tmp_path / "none.caffemodel"
    for arguments in ((TEST, 0, None, path), (path, TEST)):
        with pytest.raises(FileError, match=f"^Could not open file {path}: no such file or directory; check the path$"):
            Net(write(RULES), *arguments)


def test_a_seed_repeats_a_net(write):
    path = write(inputs("x") + inner_product("ip", "x", "y"))
    drawn = []
    for seed in (7, 7, 8):
        minicaffe.set_random_seed(seed)
        drawn.append([np.array(Net(path, TRAIN).params["ip"][0].data) for _ in range(2)])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2]) and not np.array_equal(*drawn[0])


# --- running ----------------------------------------------------------------------------------------------


def three():
    return make_net(
        "force_backward: true "
        + inputs("x")
        + inner_product("a", "x", "y", 3)
        + layer("p", "TestPower", "y", "z", "power_param { power: 2 scale: 0.5 shift: 1 } loss_weight: 2")
        + layer("s", "TestSumOfSquares", "z", "s", "loss_weight: 0.5")
    )


def test_the_loss_is_the_sum_of_weighted_tops(rng):
    net = three()
    set_blobs(net, rng)
    loss = net.run_forward()
    z = net.blobs["z"].data.astype(float)
    assert loss == pytest.approx(2 * z.sum() + 0.5 * (z**2).sum(), rel=1e-5)
    assert isinstance(loss, float) and net._forward(0, 4) == loss


def test_every_element_of_a_weighted_top_is_a_seed(rng):
    net = make_net("force_backward: true " + inputs("x") + layer("p", "TestPower", "x", "y", "loss_weight: 0.25"))
    assert (net.blobs["y"].diff == 0.25).all(), "from the start"
    set_blobs(net, rng)
    assert net.run_forward() == pytest.approx(0.25 * net.blobs["x"].data.sum(), rel=1e-5)
    net.run_backward()
    assert (net.blobs["x"].diff == 0.25).all()


def test_of_two_weights_of_one_blob_the_later_one_is_both_layers(rng):
    """As in Caffe: the layer in place fills the diff again, from which both take their weight."""
    below = inputs("x", "t") + layer("l", "TestLabelled", "x t", "l")
    weighted = layer("p", "TestPower", "l", "l", "power_param { scale: 2 } loss_weight: 3")
    net = make_net("force_backward: true " + below + weighted)
    mean = set_blobs(net, rng)["x"].mean()
    assert (net.blobs["l"].diff, net.blob_loss_weights["l"]) == (3, 3)
    assert net.run_forward() == pytest.approx(3 * mean + 3 * 2 * mean, rel=1e-5)
    unweighted = layer("p", "TestPower", "l", "l", "power_param { scale: 2 }")
    net = make_net("force_backward: true " + below + unweighted)
    assert (net.blobs["l"].diff, net.blob_loss_weights["l"]) == (1, 0)


def test_a_script_may_scale_a_loss_through_its_diff(rng):
    net = make_net("force_backward: true " + inputs("x") + layer("p", "TestPower", "x", "y", "loss_weight: 1"))
    set_blobs(net, rng)
    net.blobs["y"].diff[...] = 10
    for _ in range(2):
        assert net.run_forward() == pytest.approx(10 * net.blobs["x"].data.sum(), rel=1e-5)


def test_a_loss_that_outgrows_its_memory_keeps_its_weight(rng):
    net = make_net("force_backward: true " + inputs("x") + layer("p", "TestPower", "x", "y", "loss_weight: 3"))
    for rows in (1, 2, 7, 4, 9):
        net.blobs["x"].reshape(rows, 3)
        net.blobs["x"].data[...] = 1
        assert net.run_forward() == 3 * rows * 3
        net.run_backward()
        assert (net.blobs["x"].diff == 3).all() and net.blobs["x"].diff.shape == (rows, 3)


def test_a_part_of_the_layers(rng):
    net = three()
    set_blobs(net, rng)
    full = net.run_forward()
    z = net.blobs["z"].data.astype(float)
    assert net.run_forward(0, 1) == 0
    assert net.run_forward(0, 2) + net.run_forward(3) == pytest.approx(full, rel=1e-6)
    assert net.run_forward(4, 4) == pytest.approx(0.5 * (z**2).sum(), rel=1e-5)
    assert net.run_forward(3, 2) == 0, "an empty part"
    net.run_backward(4, 4)
    assert net.blobs["z_p_0_split_1"].diff.any() and not net.blobs["y"].diff.any()
    net.run_backward(3, 2)
    assert net.blobs["y"].diff.any() and not net.blobs["x"].diff.any()


@pytest.mark.parametrize("span", [(-1, 2), (0, 5), (4, 2), (5, 5), (6, 6)])
def test_parts_that_are_none(span):
    net = three()
    for run in (net.run_forward, lambda first, last: net.run_backward(last, first)):
        with pytest.raises(ParamError) as caught:
            run(*span)
        words = f"cannot run layers {span[0]} to {span[1]}: this net has layers 0 to 4"
        assert words in str(caught.value)


def test_gradients_of_blobs_are_overwritten_and_of_parameters_added_to(rng):
    net = three()
    set_blobs(net, rng)
    net.run_forward()
    net.run_backward()
    once = [np.array(array) for array in (net.blobs["x"].diff, net.params["a"][0].diff)]
    net.run_backward()
    np.testing.assert_array_equal(net.blobs["x"].diff, once[0])
    np.testing.assert_allclose(net.params["a"][0].diff, 2 * once[1], rtol=1e-6)


def test_clearing_is_seen_through_an_array_fetched_before(rng):
    net = three()
    early = net.params["a"][0].diff
    set_blobs(net, rng)
    net.run_forward()
    net.run_backward()
    assert early.any()
    net.clear_param_diffs()
    assert not early.any() and net.blobs["x"].diff.any()


def test_shapes_follow_the_input_at_reshape_or_forward(rng):
    net = three()
    net.blobs["x"].reshape(5, 3)
    assert net.blobs["z"].shape == (2, 3)
    net.reshape()
    assert net.blobs["z"].shape == (5, 3) and not net.blobs["z"].data.any()
    net.blobs["x"].reshape(1, 3)
    net.forward()
    assert net.blobs["z"].shape == (1, 3)


def test_a_top_that_a_script_reshaped_gets_its_shape_back(rng):
    net = three()
    x = set_blobs(net, rng)["x"]
    net.forward()
    net.blobs["y"].reshape(7, 2)
    net.forward()
    assert net.blobs["y"].shape == (2, 3)
    expected = x @ net.params["a"][0].data.T
    np.testing.assert_allclose(net.blobs["y"].data, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("run", [Net.run_forward, Net.reshape])
def test_a_shape_that_does_not_fit_any_more_is_told_with_the_layer(run):
    net = make_net(inputs("x") + "\n" + inner_product("ip", "x", "y"))
    net.blobs["x"].reshape(2, 4)
    with pytest.raises(ShapeError) as caught:
        run(net)
    assert str(caught.value).startswith('net.prototxt:3: layer "ip" (InnerProduct)')


def test_an_error_without_a_place_gets_the_layers(monkeypatch):
    net = three()
    for method, run in (("forward", net.run_forward), ("backward", net.run_backward)):

        def fail(*_, method=method):
            raise MinicaffeError(f"{method} is out of order")

        monkeypatch.setattr(net.graph.layers[2], method, fail)
        with pytest.raises(MinicaffeError) as caught:
            run()
        assert str(caught.value).endswith(f'layer "p" (TestPower): {method} is out of order')


def test_an_error_of_the_users_own_stays_as_it_is(monkeypatch):
    net = three()

    class Mine(Exception):
        pass

    def fail(*_):
        raise Mine("as it was")

    monkeypatch.setattr(net.graph.layers[2], "forward", fail)
    with pytest.raises(Mine, match="as it was"):
        net.forward()


@pytest.mark.parametrize("memory_order", ["c", "batch_innermost"])
def test_memory_order_changes_no_number(rng, memory_order):
    text = (
        "force_backward: true "
        + inputs("x", shape=(3, 2, 6, 5))
        + layer("c", "Convolution", "x", "c", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 \
                weight_filler { type: 'xavier' } }")
        + layer("r", "ReLU", "c", "c")
        + layer("p", "Pooling", "c", "p", "pooling_param { kernel_size: 2 stride: 2 }")
        + inner_product("ip", "p", "y", 3)
    )  # fmt: skip
    reference, net = make_net(text, memory_order="c", dtype="float64"), make_net(text, memory_order=memory_order)
    x, dy = rng.normal(size=(3, 2, 6, 5)), rng.normal(size=(3, 3))
    for one in (reference, net):
        for name, blobs in reference.params.items():
            for mine, its in zip(one.params[name], blobs, strict=True):
                mine.data[...] = its.data
        one.forward(x=x)
        one.backward(y=dy)
    for name in reference.blobs:
        np.testing.assert_allclose(net.blobs[name].data, reference.blobs[name].data, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(net.blobs[name].diff, reference.blobs[name].diff, rtol=1e-4, atol=1e-5)
    for name, blobs in reference.params.items():
        for mine, its in zip(net.params[name], blobs, strict=True):
            np.testing.assert_allclose(mine.diff, its.diff, rtol=1e-4, atol=1e-4)


# --- between runs -------------------------------------------------------------------------------------------


def drawing(name, top):
    return layer(
        name, "DummyData", "", top, "dummy_data_param { shape { dim: 3 } data_filler { type: 'uniform' } }"
    )  # fmt: skip


def test_a_state_brings_random_layers_back():
    text = drawing("a", "a") + drawing("b", "b") + inputs("x")
    net = make_net(text)
    net.forward()
    state = net.state()
    expected = {name: np.array(array) for name, array in net.forward().items() if name != "x"}
    assert set(state["layers"]) == {"a", "b"}
    net.forward()
    net.restore(state)
    for name, array in net.forward().items():
        if name != "x":
            np.testing.assert_array_equal(array, expected[name])
    other = make_net(text)
    other.restore({"seed": state["seed"], "layers": {"b": state["layers"]["b"], "gone": {}}})
    found = other.forward()
    np.testing.assert_array_equal(found["b"], expected["b"])
    assert not np.array_equal(found["a"], expected["a"])


def test_states_of_layers_of_one_name_keep_apart():
    net = make_net(drawing("same", "a") + drawing("same", "b") + drawing("same", "c"))
    net.graph.layers[1].restore({"forward_count": 5})
    state = net.state()
    assert state["layers"] == {
        "same": {"forward_count": 0},
        "same#1": {"forward_count": 5},
        "same#2": {"forward_count": 0},
    }
    other = make_net(drawing("same", "a") + drawing("same", "b") + drawing("same", "c"))
    other.restore(state)
    assert other.state() == state


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({}, "cannot go on from the snapshot: what it keeps of net 'net' has no seed, or no layers"),
        ({"seed": -1, "layers": {}}, "has no seed, or no layers; begin a new run with its weights"),
        ({"seed": 1, "layers": []}, "has no seed, or no layers; begin a new run with its weights"),
        (
            {"seed": 5, "layers": {"a": {"forward_count": 5}, "b": {}}},
            'layer "b" (DummyData): cannot go on from the snapshot: it has no forward_count for this layer',
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state, text):
    net = make_net('name: "net"' + drawing("a", "a") + drawing("b", "b"))
    before = net.state()
    with pytest.raises(FormatError) as caught:
        net.restore(state)
    assert text in str(caught.value)
    assert net.state() == before


# --- threads ------------------------------------------------------------------------------------------------

TRAINED = (
    inputs("x", shape=(20, 3, 16, 16))
    + inputs("t", shape=(20,))
    + layer("c", "Convolution", "x", "c", "convolution_param { num_output: 16 kernel_size: 5 \
            weight_filler { type: 'xavier' } }")
    + layer("p", "Pooling", "c", "p", "pooling_param { kernel_size: 2 stride: 2 }")
    + layer("r", "ReLU", "p", "p")
    + inner_product("ip", "p", "y", 10)
    + layer("l", "SoftmaxWithLoss", "y t", "l")
)  # fmt: skip


def train(seed, passes=6):
    """Some steps of gradient descent, and what comes of them."""
    net = make_net(TRAINED, seed=seed)
    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(passes):
        net.blobs["x"].data[...] = rng.normal(size=(20, 3, 16, 16))
        net.blobs["t"].data[...] = rng.integers(10, size=20)
        net.clear_param_diffs()
        losses.append(net.run_forward())
        net.run_backward()
        for blob in net.learnable_params:
            blob.data[...] -= 0.01 * blob.diff
    return losses, [np.array(blob.data) for blob in net.learnable_params]


def test_two_nets_in_two_threads_give_what_they_give_alone():
    alone = [train(seed) for seed in (1, 2)]
    together = [None, None]

    def work(index):
        together[index] = train(index + 1)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-6)
        for expected, found in zip(one[1], other[1], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert alone[0][0] != alone[1][0]
