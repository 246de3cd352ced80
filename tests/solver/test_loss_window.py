"""The smoothed loss against its definition."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.backend import CPU
from minicaffe.solver import loss_window
from minicaffe.solver.loss_window import LossWindow

LOSSES = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40)


def window(size, start=0, dtype=np.float64, backend=CPU):
    return LossWindow(size, start, backend, np.dtype(dtype))


@given(losses=LOSSES, size=st.integers(1, 12), start=st.integers(0, 1000))
def test_it_is_the_mean_of_the_last_losses(losses, size, start):
    w = window(size, start)
    for i, loss in enumerate(losses):
        w.add(start + i, loss)
        last = losses[max(0, i + 1 - size) : i + 1]
        assert w.smoothed == pytest.approx(math.fsum(last) / len(last), abs=1e-9)


def caffes(losses, size, start):
    """UpdateSmoothedLoss, in float32, step by step."""
    kept, smoothed, f = [], np.float32(0), np.float32
    for i, loss in enumerate(map(f, losses)):
        if len(kept) < size:
            kept.append(loss)
            smoothed = (smoothed * f(len(kept) - 1) + loss) / f(len(kept))
        else:
            slot = (start + i - start) % size
            smoothed += (loss - kept[slot]) / f(size)
            kept[slot] = loss
    return float(smoothed)


@given(losses=LOSSES, size=st.integers(1, 12), start=st.integers(0, 1000))
def test_float32_is_caffes_arithmetic_to_the_last_bit(losses, size, start):
    w = window(size, start, np.float32)
    for i, loss in enumerate(losses):
        w.add(start + i, loss)
    assert w.smoothed == caffes(losses, size, start)


@given(losses=LOSSES, more=LOSSES, size=st.integers(1, 6), looks=st.integers(1, 7))
def test_looking_changes_nothing(losses, more, size, looks):
    one, other = window(size, 0, np.float32), window(size, 0, np.float32)
    for i, loss in enumerate(losses + more):
        one.add(i, loss)
        other.add(i, loss)
        if i % looks == 0:
            other.smoothed  # noqa: B018
    assert one.smoothed == other.smoothed


@given(losses=LOSSES, more=LOSSES, size=st.integers(1, 12), start=st.integers(0, 99))
def test_a_window_goes_on_from_its_state(losses, more, size, start):
    straight, first = window(size, start, np.float32), window(size, start, np.float32)
    for i, loss in enumerate(losses):
        straight.add(start + i, loss)
        first.add(start + i, loss)
    # It begins elsewhere, as a new run would, and the state brings the old beginning along.
    second = window(size, start + len(losses), np.float32)
    second.restore(json.loads(json.dumps(first.state())))
    for i, loss in enumerate(more, start + len(losses)):
        straight.add(i, loss)
        second.add(i, loss)
    assert second.smoothed == straight.smoothed


def test_a_state_of_another_size_is_not_taken_up():
    w = window(3)
    w.restore({"size": 2, "start": 7, "losses": [1.0, 2.0], "smoothed": 1.5})
    assert (w.start, w.smoothed) == (0, 0)


def test_before_the_first_loss_it_is_zero():
    assert window(5).smoothed == 0


def test_losses_do_not_pile_up():
    w = window(3)
    for i in range(10 * loss_window.MOST_PENDING):
        w.add(i, 1.0)
        assert len(w._pending) < loss_window.MOST_PENDING
    assert len(w._losses) == 3


def test_losses_stay_on_the_device_until_asked_for(fake_gpu):
    xp = fake_gpu.xp
    w = window(2, 0, np.float32, fake_gpu)
    w.add(0, xp.asarray(np.float32(1)))
    w.add(1, 3.0)
    w.add(2, xp.asarray(np.float32(4)))
    assert w.smoothed == 3.5


def test_nan_stays():
    w = window(2)
    for i, loss in enumerate([1.0, math.nan, 1.0, 1.0, 1.0]):
        w.add(i, loss)
    assert math.isnan(w.smoothed)
