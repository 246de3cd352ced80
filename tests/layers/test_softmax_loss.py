"""SoftmaxWithLoss beside its row of the table: spot values, which divisor, axis 0, the second top, odd labels, NaN."""

import math

import numpy as np
import pytest
from harness import check_gradient, check_rejected, make_layer, run_layer
from net_kit import make_net
from numpy.testing import assert_allclose

from minicaffe.errors import DataError, ParamError

SHAPE = (2, 3, 4, 5)
MODES = ["FULL", "VALID", "BATCH_SIZE", "NONE"]


def prototxt(axis=1, loss=""):
    return f'type: "SoftmaxWithLoss" softmax_param {{ axis: {axis} }} loss_param {{ {loss} }}'


def labels_for(rng, axis, shape=SHAPE):
    """Labels of every class along axis; with the class axis left out, as a net would have them."""
    return rng.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :]).astype(float)


def definition(x, labels, axis, mode, ignore=None):
    """(loss, dx) position by position."""
    scores = np.moveaxis(x, axis, -1)
    loss, valid, gradient = 0.0, 0, np.zeros(scores.shape)
    for place, label in zip(np.ndindex(*scores.shape[:-1]), labels.ravel(), strict=True):
        if ignore is not None and int(label) == ignore:
            continue
        powers = np.exp(scores[place] - scores[place].max())
        p = powers / powers.sum()
        loss -= math.log(max(p[int(label)], 1.17549435e-38))
        valid += 1
        gradient[place] = p
        gradient[place][int(label)] -= 1
    outer = math.prod(x.shape[:axis])
    divisor = max(1, {"FULL": labels.size, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[mode])
    return loss / divisor, np.moveaxis(gradient, -1, axis) / divisor


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignore", [None, 0, 2])
def test_loss_and_gradient_are_the_definition(backend, order, rng, axis, mode, ignore):
    x, labels = rng.normal(size=SHAPE), labels_for(rng, axis)
    text = prototxt(axis, f"normalization: {mode}" + ("" if ignore is None else f" ignore_label: {ignore}"))
    run = run_layer(text, x, labels)
    loss, dx = definition(x, labels, axis, mode, ignore)
    assert run.top[0].shape == ()
    assert run.loss == pytest.approx(loss, rel=1e-5) and run.top[0].data == pytest.approx(loss, rel=1e-5)
    run.bottom[0].diff[...] = 7
    assert_allclose(run.backward().bottom[0].diff, dx, rtol=1e-4, atol=1e-6)


def test_gradient_along_the_first_axis(order, rng):
    """The labels' first axis must still be that of the scores: a square will do."""
    shape = (3, 3, 4, 5)
    check_gradient(prototxt(0), rng.normal(size=shape), labels_for(rng, 0, shape).reshape(3, -1))


@pytest.mark.parametrize(
    "settings, mode",
    [
        ("", "VALID"),
        ("normalize: true", "VALID"),
        ("normalize: false", "BATCH_SIZE"),
        ("normalize: false normalization: VALID", "VALID"),
        ("normalize: true normalization: FULL", "FULL"),
    ],
)
def test_which_normalization(order, rng, settings, mode):
    x, labels = rng.normal(size=SHAPE), labels_for(rng, 1)
    run = run_layer(prototxt(1, settings + " ignore_label: 2"), x, labels)
    assert run.loss == pytest.approx(definition(x, labels, 1, mode, 2)[0], rel=1e-5)


def test_spot_values(backend):
    x, labels = np.array([[1, 2, 3], [1, 1, 1]]), np.array([2, 0])
    for mode, loss in zip(MODES, [0.7531091, 0.7531091, 0.7531091, 1.5062183], strict=True):
        assert run_layer(prototxt(1, f"normalization: {mode}"), x, labels).loss == pytest.approx(loss, abs=1e-6)
    dx = run_layer(prototxt(), x, labels).backward().bottom[0].diff
    expected = [[0.0450153, 0.1223642, -0.1673795], [-1 / 3, 1 / 6, 1 / 6]]
    assert_allclose(dx, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 1, 4, 5), (2, 20), (2, 5, 4)])
def test_labels_of_any_shape(backend, order, rng, shape):
    """They are read in C order, whatever the memory order."""
    x, labels = rng.normal(size=SHAPE), labels_for(rng, 1)
    expected = definition(x, labels, 1, "VALID")[0]
    assert run_layer(prototxt(), x, labels.reshape(shape)).loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", ["", "loss_weight: [2, 0]"])
def test_the_second_top_is_the_probabilities(backend, order, rng, weights):
    x, labels = rng.normal(size=SHAPE), labels_for(rng, 1)
    run = run_layer(f"{prototxt()} {weights}", x, labels, tops=2)
    scale = 2 if weights else 1
    loss, dx = definition(x, labels, 1, "VALID")
    assert run.layer.loss_weights == [scale, 0]
    assert run.loss == pytest.approx(scale * loss, rel=1e-5) and run.top[0].data == pytest.approx(loss, rel=1e-5)
    assert_allclose(run.top[1].data, run_layer('type: "Softmax"', x).top[0].data, rtol=1e-6)
    run.top[1].diff[...] = 100
    assert_allclose(run.backward().bottom[0].diff, scale * dx, rtol=1e-4, atol=1e-6)
    check_gradient(prototxt(), x, labels, tops=2)


@pytest.mark.parametrize("layer_type, third", [("SoftmaxWithLoss", ""), ("InfogainLoss", 'bottom: "matrix"')])
def test_a_layer_in_place_on_the_probabilities_does_not_spoil_the_gradient(rng, layer_type, third):
    values = {"x": rng.normal(size=SHAPE), "labels": labels_for(rng, 1), "matrix": rng.normal(size=(3, 3))}
    found = []
    for top in ("prob", "scaled"):
        inputs = "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims(array)} }} }} }}'
            for name, array in values.items()
        )
        net = make_net(f"""{inputs}
            layer {{ name: "bias" type: "Bias" bottom: "x" top: "y" }}
            layer {{ name: "loss" type: "{layer_type}" bottom: "y" bottom: "labels" {third} top: "loss" top: "prob" }}
            layer {{ name: "scale" type: "Power" bottom: "prob" top: "{top}" power_param {{ scale: 7 }} }}""")
        for name, array in values.items():
            net.blobs[name].data[...] = array
        net.forward()
        net.backward()
        found.append(np.array(net.blobs["y"].diff))
    assert np.abs(found[0]).max() > 0
    assert_allclose(found[1], found[0])


def dims(array):
    return " ".join(f"dim: {size}" for size in array.shape)


def test_the_gradient_follows_the_tops_diff(backend, order, rng):
    """Somebody may read the loss and write another gradient than the loss weight."""
    x, labels = rng.normal(size=SHAPE), labels_for(rng, 1)
    run = run_layer(prototxt(), x, labels)
    run.top[0].diff[...] = -3
    assert_allclose(run.backward().bottom[0].diff, -3 * definition(x, labels, 1, "VALID")[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_all_ignored(backend, order, mode):
    run = run_layer(prototxt(1, f"ignore_label: -1 normalization: {mode}"), np.ones(SHAPE), np.full((2, 4, 5), -1))
    run.bottom[0].diff[...] = 7
    assert run.loss == 0 and not run.backward().bottom[0].diff.any()


def test_a_hopeless_score_is_clamped(backend, order):
    """p = 0: the loss is -ln FLT_MIN, the gradient is still p - onehot."""
    x = np.zeros((1, 2))
    x[0, 1] = 1000
    run = run_layer(prototxt(), x, np.array([0]))
    assert run.loss == pytest.approx(-math.log(1.17549435e-38), rel=1e-5)
    assert_allclose(run.backward().bottom[0].diff, [[-1, 1]])
    double = run_layer(prototxt(), x, np.array([0]), dtype="float64")
    assert double.loss == pytest.approx(-math.log(1.17549435e-38), rel=1e-9)


def test_fractions_of_labels_are_cut_off(backend, rng):
    x = rng.normal(size=(3, 4))
    expected = run_layer(prototxt(1, "ignore_label: 3"), x, np.array([0, 2, 3])).loss
    assert run_layer(prototxt(1, "ignore_label: 3"), x, np.array([-0.7, 2.9, 3.4])).loss == expected


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 3, 0, 5)])
def test_no_positions(backend, order, shape):
    run = run_layer(prototxt(), shape, (*shape[:1], *shape[2:])).backward()
    assert run.loss == 0 and run.bottom[0].diff.shape == shape


def test_no_classes(backend):
    run = run_layer(prototxt(loss="ignore_label: 4"), np.zeros((3, 0)), np.full(3, 4.0))
    assert run.loss == 0 and run.backward().bottom[0].diff.shape == (3, 0)
    with pytest.raises(DataError, match="holds the label 4 at position 0, and there are no classes"):
        run_layer(prototxt(), np.zeros((3, 0)), np.full(3, 4.0))


def test_nan_is_seen(backend):
    """Unless its position is ignored."""
    x = np.array([[np.nan, 1], [0, 0]])
    assert math.isnan(run_layer(prototxt(), x, np.array([0, 0])).loss)
    run = run_layer(prototxt(1, "ignore_label: 7"), x, np.array([7, 0])).backward()
    assert run.loss == pytest.approx(math.log(2), rel=1e-6)
    assert_allclose(run.bottom[0].diff, [[0, 0], [-0.5, 0.5]])


def test_a_probability_of_almost_1_keeps_its_slope(backend):
    """Z and the loss weight come last: in weight * p - weight the small difference would be lost."""
    run = run_layer(f"{prototxt()} loss_weight: [0.3, 0]", np.array([[12.0, 0]]), np.array([0]), tops=2).backward()
    assert_allclose(run.bottom[0].diff, np.float32(0.3) * (run.top[1].data - [[1, 0]]), rtol=1e-6)


def test_no_loss_is_0_and_not_minus_0(backend):
    """Which logs would show."""
    for text, more in (("SoftmaxWithLoss", ()), ("InfogainLoss", (np.eye(2),))):
        run = run_layer(f'type: "{text}"', np.array([[0, 900.0]]), np.ones(1), *more)
        assert f"{run.top[0].data:g}" == "0"


def test_another_shape(backend, order, rng):
    run = make_layer(prototxt(), SHAPE, (2, 4, 5))
    for shape in [(2, 3, 4, 5), (4, 3, 2, 2), (1, 3, 5, 5)]:
        x, labels = rng.normal(size=shape), labels_for(rng, 1, shape)
        run.feed(x, labels)
        loss, dx = definition(x, labels, 1, "VALID")
        assert run.forward().loss == pytest.approx(loss, rel=1e-5)
        assert_allclose(run.backward().bottom[0].diff, dx, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_keeps_its_type(order, rng, dtype):
    """A count is a 64-bit integer, and must not widen a float32 product on the way."""
    run = run_layer(prototxt(1, "ignore_label: 0"), rng.normal(size=SHAPE), labels_for(rng, 1), dtype=dtype).backward()
    assert run.bottom[0].diff.dtype == run.top[0].data.dtype == dtype


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label, ignore", [(3, ""), (-1, ""), (-1, "ignore_label: 255"), (np.nan, ""), (1e30, ""), (-7, "")]
)
def test_a_label_out_of_range(backend, order, label, ignore):
    labels = np.zeros((2, 4, 5))
    labels[1, 2, 3] = label
    words = (f"the label {label:g} at position 33", "between 0 and 2")
    rejected = check_rejected(
        prototxt(1, ignore), [SHAPE, labels], DataError, "", *words, act=lambda run: run.forward()
    )
    assert ("255" in str(rejected)) == ("255" in ignore)


@pytest.mark.parametrize("weights, tops", [("loss_weight: [1, 0]", 1), ("loss_weight: 1", 2)])
def test_loss_weights_must_be_one_a_top(weights, tops):
    check_rejected(f"{prototxt()} {weights}", [(2, 3), (2,)], ParamError, "loss_weight", "entries", tops=tops)
