"""One update of many parameters: clipping, decay, factors, pieces of long parameters; on every device."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from solver_kit import messages, write_solver

from minicaffe.errors import ParamError
from minicaffe.net.net import Net
from minicaffe.solver import Solver, update

NET = """
name: "two"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 5 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { lr_mult: 1 decay_mult: 1 }
        param { lr_mult: 2 decay_mult: 0 }
        inner_product_param { num_output: 7 weight_filler { type: "gaussian" std: 1 } bias_filler { value: 0.3 } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { lr_mult: 0 decay_mult: 3 }
        inner_product_param { num_output: 3 bias_term: false weight_filler { type: "uniform" min: -1 max: 1 } } }
"""
LR, DECAY = [1, 2, 0], [1, 0, 3]


def solver_for(tmp_path, settings):
    return Solver(write_solver(tmp_path, f'lr_policy: "fixed" {settings}', NET))


def arrays(solver):
    return [blob for layer in ("a", "b") for blob in solver.net.params[layer]]


def set_gradients(solver, rng):
    """Random gradients in all parameters; copies of them and of the data."""
    blobs = arrays(solver)
    for blob in blobs:
        blob.diff[...] = rng.normal(size=blob.shape)
    return [blob.data.copy() for blob in blobs], [blob.diff.copy() for blob in blobs]


@pytest.mark.parametrize("kind", ["L1", "L2"])
@pytest.mark.parametrize("iter_size", [1, 4])
def test_two_updates_with_everything(backend, tmp_path, rng, kind, iter_size):
    solver = solver_for(
        tmp_path, f'base_lr: 0.5 momentum: 0.9 weight_decay: 0.1 regularization_type: "{kind}" iter_size: {iter_size}'
    )
    solver.net.params["a"][0].data[0, 0] = 0  # whose sign is 0
    history = [0.0, 0.0, 0.0]
    for _ in range(2):
        data, diff = set_gradients(solver, rng)
        solver.apply_update()
        for i, blob in enumerate(arrays(solver)):
            pull = np.sign(data[i]) if kind == "L1" else data[i]
            gradient = diff[i] / iter_size + 0.1 * DECAY[i] * pull
            history[i] = 0.9 * history[i] + 0.5 * LR[i] * gradient
            assert_allclose(blob.diff, history[i], rtol=2e-6, atol=1e-6)
            assert_allclose(blob.data, data[i] - history[i], rtol=2e-6, atol=1e-6)
    assert solver.iter == 2


def test_a_factor_of_zero_still_moves_the_history(tmp_path, rng):
    """lr_mult 0 makes the update 0, whatever the gradient; the parameter stays."""
    solver = solver_for(tmp_path, "base_lr: 0.5 momentum: 0.9")
    data, _ = set_gradients(solver, rng)
    solver.apply_update()
    assert_array_equal(solver.net.params["b"][0].data, data[2])
    assert not solver.net.params["b"][0].diff.any()


@pytest.mark.parametrize("run", [1, 5, 7, 35, 36])
def test_long_parameters_are_cut_into_runs(tmp_path, rng, monkeypatch, run):
    whole = solver_for(tmp_path, "base_lr: 0.5 momentum: 0.9 weight_decay: 0.1 iter_size: 2")
    monkeypatch.setattr(update, "RUN", run)
    pieces = solver_for(tmp_path, "base_lr: 0.5 momentum: 0.9 weight_decay: 0.1 iter_size: 2")
    for one, other in zip(arrays(whole), arrays(pieces), strict=True):
        other.data[...] = one.data
    for seed in range(2):
        set_gradients(whole, np.random.default_rng(seed))
        set_gradients(pieces, np.random.default_rng(seed))
        whole.apply_update()
        pieces.apply_update()
    assert len(pieces._updater._runs[0]) == -(-35 // run)
    for one, other in zip(arrays(whole), arrays(pieces), strict=True):
        assert_array_equal(one.data, other.data)
        assert_array_equal(one.diff, other.diff)


def test_gradients_are_clipped_together_before_anything_else(backend, tmp_path, rng, capsys):
    solver = solver_for(tmp_path, "base_lr: 1 clip_gradients: 0.5 iter_size: 2 weight_decay: 0.1")
    data, diff = set_gradients(solver, rng)
    norm = np.sqrt(sum((d.astype(np.float64) ** 2).sum() for d in diff))
    messages(capsys)
    solver.apply_update()
    match = f"Gradient clipping: scaling down gradients (L2 norm {norm:g} > 0.5) by scale factor {0.5 / norm:g}"
    assert messages(capsys) == [match]
    for i, blob in enumerate(arrays(solver)):
        expected = LR[i] * (diff[i] * (0.5 / norm) / 2 + 0.1 * DECAY[i] * data[i])
        assert_allclose(data[i] - blob.data, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("limit", [-1, 1000])
def test_short_gradients_and_no_limit_leave_them_alone(tmp_path, rng, capsys, limit):
    solver = solver_for(tmp_path, f"base_lr: 1 clip_gradients: {limit}")
    _, diff = set_gradients(solver, rng)
    messages(capsys)
    solver.apply_update()
    assert_array_equal(solver.net.params["a"][0].diff, diff[0])
    assert messages(capsys) == []


def test_a_limit_of_zero_takes_everything(tmp_path, rng):
    solver = solver_for(tmp_path, "base_lr: 1 clip_gradients: 0")
    data, _ = set_gradients(solver, rng)
    solver.apply_update()
    for blob, before in zip(arrays(solver), data, strict=True):
        assert_array_equal(blob.data, before)


def test_parameters_that_share_another_nets_memory_are_updated_there(tmp_path, rng):
    solver = solver_for(tmp_path, "base_lr: 1")
    set_gradients(solver, rng)
    solver.apply_update()  # with its own memory first
    other = Net(str(tmp_path / "net.prototxt"), 0)
    solver.net.share_with(other)
    _, diff = set_gradients(solver, rng)
    before = other.params["a"][0].data.copy()
    solver.apply_update()
    assert_allclose(other.params["a"][0].data, before - diff[0], rtol=1e-6)


def test_histories_lie_in_one_buffer(tmp_path):
    solver = solver_for(tmp_path, "base_lr: 1")
    assert [h.shape for h in solver._updater.history] == [(7, 5), (7,), (3, 7)]
    owners = {id(h.base if h.base.base is None else h.base.base) for h in solver._updater.history}
    assert len(owners) == 1


def test_an_unknown_regularization_is_refused_where_it_is_used(tmp_path):
    solver = solver_for(tmp_path, 'base_lr: 1 weight_decay: 0.1\nregularization_type: "L3"')
    with pytest.raises(ParamError) as caught:
        solver.step(1)
    assert str(caught.value) == (
        f'{tmp_path}/solver.prototxt:3: regularization_type is "L3": Unknown regularization type: L3 (known: L1, L2)'
    )
    assert solver.iter == 0


def test_an_unknown_regularization_is_nothing_where_nothing_decays(tmp_path, rng):
    solver = solver_for(tmp_path, 'base_lr: 1 regularization_type: "L3"')
    set_gradients(solver, rng)
    solver.step(1)
    assert solver.iter == 1
