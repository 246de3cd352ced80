"""NaN and infinity end a run, and the first blob that went bad is named."""

import math

import numpy as np
import pytest
from solver_kit import CLASSIFIER, feed, least_squares, samples, write_solver

from minicaffe.errors import DivergedError
from minicaffe.solver import Solver

FIXED = 'base_lr: 0.1 lr_policy: "fixed"'


def make(tmp_path, settings, net, **options):
    return Solver(write_solver(tmp_path, f'snapshot_prefix: "{tmp_path}/s" {settings}', net), **options)


def fed(tmp_path, rng, settings=FIXED, **options):
    """A least-squares solver, its samples and targets."""
    solver = make(tmp_path, settings, least_squares(), **options)
    x, t = samples(rng)
    feed(solver.net, x, t)
    return solver, x, t


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_bad_data_are_blamed_on_the_data(tmp_path, rng, value):
    solver, x, _ = fed(tmp_path, rng)
    solver.step(2)
    x[3, 1] = value
    with pytest.raises(DivergedError) as caught, np.errstate(invalid="ignore"):
        solver.step(1)
    loss = "inf" if math.isinf(value) else "nan"
    assert str(caught.value) == (
        f'layer "x" (Input): the loss is {loss} at iteration 2; its top blob "x" went bad first (1 of 24 values are '
        "nan or infinite): lower base_lr, set clip_gradients, or look into the data; no snapshot was touched"
    )
    assert (caught.value.layer, solver.iter) == ("x", 2)


def test_bad_weights_are_blamed_on_their_layer(tmp_path, rng):
    solver, _, _ = fed(tmp_path, rng)
    solver.net.params["ip"][1].data[0] = math.nan
    with pytest.raises(
        DivergedError, match=r'layer "ip" \(InnerProduct\): .*; its parameter blob 1 went bad first \(1 of'
    ):
        solver.step(1)


def test_a_rate_that_is_too_high(tmp_path, rng):
    solver, _, _ = fed(tmp_path, rng, 'base_lr: 1000 lr_policy: "fixed" snapshot: 1')
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) at iteration"), np.errstate(all="ignore"):
        solver.step(1000)
    assert 0 < solver.iter < 100
    # What was saved is good, down to the last one.
    newest = max(tmp_path.glob("*.solverstate"), key=lambda path: int(path.stem.rpartition("_")[2]))
    other, _, _ = fed(tmp_path, rng)
    other.restore(newest)
    assert np.isfinite(other.net.params["ip"][0].data).all()


def test_bad_weights_are_not_saved(tmp_path, rng):
    solver, _, _ = fed(tmp_path, rng)
    solver.step(1)
    good = solver.snapshot()
    solver.net.params["ip"][0].data[0, 0] = math.inf
    with pytest.raises(DivergedError, match=r"a weight is nan or infinite after iteration 1; its parameter blob 0"):
        solver.snapshot()
    other, _, _ = fed(tmp_path, rng)
    other.restore(good)
    assert np.isfinite(other.net.params["ip"][0].data).all()


def test_caffes_way_goes_on(tmp_path, rng):
    solver, x, _ = fed(tmp_path, rng, f"{FIXED} max_iter: 3", allow_nan=True)
    x[0, 0] = math.nan
    solver.solve()
    assert solver.iter == 3
    assert np.isnan(solver.net.params["ip"][0].data).any()
    assert (tmp_path / "s_iter_3.caffemodel").exists()


def test_a_loss_too_large_for_its_type_names_no_blob(tmp_path):
    net = """
    layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 9 }
            data_filler { value: 3e38 } } loss_weight: 1 }"""
    solver = make(tmp_path, FIXED, f'name: "big" {net}')
    with pytest.raises(DivergedError) as caught, np.errstate(over="ignore"):
        solver.step(1)
    assert str(caught.value).startswith(
        "the loss is inf at iteration 0, though all blobs of net 'big' are finite: lower base_lr"
    )


def test_on_a_gpu_it_is_found_at_the_next_line(tmp_path, rng, fake_gpu):
    solver, x, _ = fed(tmp_path, rng, f"{FIXED} solver_mode: GPU display: 3")
    solver.step(1)
    x[0, 0] = math.nan
    with pytest.raises(DivergedError, match="at iteration 3"), np.errstate(invalid="ignore"):
        solver.step(9)
    assert solver.iter == 3


@pytest.mark.parametrize("settings", ["test_iter: 1 test_interval: 4", "snapshot: 4"])
def test_on_a_gpu_it_is_found_before_a_test_or_snapshot(tmp_path, rng, fake_gpu, settings):
    solver, x, t = fed(tmp_path, rng, f"{FIXED} solver_mode: GPU {settings}")
    if solver.test_nets:
        feed(solver.test_nets[0], x.copy(), t)
    solver.step(1)
    x[0, 0] = math.nan
    with pytest.raises(DivergedError, match="iteration 4"), np.errstate(invalid="ignore"):
        solver.step(9)
    assert solver.iter == 4
    assert not list(tmp_path.glob("*.caffemodel"))


def test_a_good_run_is_left_alone(tmp_path):
    solver = make(tmp_path, FIXED, CLASSIFIER)
    solver.step(20)
    assert solver.iter == 20
