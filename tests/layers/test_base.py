"""The life cycle that all layers share: counts, set-up, shapes, loss weights, parameters, errors with a place."""

import warnings

import numpy as np
import pytest
from harness import check_rejected

from minicaffe.blob import DATA, DIFF, Blob
from minicaffe.errors import FormatError, GraphError, MinicaffeError, Origin, ParamError, ShapeError
from minicaffe.layers.base import TEST, TRAIN, Context, Layer
from minicaffe.layers.neuron_layer import NeuronLayer
from minicaffe.proto import caffe_pb2


class Recorder(Layer):
    """Notes what is called; its tops take the shape of bottom[0]."""

    type = "Recorder"

    def __init__(self, param=None, context=None, origin=None):
        super().__init__(param or caffe_pb2.LayerParameter(name="r", type="Recorder"), context, origin)
        self.calls = []

    def setup(self, bottom, top):
        self.calls.append("setup")

    def reshape(self, bottom, top):
        self.calls.append("reshape")
        for blob in top:
            blob.reshape_like(bottom[0])

    def forward(self, bottom, top):
        self.calls.append("forward")
        for blob in top:
            blob.data[...] = 2

    def backward(self, top, propagate_down, bottom):
        self.calls.append("backward")


def recorder(**settings):
    return Recorder(caffe_pb2.LayerParameter(name="r", type="Recorder", **settings))


def wired(layer, *shapes, tops=1):
    """Bottoms of these shapes and fresh tops, with the layer set up on them."""
    device = layer.context.backend
    bottom, top = [Blob(shape, backend=device) for shape in shapes], [Blob(backend=device) for _ in range(tops)]
    layer.initialize(bottom, top)
    return bottom, top


# --- life cycle -----------------------------------------------------------------------------------------------


def test_set_up_comes_before_the_shapes():
    layer = recorder()
    _, top = wired(layer, (2, 3))
    assert layer.calls == ["setup", "reshape"] and top[0].shape == (2, 3)


def test_nothing_is_reshaped_that_has_not_changed():
    layer = recorder()
    bottom, top = wired(layer, (2, 3), (4,))
    layer.calls.clear()
    layer.run_forward(bottom, top)
    assert layer.calls == ["forward"]
    bottom[1].reshape(5)
    layer.run_forward(bottom, top)
    layer.run_forward(bottom, top)
    assert layer.calls == ["forward", "reshape", "forward", "forward"]
    layer.calls.clear()
    top[0].reshape(7)
    layer.run_forward(bottom, top)
    assert layer.calls == ["reshape", "forward"] and top[0].shape == (2, 3)


def test_layers_that_ask_for_it_are_reshaped_every_time(monkeypatch):
    monkeypatch.setattr(Recorder, "always_reshape", True)
    layer = recorder()
    bottom, top = wired(layer, (2, 3))
    layer.run_forward(bottom, top)
    layer.reshape_if_changed(bottom, top)
    assert layer.calls == ["setup", "reshape", "reshape", "forward", "reshape"]


def test_a_source_of_data_shapes_its_own_tops():
    layer = recorder()
    layer.reshape = lambda bottom, top: layer.calls.append("reshape")
    _, top = wired(layer)
    for rows in (2, 5):
        top[0].reshape(rows, 3)
        layer.run_forward([], top)
    assert layer.calls == ["setup", "reshape", "forward", "forward"]


@pytest.mark.parametrize("flags, refused", [((0, 0), False), ((1, 0), False), ((0, 1), True), ((1, 1), True)])
def test_a_gradient_that_cannot_be_is_refused(monkeypatch, flags, refused):
    monkeypatch.setattr(Recorder, "no_gradient", {1: "the selector", 5: "a bottom that this layer has not got"})
    layer = recorder()
    bottom, top = wired(layer, (2, 3), (2,))
    if not refused:
        layer.run_backward(top, flags, bottom)
        assert layer.calls[-1] == "backward"
        return
    with pytest.raises(GraphError) as caught:
        layer.run_backward(top, flags, bottom)
    where = 'layer "r" (Recorder): propagate_down must be false for bottom[1], the selector: it can have no gradient'
    assert where in str(caught.value)
    assert "say false for it, and leave out force_backward" in str(caught.value) and "backward" not in layer.calls


def test_the_message_is_a_copy_with_a_phase():
    param = caffe_pb2.LayerParameter(name="r", type="Recorder")
    assert Recorder(param).phase == TRAIN
    assert Recorder(param, Context(phase=TEST)).layer_param.phase == TEST
    param.phase = TRAIN
    layer = Recorder(param, Context(phase=TEST))
    assert layer.phase == TRAIN
    layer.layer_param.name = "other"
    assert param.name == "r"


class Overflow(Recorder):
    """Computes what NumPy warns of."""

    def forward(self, bottom, top):
        top[0].data[...] = np.float32(3e38) * np.ones((2, 3), "float32") * 10

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].data - top[0].data


@pytest.mark.parametrize("users_own", [False, True])
def test_numpy_warns_of_a_users_own_code_alone(monkeypatch, users_own):
    """That is told by c_order."""
    monkeypatch.setattr(Overflow, "c_order", users_own)
    layer = Overflow()
    bottom, top = wired(layer, (2, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layer.run_forward(bottom, top)
        layer.run_backward(top, [True], bottom)
    assert np.isinf(top[0].data).all() and np.isnan(bottom[0].diff).all()
    assert [warning.category for warning in caught] == [RuntimeWarning, RuntimeWarning] * users_own


def test_a_loss_that_is_infinite_is_no_warning_either():
    layer = Overflow(caffe_pb2.LayerParameter(name="r", type="Recorder", loss_weight=[1]))
    bottom, top = wired(layer, (2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert layer.run_forward(bottom, top) == np.inf


def test_what_a_type_leaves_out_is_told():
    layer = Layer(caffe_pb2.LayerParameter(name="r"))
    for method, arguments in (("reshape", 2), ("forward", 2), ("backward", 3)):
        with pytest.raises(NotImplementedError, match=f"Layer has no {method}"):
            getattr(layer, method)(*[[]] * arguments)
    assert layer.state() == {}
    layer.restore({})
    layer.close()


# --- counts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits, bottoms, tops, words",
    [
        ({"exact_bottom": 2}, 1, 1, "Recorder Layer takes 2 bottom blob(s) as input, it has 1"),
        ({"min_bottom": 2}, 1, 1, "Recorder Layer takes at least 2 bottom blob(s) as input, it has 1"),
        ({"max_bottom": 2}, 3, 1, "Recorder Layer takes at most 2 bottom blob(s) as input, it has 3"),
        ({"exact_top": 0}, 1, 1, "Recorder Layer produces 0 top blob(s) as output, it has 1"),
        ({"min_top": 1}, 1, 0, "Recorder Layer produces at least 1 top blob(s) as output, it has 0"),
        ({"max_top": 1}, 1, 2, "Recorder Layer produces at most 1 top blob(s) as output, it has 2"),
        ({"equal_bottom_top": True}, 2, 1, "one top blob as output for each bottom blob input, it has 2 bottoms and 1"),
    ],
)
def test_counts_of_blobs(monkeypatch, limits, bottoms, tops, words):
    for name, value in limits.items():
        monkeypatch.setattr(Recorder, name, value)
    layer = recorder()
    with pytest.raises(GraphError) as caught:
        wired(layer, *[(2, 3)] * bottoms, tops=tops)
    assert words in str(caught.value) and 'layer "r" (Recorder)' in str(caught.value)
    assert layer.calls == [], "nothing was set up"


def test_counts_within_the_limits(monkeypatch):
    for name, value in {"min_bottom": 1, "max_bottom": 2, "min_top": 1, "max_top": 2}.items():
        monkeypatch.setattr(Recorder, name, value)
    for count in (1, 2):
        wired(recorder(), *[(2, 3)] * count, tops=count)


# --- loss weights ---------------------------------------------------------------------------------------------


def test_the_loss_is_weight_times_sum(backend):
    layer = recorder(loss_weight=[0.5, 0, 3])
    bottom, top = wired(layer, (2, 3), tops=3)
    assert layer.run_forward(bottom, top) == 0.5 * 2 * 6 + 3 * 2 * 6
    assert layer.loss_weights == [0.5, 0, 3]
    assert (top[0].diff == 0.5).all() and not top[1].storage(DIFF).allocated


def test_set_up_takes_no_memory():
    layer = recorder(loss_weight=[1])
    _, top = wired(layer, (2, 3))
    layer.add_parameter((4,), caffe_pb2.FillerParameter())
    blobs = [*top, *layer.blobs]
    assert not any(blob.storage(which).allocated for blob in blobs for which in (DATA, DIFF))
    layer.seed_losses(top)
    assert (top[0].diff == 1).all()


def test_what_is_written_over_a_seed_stays():
    layer = recorder(loss_weight=[1])
    bottom, top = wired(layer, (2, 3))
    layer.seed_losses(top)
    top[0].diff[...] = 7
    assert layer.run_forward(bottom, top) == 7 * 2 * 6


@pytest.mark.parametrize("weights", [[1], [1, 2, 3]])
def test_one_weight_a_top(weights):
    with pytest.raises(ParamError) as caught:
        wired(recorder(loss_weight=weights), (2, 3), tops=2)
    words = f'layer "r" (Recorder): loss_weight has {len(weights)} entries, must have one for each of the 2 tops'
    assert words in str(caught.value) and caught.value.field == "loss_weight"


def test_a_neuron_keeps_the_shape():
    class Neuron(NeuronLayer):
        type = "Neuron"

    _, top = wired(Neuron(caffe_pb2.LayerParameter(name="n", type="Neuron")), (2, 3, 4))
    assert top[0].shape == (2, 3, 4)


# --- parameters -----------------------------------------------------------------------------------------------


def with_parameters(stored=(), seed=1):
    layer = Recorder(caffe_pb2.LayerParameter(name="r", blobs=stored), Context(seed=seed))
    for i in range(2):
        layer.add_parameter((2, 3), caffe_pb2.FillerParameter(type="gaussian"), f"filler_{i}")
    return layer


def test_parameters_are_filled_once_and_each_from_its_own_numbers():
    layer, again, other = with_parameters(), with_parameters(), with_parameters(seed=2)
    for one in (layer, again, other):
        one.fill_parameters()
    first, second = (np.array(blob.data) for blob in layer.blobs)
    assert first.any() and not np.array_equal(first, second)
    np.testing.assert_array_equal(again.blobs[0].data, first)
    assert not np.array_equal(other.blobs[0].data, first)
    layer.blobs[0].data[...] = 7
    layer.fill_parameters()
    assert (layer.blobs[0].data == 7).all()


def test_a_borrowed_parameter_is_its_owners_and_changes_no_other():
    alone, layer, owner = with_parameters(), with_parameters(), Blob((2, 3))
    owner.data[...] = 4
    layer.borrow_parameter(0, owner)
    for one in (alone, layer):
        one.fill_parameters()
    assert (layer.blobs[0].data == 4).all() and (owner.data == 4).all()
    np.testing.assert_array_equal(layer.blobs[1].data, alone.blobs[1].data)
    layer.blobs[0].diff[...] = 3
    assert (owner.diff == 3).all()


def stored(*values, **shape):
    return [caffe_pb2.BlobProto(data=[value] * 6, **(shape or {"shape": {"dim": [2, 3]}})) for value in values]


def test_stored_values_come_instead():
    layer = with_parameters(stored(1, 2))
    layer.fill_parameters()
    assert [blob.data[0, 0] for blob in layer.blobs] == [1, 2] and not layer.layer_param.blobs
    layer = with_parameters(stored(3, 4, num=1, channels=1, height=2, width=3))
    layer.fill_parameters()
    assert [blob.data[1, 2] for blob in layer.blobs] == [3, 4]


@pytest.mark.parametrize(
    "blobs, words",
    [
        (stored(1), "blobs holds 1 blobs, this layer has 2"),
        (stored(1, 2, shape={"dim": [3, 2]}), "blobs[0] has shape 3 2 (6), this layer needs 2 3 (6)"),
    ],
)
def test_stored_values_that_do_not_fit(blobs, words):
    with pytest.raises(ShapeError) as caught:
        with_parameters(blobs).fill_parameters()
    assert words in str(caught.value)


def test_a_fault_of_a_filler_names_its_field():
    layer = recorder()
    layer.add_parameter((2,), caffe_pb2.FillerParameter(type="nosuch"), "some_param.weight_filler")
    with pytest.raises(ParamError) as caught:
        layer.fill_parameters()
    assert 'layer "r" (Recorder): some_param.weight_filler has the unknown type "nosuch"' in str(caught.value)
    assert caught.value.field == "some_param.weight_filler"


# --- errors ---------------------------------------------------------------------------------------------------


def test_errors_say_where():
    origin = Origin("net.prototxt", 7, {"some_param.axis": 9})
    layer = Recorder(caffe_pb2.LayerParameter(name="r"), origin=origin)
    assert str(layer.error(ParamError, "is 5", "some_param.axis")) == (
        'net.prototxt:9: layer "r" (Recorder): some_param.axis is 5'
    )
    with pytest.raises(ShapeError) as caught:
        layer.axis(Blob((2, 3)), 2, "some_param.axis")
    assert str(caught.value).startswith('net.prototxt:9: layer "r" (Recorder): some_param.axis is 2: axis 2 does not')
    assert layer.axis(Blob((2, 3)), -1, "some_param.axis") == 1


TOO_LARGE = {
    'type: "Convolution" convolution_param { num_output: 7 kernel_size: 20000 }': (
        ("is 7 with kernel_size [20000, 20000]: ", "33600000000 bytes"),
        [(2, 3, 4, 5)],
    ),
    'type: "Deconvolution" convolution_param { num_output: 4000000000 axis: 3 }': (
        ("is 4000000000: ", "shape 5 4000000000 (20000000000)"),
        [(2, 3, 4, 5)],
    ),
    'type: "Convolution" convolution_param { num_output: 1000000 kernel_size: 1 }': (
        ("is 1000000: ", "shape 2 1000000 400 500 (400000000000)"),
        [(2, 3, 400, 500)],
    ),
    'type: "LSTM" recurrent_param { num_output: 100000 }': (
        ("is 100000: ", "shape 400000 100000"),
        [(4, 2, 3), (4, 2)],
    ),
    'type: "RNN" recurrent_param { num_output: 40000 }': (
        ("is 40000: ", "shape 400 200 40000 (3200000000)"),
        [(400, 200, 3), (400, 200)],
    ),
}


@pytest.mark.parametrize("prototxt", TOO_LARGE)
def test_what_makes_a_blob_too_large_is_named(prototxt):
    """Before any memory is taken."""
    words, bottoms = TOO_LARGE[prototxt]
    field = "recurrent_param" if "recurrent_param" in prototxt else "convolution_param"
    check_rejected(prototxt, bottoms, ShapeError, f"{field}.num_output", *words, "at most 2147483647 values")


@pytest.mark.parametrize(
    "state, words",
    [
        ({}, "it has no forward_count for this layer"),
        ({"forward_count": -1}, "its forward_count is -1"),
        ({"forward_count": 2.5}, "its forward_count is 2.5"),
        ({"forward_count": None}, "its forward_count is None"),
    ],
)
def test_a_state_without_a_number_that_it_must_hold(state, words):
    with pytest.raises(FormatError) as caught:
        recorder().count_in(state, "forward_count")
    assert str(caught.value) == (
        f'layer "r" (Recorder): cannot go on from the snapshot: {words}, must be a whole number from 0 on; '
        "begin a new run with its weights"
    )


def test_an_error_gets_a_place_if_it_has_none():
    layer = recorder()
    bare = layer.located(ShapeError("is too large", file="blob"))
    assert type(bare) is ShapeError and str(bare) == 'layer "r" (Recorder): blob: is too large'
    placed = ParamError("is 0", layer="inner")
    assert layer.located(placed) is placed
    unnamed = ParamError("is 0", layer_type="Recorder")
    assert layer.located(unnamed) is unnamed
    memory = layer.located(MemoryError("Unable to allocate 8 GiB"))
    assert isinstance(memory, MinicaffeError)
    assert 'layer "r" (Recorder): needs more memory than there is (Unable to allocate 8 GiB)' in str(memory)


def test_scratch_is_lent_and_has_the_shape_asked_for(backend):
    layer = Recorder(context=Context(backend=backend))
    x = backend.xp.zeros((2, 3), "float32")
    assert layer.scratch(x).shape == (2, 3) and layer.scratch(x) is layer.scratch(x)
    assert layer.scratch(x, "another") is not layer.scratch(x)


def test_blobs_of_its_own_follow_the_net():
    context = Context(dtype="float64", layout=lambda shape: "batch innermost")
    layer = Recorder(context=context)
    assert layer.new_blob((2, 3, 4, 5)).order == "C"
    kept = layer.new_like_top()
    kept.reshape(2, 3, 4, 5)
    assert kept.order == "batch innermost" and kept.dtype == np.float64
