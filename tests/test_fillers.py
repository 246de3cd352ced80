"""Fillers: their statistics, their refusals, and that a key always gives the same values."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.backend import CPU
from minicaffe.blob import Blob
from minicaffe.errors import ParamError, ShapeError
from minicaffe.fillers import fill
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import parse_text

CONV = (64, 3, 7, 7)


def filled(text, shape, seed=1, key=("layer", 0), order="c", **options):
    blob = Blob(shape, layout=CPU.layout(order), **options)
    fill(blob, parse_text(text, caffe_pb2.FillerParameter).message, seed, *key)
    return blob.data


def test_the_default_is_zero():
    assert_array_equal(filled("", (2, 3)), np.zeros((2, 3)))


def test_constant():
    assert_array_equal(filled('type: "constant" value: -2.5', (2, 3, 4, 5)), np.full((2, 3, 4, 5), -2.5))
    assert filled('type: "constant" value: 4', ()) == 4


def test_uniform():
    values = filled('type: "uniform" min: -1 max: 3', (200, 100))
    assert values.min() >= -1 and values.max() <= 3
    # Five standard errors of the mean of 20,000 numbers whose standard deviation is 4 / sqrt(12).
    assert values.mean() == pytest.approx(1, abs=0.041)
    assert values.std() == pytest.approx(4 / math.sqrt(12), rel=0.02)
    assert np.histogram(values, 4, (-1, 3))[0] == pytest.approx(5000, abs=310)


def test_uniform_defaults_and_a_single_point():
    values = filled('type: "uniform"', (1000,))
    assert 0 <= values.min() < 0.05 and 0.95 < values.max() <= 1
    assert_array_equal(filled('type: "uniform" min: 2 max: 2', (3,)), [2, 2, 2])


def test_gaussian():
    values = filled('type: "gaussian" mean: 3 std: 0.5', (200, 100))
    assert values.mean() == pytest.approx(3, abs=0.018)
    assert values.std() == pytest.approx(0.5, rel=0.03)
    skew = ((values - 3) ** 3).mean() / 0.5**3
    assert skew == pytest.approx(0, abs=0.1)
    assert np.mean(np.abs(values - 3) < 0.5) == pytest.approx(0.6827, abs=0.017)


def test_sparse_gaussian():
    """Each of n elements is kept with probability sparse / s0."""
    values = filled('type: "gaussian" sparse: 5', (50, 400))
    assert np.count_nonzero(values) / values.size == pytest.approx(0.1, abs=0.011)
    assert values[values != 0].std() == pytest.approx(1, rel=0.1)
    assert not filled('type: "gaussian" sparse: 0', (5, 4)).any()
    assert filled('type: "gaussian" sparse: 5', (5, 4)).all()


@pytest.mark.parametrize("shape", [(5, 40), (3, 4, 5), (7,)])
def test_positive_unitball(shape):
    values = filled('type: "positive_unitball"', shape)
    assert (values >= 0).all()
    assert_allclose(values.reshape(shape[0], -1).sum(axis=1), np.ones(shape[0]), rtol=1e-6)
    assert len(shape) == 1 or values.std() > 0


FANS = {"": 147, "variance_norm: FAN_IN": 147, "variance_norm: FAN_OUT": 3136, "variance_norm: AVERAGE": 1641.5}


@pytest.mark.parametrize("norm", FANS)
def test_xavier(norm):
    values = filled(f'type: "xavier" {norm}', CONV)
    limit = math.sqrt(3 / FANS[norm])
    assert np.abs(values).max() <= limit and np.abs(values).max() > 0.99 * limit
    assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize("norm", FANS)
def test_msra(norm):
    values = filled(f'type: "msra" {norm}', CONV)
    assert values.std() == pytest.approx(math.sqrt(2 / FANS[norm]), rel=0.04)
    assert np.abs(values).max() > 2.5 * values.std()


def test_spot_values():
    assert np.abs(filled('type: "xavier"', CONV)).max() == pytest.approx(0.1428571, rel=0.01)
    assert np.abs(filled('type: "xavier" variance_norm: AVERAGE', CONV)).max() == pytest.approx(0.0427504, rel=0.01)
    assert filled('type: "msra" variance_norm: FAN_OUT', CONV).std() == pytest.approx(0.0252538, rel=0.04)


def test_fans_of_a_vector():
    """fan_in 1, fan_out the whole."""
    assert np.abs(filled('type: "xavier"', (1000,))).max() == pytest.approx(math.sqrt(3), rel=0.02)
    values = filled('type: "xavier" variance_norm: FAN_OUT', (1000,))
    assert np.abs(values).max() == pytest.approx(math.sqrt(3 / 1000), rel=0.02)


@pytest.mark.parametrize("side, row", [(3, [0.5, 1, 0.5]), (4, [0.25, 0.75, 0.75, 0.25]), (1, [1]), (2, [1, 1])])
def test_bilinear(side, row):
    """c = (w - 1) / (2 f), f = ceil(w / 2): for w 2, f 1 and c 0.5, 1 - |x - c| is 0.5 at both."""
    row = [0.5, 0.5] if side == 2 else row
    values = filled('type: "bilinear"', (2, 3, side, side))
    for plane in values.reshape(6, side, side):
        assert_allclose(plane, np.outer(row, row), rtol=1e-6)


# --- keys -----------------------------------------------------------------------------------------

RANDOM = ["uniform", "gaussian", "positive_unitball", "xavier", "msra"]


@pytest.mark.parametrize("name", RANDOM)
def test_values_depend_on_seed_and_key_alone(name):
    text = f'type: "{name}"'
    values = filled(text, (4, 5, 2, 3))
    assert_array_equal(filled(text, (4, 5, 2, 3)), values)
    assert_array_equal(filled(text, (4, 5, 2, 3), order="batch_innermost"), values)
    assert (filled(text, (4, 5, 2, 3), seed=2) != values).any()
    assert (filled(text, (4, 5, 2, 3), key=("layer", 1)) != values).any()
    assert (filled(text, (4, 5, 2, 3), key=("other", 0)) != values).any()


@pytest.mark.parametrize("name", RANDOM)
def test_float64_nets_start_from_the_same_values(name):
    double = filled(f'type: "{name}"', (4, 5), dtype="float64")
    assert double.dtype == np.float64
    assert_array_equal(filled(f'type: "{name}"', (4, 5)), double.astype(np.float32))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, kind, words",
    [
        ('type: "oops"', ParamError, 'unknown type "oops", must be one of bilinear, constant, gaussian, msra'),
        ('type: "Gaussian"', ParamError, 'unknown type "Gaussian"'),
        ('type: "uniform" min: 2 max: 1', ParamError, "min 2 above max 1"),
        ('type: "uniform" min: -inf', ParamError, "min -inf and max 1: both must be finite"),
        ('type: "uniform" max: nan', ParamError, "min 0 and max nan: both must be finite"),
        ('type: "gaussian" std: 0', ParamError, "std 0, must be above 0"),
        ('type: "gaussian" std: -1', ParamError, "std -1"),
        ('type: "gaussian" std: nan', ParamError, "std nan"),
        ('type: "gaussian" sparse: -2', ParamError, "sparse -2"),
        ('type: "gaussian" sparse: 5', ParamError, "sparse 5, must be at most the first axis, 4"),
        ('type: "uniform" sparse: 1', ParamError, "sparse 1: only the type"),
        ('type: "constant" sparse: 0', ParamError, "sparse 0: only the type"),
        ('type: "bilinear"', ShapeError, r"4 axes, not 4 3 \(12\)"),
    ],
)
def test_settings_that_are_refused(text, kind, words):
    with pytest.raises(kind, match=words):
        filled(text, (4, 3))


@pytest.mark.parametrize("name", [*RANDOM, "constant", "bilinear"])
def test_an_empty_blob_is_refused(name):
    with pytest.raises(ShapeError, match=r"cannot fill an empty blob of shape 2 0 3 3 \(0\)"):
        filled(f'type: "{name}"', (2, 0, 3, 3))


@pytest.mark.parametrize("text", ['"xavier"', '"msra"', '"positive_unitball"', '"gaussian" sparse: 0', '"bilinear"'])
def test_a_scalar_is_refused(text):
    with pytest.raises(ShapeError, match=r"scalar|4 axes"):
        filled(f"type: {text}", ())


def test_a_kernel_that_is_not_square_is_refused():
    with pytest.raises(ShapeError, match="square kernel, not 3 x 4"):
        filled('type: "bilinear"', (1, 1, 3, 4))
