"""What LSTM and RNN share beyond their rows of the table: static inputs, states, snapshots, blobs of the message."""

import json

import numpy as np
import pytest
from harness import Problem, check_gradient, make_layer, run_layer
from layer_table import TABLE
from net_kit import make_net
from numpy.testing import assert_allclose, assert_array_equal
from rows.recurrent import ragged
from solver_kit import weights, write_solver

from minicaffe import log
from minicaffe.errors import FormatError, ShapeError
from minicaffe.layers.base import TEST
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import parse_text
from minicaffe.solver import Solver

T, N, D, I = 4, 3, 2, 5
STATES = {"LSTM": 2, "RNN": 1}
types = pytest.mark.parametrize("kind", STATES)


def prototxt(kind, more="", size=D):
    filler = 'weight_filler { type: "uniform" min: -1 max: 1 } bias_filler { type: "uniform" min: -1 max: 1 }'
    return f'name: "the_layer" type: "{kind}" recurrent_param {{ num_output: {size} {filler} {more} }}'


def sequences(rng, streams=N, steps=T):
    return rng.normal(size=(steps, streams, I)), ragged(rng, streams)[:steps]


def states(rng, kind, streams=N):
    return [rng.normal(size=(1, streams, D)) for _ in range(STATES[kind])]


def expected(kind, run, bottoms, more=""):
    """The tops by the definition."""
    param = parse_text(prototxt(kind, more), caffe_pb2.LayerParameter).message
    return TABLE[kind].reference(param, bottoms, [blob.data for blob in run.blobs])


# --- bottoms and parameters -----------------------------------------------------------------------


@types
@pytest.mark.parametrize("shape", [(N, 6), (N, 2, 1, 3)])
def test_a_static_input(backend, order, rng, kind, shape):
    bottoms = *sequences(rng), rng.normal(size=shape)
    run = run_layer(prototxt(kind), *bottoms, dtype="float64")
    assert_allclose(run.top[0].data, expected(kind, run, bottoms)[0], rtol=1e-12)
    assert run.blobs[2].shape == (run.blobs[0].shape[0], 6)


@types
@pytest.mark.parametrize("shape", [(N, 6), (N, 2, 1, 3)])
def test_the_gradient_of_a_static_input(order, rng, kind, shape):
    bottoms = *sequences(rng), rng.normal(size=shape)
    check_gradient(prototxt(kind), *bottoms, check=(0, 2))


@types
@pytest.mark.parametrize("static", [False, True])
def test_the_order_of_parameters_is_that_of_files(rng, kind, static):
    bottoms = (*sequences(rng), rng.normal(size=(N, 6)))[: 2 + static]
    gates = {"LSTM": 4, "RNN": 1}[kind] * D
    wanted = [(gates, I), (gates,), *[(gates, 6)] * static, (gates, D)]
    wanted += [(D, D), (D,)] if kind == "RNN" else []
    assert [blob.shape for blob in make_layer(prototxt(kind), *bottoms).blobs] == wanted


@types
def test_a_parameter_is_filled_by_its_own_filler(rng, kind):
    text = f'type: "{kind}" recurrent_param {{ num_output: 2 weight_filler {{ value: 3 }} bias_filler {{ value: 4 }} }}'
    run = make_layer(text, *sequences(rng), rng.normal(size=(N, 6)))
    for blob in run.blobs:
        assert np.all(blob.data == (3 if len(blob.shape) == 2 else 4))


@types
def test_parameters_are_drawn_each_for_itself(rng, kind):
    *_, first, second = [
        blob.data for blob in make_layer(prototxt("RNN"), *sequences(rng)).blobs if len(blob.shape) == 2
    ]
    assert first.shape == second.shape and not np.any(first == second)


# --- states ---------------------------------------------------------------------------------------


@types
@pytest.mark.parametrize("static", [False, True])
def test_exposed_states(backend, order, rng, kind, static):
    """They come last, h before c, and what leaves is what the next pass would begin with."""
    bottoms = *sequences(rng), *[rng.normal(size=(N, 6))] * static, *states(rng, kind)
    more, options = "expose_hidden: true", {"tops": 1 + STATES[kind], "dtype": "float64"}
    run = run_layer(prototxt(kind, more), *bottoms, **options)
    for top, values in zip(run.top, expected(kind, run, bottoms, more), strict=True):
        assert_allclose(top.data, values, rtol=1e-12)
    assert run.layer.state() == {}


@types
def test_exposed_states_have_no_gradient(backend, rng, kind):
    """Neither does one come from those behind the batch, nor does one leave to those before it. As in Caffe."""
    bottoms = *sequences(rng), *states(rng, kind)
    given, found = rng.normal(size=(T, N, D)), []
    for behind in (0, 5):
        run = run_layer(prototxt(kind, "expose_hidden: true"), *bottoms, tops=1 + STATES[kind])
        run.top[0].diff[...] = given
        for blob in run.top[1:]:
            blob.diff[...] = behind
        for blob in run.bottom:
            blob.diff[...] = 7
        run.backward()
        assert all(np.all(blob.diff == 7) for blob in run.bottom[2:])
        found.append([blob.diff.copy() for blob in (run.bottom[0], *run.blobs)])
    for one, other in zip(*found, strict=True):
        assert_array_equal(one, other)


@types
def test_the_gradient_of_the_first_output_with_exposed_states(rng, kind):
    """The states before the batch take part in it, as constants."""
    bottoms = *sequences(rng), *states(rng, kind)
    run = make_layer(prototxt(kind, "expose_hidden: true"), *bottoms, tops=1 + STATES[kind], dtype="float64")
    problem = Problem(run, bottoms, [0], range(len(run.blobs)), None, None)
    problem.weights[1:] = [np.zeros_like(weight) for weight in problem.weights[1:]]
    problem.check_arrays(())


@types
@pytest.mark.parametrize("phase", [0, TEST])
def test_a_pass_begins_where_the_one_before_ended(backend, order, rng, kind, phase):
    """Two batches give what one of twice the length gives."""
    x, cont = rng.normal(size=(2 * T, N, I)), np.ones((2 * T, N))
    cont[0], cont[T + 1, 1], cont[T, 2] = 0, 0, 0.5
    whole = run_layer(prototxt(kind), x, cont, dtype="float64", phase=phase)
    halves = make_layer(prototxt(kind), x[:T], cont[:T], dtype="float64", phase=phase)
    for part in (slice(0, T), slice(T, 2 * T)):
        halves.feed(x[part], cont[part]).forward()
        assert_allclose(halves.top[0].data, whole.top[0].data[part], rtol=1e-12)


@types
def test_the_first_pass_begins_with_zeros_and_so_does_one_after_a_reset(backend, rng, kind):
    bottoms = rng.normal(size=(T, N, I)), np.ones((T, N))
    run = run_layer(prototxt(kind), *bottoms)
    first = run.top[0].data.copy()
    assert_allclose(first, expected(kind, run, bottoms)[0], rtol=1e-5)
    assert not np.any(run.forward().top[0].data[0] == first[0])
    run.layer.reset()
    assert_array_equal(run.forward().top[0].data, first)


@types
def test_no_gradient_leaves_to_the_batch_before(rng, kind):
    """Carried over or given, the state before the batch is a constant."""
    bottoms = rng.normal(size=(T, N, I)), np.ones((T, N))
    run = make_layer(prototxt(kind), *bottoms, dtype="float64")
    run.forward()
    problem = Problem(run, bottoms, [0], range(len(run.blobs)), None, None)
    assert any(np.any(array) for array in run.layer.carried.arrays)
    problem.check_arrays(())


@types
def test_backward_may_run_twice(rng, kind):
    run = run_layer(prototxt(kind), *sequences(rng), dtype="float64")
    run.top[0].diff[...] = rng.normal(size=(T, N, D))
    once = [blob.diff.copy() for blob in run.backward().blobs]
    dx = run.bottom[0].diff.copy()
    for blob, diff in zip(run.backward().blobs, once, strict=True):
        assert_array_equal(blob.diff, 2 * diff)
    assert_array_equal(run.bottom[0].diff, dx)


@types
def test_streams_may_come_and_go(rng, kind):
    """Fewer go on with the first states; more than there ever were begin with zeros."""
    run = make_layer(prototxt(kind), (T, N, I), (T, N), dtype="float64")

    def output(streams):
        x = np.random.default_rng(streams).normal(size=(T, streams, I))
        return x, np.array(run.feed(x, np.ones((T, streams))).forward().top[0].data)

    def from_states(x, before):
        blobs = [blob.data for blob in run.blobs]
        more, tops = "expose_hidden: true", 1 + STATES[kind]
        bottoms = x, np.ones(x.shape[:2]), *(array[None] for array in before)
        return run_layer(prototxt(kind, more), *bottoms, blobs=blobs, tops=tops, dtype="float64").top[0].data

    output(N)
    before = [array[:2].copy() for array in run.layer.carried.arrays]
    x, y = output(2)
    assert_allclose(y, from_states(x, before), rtol=1e-12)
    x, y = output(N + 2)
    assert_allclose(y, from_states(x, [np.zeros((N + 2, D))] * STATES[kind]), rtol=1e-12)


# --- snapshots ------------------------------------------------------------------------------------


@types
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_state_is_text_and_goes_on_exactly(backend, rng, kind, dtype):
    bottoms = rng.normal(size=(T, N, I)), np.ones((T, N))
    run = run_layer(prototxt(kind), *bottoms, dtype=dtype)
    state = json.loads(json.dumps(run.layer.state()))
    assert list(state) == ["h", "c"][: STATES[kind]]
    wanted = run.forward().top[0].data.copy()
    other = make_layer(prototxt(kind), *bottoms, dtype=dtype)
    other.layer.restore(state)
    for mine, given in zip(other.blobs, run.blobs, strict=True):
        mine.data[...] = given.data
    assert_array_equal(other.forward().top[0].data, wanted)


@types
@pytest.mark.parametrize("streams", [1, N, N + 2])
def test_a_state_of_other_streams_waits_for_them(rng, kind, streams):
    bottoms = rng.normal(size=(T, streams, I)), np.ones((T, streams))
    run = run_layer(prototxt(kind), *bottoms)
    state = run.layer.state()
    wanted = run.forward().top[0].data.copy()
    other = make_layer(prototxt(kind), (T, N, I), (T, N))
    other.layer.restore(state)
    assert_array_equal(other.feed(*bottoms).forward().top[0].data, wanted)


@types
def test_a_state_of_another_length_is_refused(rng, kind):
    state = run_layer(prototxt(kind, size=D + 1), *sequences(rng)).layer.state()
    run = make_layer(prototxt(kind), *sequences(rng))
    with pytest.raises(
        ShapeError, match=r"num_output is 2, but the state h to go on from has the shape 1 3 3"
    ) as caught:
        run.layer.restore(state)
    assert (caught.value.layer, caught.value.field) == ("the_layer", "recurrent_param.num_output")


@types
@pytest.mark.parametrize(
    "wrong, words",
    [
        (None, "is not in it"),
        ({}, "is damaged"),
        ({"data": "AAAA"}, "is damaged"),
        ({"dtype": "number"}, "is damaged"),
        ({"shape": [N, D]}, "is damaged .*shape"),
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(rng, kind, wrong, words):
    run = run_layer(prototxt(kind), *sequences(rng))
    state, last = run.layer.state(), ["h", "c"][STATES[kind] - 1]
    fresh = make_layer(prototxt(kind), *sequences(rng)).layer.state()
    intact = {name: text for name, text in fresh.items() if name != last}
    other = intact if wrong is None else {**intact, last: {**fresh[last], **wrong} if wrong else {}}
    place = rf'layer "the_layer" \({kind}\): cannot go on from the snapshot: the state {last} {words}'
    with pytest.raises(FormatError, match=place):
        run.layer.restore(other)
    assert run.layer.state() == state


LEARNER = """
name: "learner"
layer {{ name: "data" type: "DummyData" top: "x" top: "cont" top: "label"
        dummy_data_param {{ shape {{ dim: 4 dim: 3 dim: 5 }} shape {{ dim: 4 dim: 3 }} shape {{ dim: 4 dim: 3 }}
                            data_filler {{ type: "gaussian" std: 1 }} data_filler {{ value: 1 }}
                            data_filler {{ value: 1 }} }} }}
layer {{ {layer} bottom: "x" bottom: "cont" top: "y" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" softmax_param {{ axis: 2 }} }}
"""


@types
def test_a_resumed_run_is_the_run_that_was_not_stopped(tmp_path, kind):
    settings = f'base_lr: 0.5 momentum: 0.9 random_seed: 3 lr_policy: "fixed" snapshot_prefix: "{tmp_path}/s"'
    net = LEARNER.format(layer=prototxt(kind))
    straight = Solver(write_solver(tmp_path, settings, net))
    straight.step(3)
    snapshot = straight.snapshot()
    straight.step(3)
    resumed = Solver(write_solver(tmp_path, settings, net))
    resumed.restore(snapshot)
    resumed.step(3)
    assert_array_equal(weights(resumed.net), weights(straight.net))
    assert resumed.net.state() == straight.net.state()


# --- what else ------------------------------------------------------------------------------------


def stored(shape, value):
    dims = " ".join(f"dim: {size}" for size in shape)
    return f"blobs {{ shape {{ {dims} }} data: [{', '.join([str(value)] * int(np.prod(shape)))}] }}"


@types
def test_blobs_of_the_message_are_loaded_where_all_fit(rng, kind, capsys):
    shapes = [blob.shape for blob in make_layer(prototxt(kind), *sequences(rng)).blobs]
    text = prototxt(kind) + " ".join(stored(shape, value + 1) for value, shape in enumerate(shapes))
    run = make_layer(text, *sequences(rng))
    for value, blob in enumerate(run.blobs):
        assert np.all(blob.data == value + 1)
    assert "ignored" not in capsys.readouterr().err


@types
@pytest.mark.parametrize("fault", ["one too few", "another shape"])
def test_blobs_of_the_message_that_do_not_fit_are_ignored(rng, kind, fault, capsys):
    """As all are in Caffe."""
    plain = make_layer(prototxt(kind), *sequences(rng))
    shapes = [blob.shape for blob in plain.blobs]
    shapes[-1:] = [] if fault == "one too few" else [(7,)]
    run = make_layer(prototxt(kind) + " ".join(stored(shape, 9) for shape in shapes), *sequences(rng))
    for blob, drawn in zip(run.blobs, plain.blobs, strict=True):
        assert_array_equal(blob.data, drawn.data)
    assert "layer the_layer: the blobs in its definition do not fit and are ignored" in capsys.readouterr().err


@types
def test_a_huge_state_is_refused_before_memory_is_taken(kind):
    inputs = "input_param { shape { dim: 4 dim: 3 dim: 5 } shape { dim: 4 dim: 3 } }"
    text = f'layer {{ name: "in" type: "Input" top: "x" top: "cont" {inputs} }}'
    layer = f'layer {{ {prototxt(kind, size=2_000_000_000)} bottom: "x" bottom: "cont" top: "y" }}'
    place = rf'layer "the_layer" \({kind}\): recurrent_param.num_output is 2000000000: .*bytes'
    with pytest.raises(ShapeError, match=place):
        make_net(text + layer)


@types
def test_a_top_that_is_overwritten_does_no_harm(rng, kind):
    """An in-place layer behind it: the gradient is that of the values before."""
    inputs = "input_param { shape { dim: 4 dim: 3 dim: 5 } shape { dim: 4 dim: 3 } }"
    found = []
    for top in ("y", "z"):
        net = make_net(
            f"""force_backward: true
            layer {{ name: "in" type: "Input" top: "x" top: "cont" {inputs} }}
            layer {{ {prototxt(kind)} bottom: "x" bottom: "cont" top: "y" }}
            layer {{ name: "r" type: "ReLU" bottom: "y" top: "{top}" }}""",
            dtype="float64",
        )
        values = np.random.default_rng(2)
        for blob in net.params["the_layer"]:
            blob.data[...] = values.normal(size=blob.shape)
        net.blobs["x"].data[...] = values.normal(size=(T, N, I))
        net.blobs["cont"].data[...] = 1
        for _ in range(2):  # the state that is carried over is not the overwritten one either
            net.forward()
        net.blobs[top].diff[...] = values.normal(size=(T, N, D))
        net.backward()
        found.append([net.blobs["x"].diff, *(blob.diff for blob in net.params["the_layer"])])
    for in_place, apart in zip(*found, strict=True):
        assert np.any(apart)
        assert_allclose(in_place, apart, rtol=1e-12)


@types
def test_debug_info_tells_of_each_step(rng, kind, capsys):
    run = run_layer(prototxt(kind, "debug_info: true"), *sequences(rng), dtype="float64")
    lines = capsys.readouterr().err.splitlines()
    state, output = {"LSTM": ("unit", "unit"), "RNN": ("h_neuron", "o_neuron")}[kind]
    blob = {"LSTM": "h", "RNN": "o"}[kind]
    for t in range(1, T + 1):
        mean = log.g(np.abs(run.top[0].data[t - 1]).mean())
        assert (
            sum(f"    [Forward] Layer the_layer_{output}_{t}, top blob {blob}_{t} data: {mean}" in l for l in lines)
            == 1
        )
    first = {"LSTM": "c", "RNN": "h"}[kind]
    assert sum(f"[Forward] Layer the_layer_{state}_1, top blob {first}_1 data: " in line for line in lines) == 1
    run.top[0].diff[...] = 1
    run.backward()
    lines = [line for line in capsys.readouterr().err.splitlines() if "[Backward]" in line]
    assert [line.split("diff")[0].split("blob ")[1] for line in lines] == [f"gate_input_{t} " for t in range(T, 0, -1)]
    assert run_layer(prototxt(kind), *sequences(rng)) and "[Forward]" not in capsys.readouterr().err


@types
def test_set_up_tells_how_it_reads_its_input(rng, kind, capsys):
    make_layer(prototxt(kind), *sequences(rng))
    text = "Initializing recurrent layer: assuming input batch contains 4 timesteps of 3 independent streams."
    assert text in capsys.readouterr().err
