"""The CUDA functions that sum formulas: compiled for today's chips, and exact over more values than one thread adds."""

import cuda_host
import numpy as np
import nvrtc
import pytest
from numpy.testing import assert_allclose

from minicaffe import layers
from minicaffe.backend import gpu
from minicaffe.backend.formula import FORMULAS, formula
from minicaffe.backend.gpu import reduce
from minicaffe.backend.gpu.trace import code_of
from minicaffe.backend.workspace import Workspace

assert layers.__all__  # importing them fills FORMULAS


@formula
def doubled(xp, x):
    return 2 * x


@pytest.mark.skipif(nvrtc.library() is None, reason=nvrtc.NO_NVRTC)
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.name)
def test_sums_of_formulas_compile(formula):
    results = len(code_of(formula, formula.arrays)[1])
    kernel = reduce.compiled(formula, (("T", True),) * len(formula.arrays), ("T",) * (results - 1), 1)
    for source in cuda_host.variants(kernel):
        assert f"sum_{formula.name}".encode() in nvrtc.compile_cuda(source, "sm_90")


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
