"""What the kernel `elementwise` promises beyond its table of cases: in place, on any threads, and clear refusals."""

import itertools

import numpy as np
import pytest
from kernel_cases_elementwise import one_number, operators, truths
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.backend import cpu, layout
from minicaffe.backend.cpu.boxes import boxes
from minicaffe.backend.cpu.plan import PIECE, plan_for
from minicaffe.backend.formula import VOCABULARY, formula
from minicaffe.backend.gpu.trace import CODE, code_of
from minicaffe.backend.trace import TRUTHS


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (17, 3, 101, 67)])
@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
def test_out_may_be_an_array(rng, shape, memory):
    x = layout.view(rng.normal(size=np.prod(shape)).astype(np.float32), shape, memory)
    expected = one_number(np, x.copy(), alpha=0.5)[0]
    cpu.elementwise(one_number, (x,), (x,), {"alpha": 0.5})
    assert_array_equal(x, expected)


@formula
def reads_late(xp, x, y, *, a):
    return a + y * xp.exp(x), (y > a) * x + (x > 0) * y, xp.where(x > y, x, a * y)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (17, 3, 101, 67)])
@pytest.mark.parametrize("places", list(itertools.permutations(["x", "y", "free"])))
def test_any_out_may_be_any_array(rng, shape, places):
    """Whatever a target is used for on the way, later steps see the arrays as they came."""
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name in ("x", "y", "free")}
    expected = reads_late(np, arrays["x"].copy(), arrays["y"].copy(), a=0.5)
    out = tuple(arrays[name] for name in places)
    cpu.elementwise(reads_late, (arrays["x"], arrays["y"]), out, {"a": 0.5})
    for found, wanted in zip(out, expected, strict=True):
        assert_allclose(found, wanted, rtol=1e-6)


def test_an_out_may_overlap_an_array(rng):
    memory = rng.normal(size=5000).astype(np.float32)
    x, out = memory[:-8], memory[8:]
    expected = one_number(np, x.copy(), alpha=0.5)[0]
    cpu.elementwise(one_number, (x,), (out,), {"alpha": 0.5})
    assert_allclose(out, expected, rtol=1e-6)


@pytest.mark.parametrize("gap", [0, 3])
def test_short_rows_that_are_the_same_are_repeated(rng, gap):
    """Not beside rows with gaps between them, as in a slice."""
    x = rng.normal(size=(6, 40, 32 + gap)).astype(np.float32)[..., :32]
    y, out = rng.normal(size=(6, 1, 32)).astype(np.float32), np.empty((6, 40, 32), np.float32)
    assert plan_for([x, y, out], out, widen=True).repeats == (1 if gap else 20)
    assert plan_for([x, y, out], out).repeats == 1
    cpu.elementwise(operators, (x, y), (out,), {"a": 0.25})
    assert_allclose(out, operators(np, x, y, a=0.25)[0], rtol=1e-5, atol=1e-6)


def test_the_buffers_of_numpy_are_as_before(rng):
    x, mean, out = rng.normal(size=(40, 700)), rng.normal(size=(40, 1)), np.empty((40, 700))
    sizes = []

    class Watched(np.ndarray):
        def __array_ufunc__(self, function, method, *arrays, out, **settings):
            sizes.append(np.getbufsize())
            return getattr(function, method)(*map(np.asarray, arrays), out=tuple(map(np.asarray, out)), **settings)

    usual = np.getbufsize()
    cpu.elementwise(operators, (x.view(Watched), mean), (out,), {"a": 0.25})
    assert set(sizes) == {704} and np.getbufsize() == usual
    assert_allclose(out, operators(np, x, mean, a=0.25)[0], rtol=1e-6)


def test_memory_orders_may_differ(rng):
    x, y = rng.normal(size=(2, 17, 3, 101, 67))
    other = layout.view(np.empty(x.size), x.shape, layout.BATCH_INNERMOST)
    other[...] = x
    out = np.empty_like(y)
    cpu.elementwise(operators, (other, y), (out,), {"a": 0.25})
    assert_array_equal(out, operators(np, x, y, a=0.25)[0])


def test_the_arrays_own_type_is_kept(rng):
    x = rng.normal(size=(3, 4)).astype(np.float32)
    out = np.empty_like(x)

    @formula
    def chosen(xp, x, *, a):
        return xp.where(x > 0, a, 0.1) * x + 1.5

    cpu.elementwise(chosen, (x,), (out,), {"a": 0.3})
    assert_array_equal(out, (np.where(x > 0, np.float32(0.3), np.float32(0.1)) * x + np.float32(1.5)))


@pytest.mark.parametrize("shape", [(300_000,), (3, 100_000), (200_000, 2), (5, 7, 9_000), (1 << 17,), (2, 1 << 17)])
def test_boxes_cover_each_value_once(shape):
    seen = np.zeros(shape, int)
    for piece in boxes(shape, PIECE):
        seen[piece] += 1
        assert seen[piece].size <= PIECE
    assert (seen == 1).all()


def test_a_branch_on_a_value_is_refused():
    @formula
    def branches(xp, x):
        return x if x > 0 else -x

    with pytest.raises(TypeError, match=r"use xp\.where, no `if`"):
        code_of(branches, ["x[i]"])


def test_an_unknown_function_is_refused():
    @formula
    def rounds(xp, x):
        return xp.rint(x)

    with pytest.raises(AttributeError, match=r"a formula cannot use rint: backend/formula.py lists"):
        code_of(rounds, ["x[i]"])
    with pytest.raises(AttributeError, match="rint"):
        cpu.elementwise(rounds, (np.zeros(3),), (np.zeros(3),), {})


def test_the_text_of_a_formula():
    lines, results = code_of(truths, ["x[i]", "y[i]"])
    assert lines[0] == "const T x_value = (T)x[i];" and "const T a_value = (T)a;" in lines
    assert any("?" in line for line in lines)
    assert len(results) == 2


def test_every_step_has_its_text():
    operators = {"add", "subtract", "multiply", "true_divide", "negative", *TRUTHS}
    assert set(CODE) == operators | {"absolute" if name == "abs" else name for name in VOCABULARY}
