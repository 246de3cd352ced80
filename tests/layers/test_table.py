"""Every layer type through the same tests: its definition, its gradient, memory orders, devices, sizes, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from harness import check_gradient, check_rejected, make_layer, run_layer
from layer_table import TABLE
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.backend import CPU
from minicaffe.errors import MinicaffeError
from minicaffe.layers import layer_class, layer_type_list
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import parse_text

TYPES = 61
# Python among them, by a class of the tests' own; for the other 13 there is none.
WITH_GRADIENT = 48
CASES = [pytest.param(t, case, id=f"{t}-{i}") for t, row in TABLE.items() for i, case in enumerate(row.cases)]
FIRST = [pytest.param(t, row.cases[0], id=t) for t, row in TABLE.items()]
OFTEN = [param for param in FIRST if not TABLE[param.id].once]
REFUSALS = [pytest.param(t, one, id=f"{t}-{i}") for t, row in TABLE.items() for i, one in enumerate(row.refused)]


def differentiable(cases):
    return [param for param in cases if TABLE[param.values[0]].gradient is not None]


def in_place(cases):
    return [param for param in cases if layer_class(param.values[0]).in_place and param.values[1].in_place]


def learning(cases):
    """Those of layers with parameters that have a gradient."""
    return [param for param in differentiable(cases) if learns(*param.values)]


def learns(layer_type, case):
    if TABLE[layer_type].parameters == ():
        return False
    bottoms = case.bottoms(np.random.default_rng(0), 2)
    return bool(make_layer(f'type: "{layer_type}" {case.settings}', *bottoms, tops=case.tops).blobs)


class Prepared:
    """A case with its values drawn: run it as often as needed, always on the same."""

    def __init__(self, layer_type, case, folder, n=2):
        self.row, self.case = TABLE[layer_type], case
        self.gradient = self.row.gradient if case.gradient is None else case.gradient
        self.prototxt = f'type: "{layer_type}" {settings_of(case, folder)}'
        self.rng = np.random.default_rng(1701)
        self.bottoms = case.bottoms(self.rng, n)
        self.options = {"tops": case.tops, "phase": case.phase}
        shapes = [blob.shape for blob in make_layer(self.prototxt, *self.bottoms, backend=CPU, **self.options).blobs]
        self.blobs = draw(self.rng, shapes) if case.blobs is None else case.blobs(self.rng, shapes)

    def run(self, **options):
        options = {**self.options, "prepare": self.case.prepare, **options}
        return run_layer(self.prototxt, *self.bottoms, blobs=self.blobs, **options)

    def expected(self):
        """The tops by the definition."""
        param = parse_text(self.prototxt, caffe_pb2.LayerParameter).message
        param.phase = self.case.phase
        with np.errstate(all="ignore"):
            tops = self.row.reference(param, [np.array(b, float) for b in self.bottoms], [b.copy() for b in self.blobs])
        return [np.asarray(top, float) for top in tops]

    def gradients(self, **options):
        """Every gradient that a backward pass gives: of the bottoms, then of the parameters."""
        run = self.run(**options)
        for top in run.top:
            top.diff[...] = np.linspace(0.5, 1.5, top.data.size).reshape(top.shape)
        run.backward(self.flags())
        return [run.bottom[i].diff for i in self.gradient] + [run.blobs[j].diff for j in self.learned()]

    def learned(self):
        """The indices of the parameters that have a gradient."""
        return range(len(self.blobs)) if self.row.parameters is None else self.row.parameters

    def flags(self):
        return [i in self.gradient for i in range(len(self.bottoms))]

    def check_gradient(self, **options):
        options = {**self.options, **options}
        row = self.row
        chosen = {"check": self.gradient, "check_blobs": row.parameters, "kinks": row.kinks, "blobs": self.blobs}
        check_gradient(self.prototxt, *self.bottoms, **chosen, **options)


def settings_of(what, folder):
    return what.settings if isinstance(what.settings, str) else what.settings(folder)


def draw(rng, shapes):
    return [rng.normal(size=shape) for shape in shapes]


def assert_close(found, expected, dtype="float64"):
    assert len(found) == len(expected)
    relative, absolute = {"float64": (1e-9, 1e-11), "float32": (2e-4, 2e-5)}[dtype]
    for a, b in zip(found, expected, strict=True):
        assert np.shape(a) == np.shape(b)
        largest = np.abs(b[np.isfinite(b)]).max(initial=1.0)
        assert_allclose(a, b, rtol=relative, atol=absolute * largest)


def test_every_type_has_a_row():
    """The table is complete, and so is the registry."""
    assert sorted(TABLE) == layer_type_list()
    assert len(TABLE) == TYPES
    assert sum(row.gradient is not None for row in TABLE.values()) == WITH_GRADIENT


# --- forward ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer_type, case", CASES)
def test_definition(backend, order, layer_type, case, dtype, tmp_path):
    prepared = Prepared(layer_type, case, tmp_path)
    run = prepared.run(dtype=dtype)
    if case.compared:
        assert_close([top.data for top in run.top], prepared.expected(), dtype)
    for blob, given in zip(run.bottom, prepared.bottoms, strict=True):
        assert_array_equal(blob.data, np.asarray(given, dtype), "forward has changed its input")


@pytest.mark.parametrize("layer_type, case", CASES)
def test_other_batch_sizes(order, layer_type, case, tmp_path):
    for n in TABLE[layer_type].batches:
        prepared = Prepared(layer_type, case, tmp_path, n)
        run = prepared.run(dtype="float64")
        if case.compared:
            assert_close([top.data for top in run.top], prepared.expected())
        if TABLE[layer_type].gradient is not None:
            found = prepared.gradients(dtype="float64")
            assert [g.shape for g in found[: len(prepared.gradient)]] == [
                prepared.bottoms[i].shape for i in prepared.gradient
            ]


def narrowed(case, axis, size):
    """The case with an axis of its bottoms cut to `size`, in all that are as long there as the first."""

    def bottoms(rng, n):
        first, *others = case.bottoms(rng, n)
        alike = [b for b in others if np.ndim(b) > axis and np.shape(b)[axis] == first.shape[axis]]
        return tuple(
            np.take(b, range(size), axis) if any(b is one for one in (first, *alike)) else b for b in (first, *others)
        )

    return replace(case, bottoms=bottoms)


@pytest.mark.parametrize("size", [1, 0])
@pytest.mark.parametrize("layer_type, case", CASES)
def test_axes_of_size_one_and_zero(order, layer_type, case, size, tmp_path):
    """The definition's tops, and gradients of the right shapes; or a refusal, by a layer that needs more of an axis."""
    for axis in range(1, np.ndim(next(iter(case.bottoms(np.random.default_rng(0), 2)), 0))):
        try:
            prepared = Prepared(layer_type, narrowed(case, axis, size), tmp_path)
            run = prepared.run(dtype="float64")
        except MinicaffeError as error:
            assert f'layer "the_layer" ({layer_type})' in str(error)
            continue
        # Of empty tops there is no more to know than their shapes, which nested lists would not tell.
        if case.compared and any(top.count for top in run.top):
            assert_close([top.data for top in run.top], prepared.expected())
        if prepared.gradient is not None:
            for found, index in zip(prepared.gradients(dtype="float64"), prepared.gradient, strict=False):
                assert found.shape == np.shape(prepared.bottoms[index])


@pytest.mark.parametrize("layer_type, case", OFTEN)
def test_a_layer_follows_its_bottoms_to_another_batch_size(order, layer_type, case, tmp_path):
    run = None
    for n in (2, *TABLE[layer_type].batches, 2):
        prepared = Prepared(layer_type, case, tmp_path, n)
        run = run or make_layer(prepared.prototxt, *prepared.bottoms, dtype="float64", **prepared.options)
        if case.prepare is not None:
            case.prepare(run)
        run.layer.restore(make_layer(prepared.prototxt, *prepared.bottoms, **prepared.options).layer.state())
        for blob, values in zip(run.blobs, prepared.blobs, strict=True):
            blob.data[...] = values
        run.feed(*prepared.bottoms).forward()
        if case.compared:
            assert_close([top.data for top in run.top], prepared.expected())


# --- backward ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_type, case", differentiable(CASES))
def test_gradient(order, layer_type, case, tmp_path):
    Prepared(layer_type, case, tmp_path).check_gradient()


def check_that_breaking_is_caught(prepared, which, index):
    """Off by a hundred thousandth: too much."""

    def break_it(run):
        diff = getattr(run, which)[index].diff
        diff[...] = diff * (1 + 1e-5) + 1e-5

    with pytest.raises(AssertionError, match="backward says"):
        prepared.check_gradient(break_it=break_it)


@pytest.mark.parametrize("layer_type, case", differentiable(FIRST))
def test_a_broken_gradient_of_a_bottom_is_caught(layer_type, case, tmp_path):
    for index in Prepared(layer_type, case, tmp_path).gradient:
        check_that_breaking_is_caught(Prepared(layer_type, case, tmp_path), "bottom", index)


@pytest.mark.parametrize("layer_type, case", learning(FIRST))
def test_a_broken_gradient_of_a_parameter_is_caught(layer_type, case, tmp_path):
    prepared = Prepared(layer_type, case, tmp_path)
    for index in prepared.learned():
        check_that_breaking_is_caught(prepared, "blobs", index)


@pytest.mark.parametrize("layer_type, case", differentiable(CASES))
def test_float32_follows_float64(order, layer_type, case, tmp_path):
    prepared = Prepared(layer_type, case, tmp_path)
    assert_close(prepared.gradients(dtype="float32"), prepared.gradients(dtype="float64"), "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer_type, case", differentiable(CASES))
def test_devices_agree(fake_gpu, layer_type, case, dtype, tmp_path):
    prepared = Prepared(layer_type, case, tmp_path)
    assert_close(prepared.gradients(dtype=dtype), prepared.gradients(dtype=dtype, backend=CPU), dtype)


@pytest.mark.parametrize("orders", [("c", "batch_innermost"), ("batch_innermost", "c")], ids="-".join)
@pytest.mark.parametrize("layer_type, case", CASES)
def test_bottoms_and_tops_of_different_memory_orders(layer_type, case, orders, tmp_path):
    """As where a Python layer, whose blobs lie in C order, stands below."""
    prepared = Prepared(layer_type, case, tmp_path)
    options = {"bottom_order": orders[0], "order": orders[1], "dtype": "float64"}
    run = prepared.run(**options)
    if case.compared:
        assert_close([top.data for top in run.top], prepared.expected())
        if prepared.gradient is not None:
            assert_close(prepared.gradients(**options), prepared.gradients(dtype="float64"))


@pytest.mark.parametrize("layer_type, case", in_place(CASES))
def test_in_place(order, layer_type, case, tmp_path):
    prepared = Prepared(layer_type, case, tmp_path)
    apart, in_place = prepared.run(dtype="float64"), prepared.run(dtype="float64", in_place=True)
    assert_array_equal(in_place.bottom[0].data, apart.top[0].data)
    if prepared.gradient is not None and case.in_place_gradient:
        prepared.check_gradient(in_place=True)


@pytest.mark.parametrize("layer_type, case", learning(FIRST))
def test_shared_parameters(order, layer_type, case, tmp_path):
    """Two layers with the same parameters add to one gradient."""
    prepared = Prepared(layer_type, case, tmp_path)
    others = replace(case, bottoms=lambda rng, n: case.bottoms(np.random.default_rng(2), n))
    other = Prepared(layer_type, others, tmp_path)
    other.blobs = prepared.blobs
    expected = [a + b for a, b in zip(separate(prepared), separate(other), strict=True)]
    first, second = (p.run(dtype="float64") for p in (prepared, other))
    for index in range(len(prepared.blobs)):
        second.layer.borrow_parameter(index, first.layer.blobs[index])
    for run, flags in ((first, prepared.flags()), (second, other.flags())):
        for blob, values in zip(run.blobs, prepared.blobs, strict=True):
            blob.data[...] = values
        for top in run.top:
            top.diff[...] = np.linspace(0.5, 1.5, top.data.size).reshape(top.shape)
        run.backward(flags)
    assert_close([first.blobs[j].diff for j in prepared.learned()], expected)


def separate(prepared):
    """The parameters' gradients of one layer on its own."""
    return [np.array(g) for g in prepared.gradients(dtype="float64")[len(prepared.gradient) :]]


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_type, refusal", REFUSALS)
def test_refusals(layer_type, refusal, tmp_path):
    prototxt = f'type: "{layer_type}" {settings_of(refusal, tmp_path)}'
    assert refusal.words and not isinstance(refusal.words, str), "say which words the text must hold"
    options = {"act": refusal.act, "tops": refusal.tops, "phase": refusal.phase, "in_place": refusal.in_place}
    check_rejected(prototxt, refusal.bottoms, refusal.kind, refusal.field, *refusal.words, **options)
