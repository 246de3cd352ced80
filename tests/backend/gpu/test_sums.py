"""The CUDA functions that sum formulas: exact over more values than one thread adds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minicaffe.backend import gpu
from minicaffe.backend.formula import formula
from minicaffe.backend.gpu import reduce
from minicaffe.backend.workspace import Workspace


@formula
def doubled(xp, x):
    return 2 * x


@pytest.mark.parametrize("run", [2, 3, 128])
@pytest.mark.parametrize("kept", [(1, 3, 1, 1), (5, 1, 1, 1), (1, 1, 1, 1), (1, 1, 7, 1)])
def test_runs_are_summed_until_one_is_left(fake_gpu, rng, monkeypatch, run, kept):
    monkeypatch.setattr(reduce, "RUN", run)
    x = rng.normal(size=(5, 3, 7, 9))
    out = fake_gpu.xp.empty(kept, "float64")
    gpu.sum_to(doubled, (fake_gpu.xp.asarray(x),), (out,), {}, Workspace(fake_gpu))
    axes = tuple(axis for axis, size in enumerate(kept) if size == 1)
    assert_allclose(fake_gpu.to_host(out), 2 * x.sum(axis=axes, keepdims=True), rtol=1e-12)


def test_sums_of_other_axes_are_refused(fake_gpu):
    x = fake_gpu.xp.asarray(np.ones((2, 3, 4)))
    with pytest.raises(AssertionError, match=r"sums of \(2, 3, 4\) cannot have the shape \(2, 1, 4\)"):
        gpu.sum_to(doubled, (x,), (fake_gpu.xp.empty((2, 1, 4), "float64"),), {}, Workspace(fake_gpu))
