"""Every layer type through the same tests: its definition, its gradient, memory orders, devices, sizes, refusals."""

import functools
from dataclasses import replace
from itertools import count, product

import numpy as np
import pytest
from harness import check_flags, check_gradient, check_rejected, make_layer, run_layer
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

    def __init__(self, layer_type, case, settings, n):
        self.row, self.case = TABLE[layer_type], case
        self.gradient = self.row.gradient if case.gradient is None else case.gradient
        self.prototxt = f'type: "{layer_type}" {settings}'
        rng = np.random.default_rng(1701)
        self.bottoms = case.bottoms(rng, n)
        self.options = {"tops": case.tops, "phase": case.phase}
        shapes = [blob.shape for blob in make_layer(self.prototxt, *self.bottoms, backend=CPU, **self.options).blobs]
        self.blobs = draw(rng, shapes) if case.blobs is None else case.blobs(rng, shapes)

    def run(self, **options):
        options = {"dtype": "float64", **self.options, "prepare": self.case.prepare, **options}
        return run_layer(self.prototxt, *self.bottoms, blobs=self.blobs, **options)

    @functools.cached_property
    def expected(self):
        """The tops by the definition."""
        param = parse_text(self.prototxt, caffe_pb2.LayerParameter).message
        param.phase = self.case.phase
        with np.errstate(all="ignore"):
            tops = self.row.reference(param, [np.array(b, float) for b in self.bottoms], [b.copy() for b in self.blobs])
        return [np.asarray(top, float) for top in tops]

    @functools.cached_property
    def plain(self):
        """The results in float64 and C order, on the CPU: what all other ways have to give."""
        return self.results(order="c", backend=CPU)

    def results(self, dtype="float64", **options):
        """The tops, where they can be compared; then the gradients, of the bottoms and of the parameters."""
        run = self.run(dtype=dtype, **options)
        for blob, given in zip(run.bottom, self.bottoms, strict=True):
            if not options.get("in_place"):
                assert_array_equal(blob.data, np.asarray(given, dtype), "forward has changed its input")
        tops = [np.array(top.data) for top in run.top] if self.case.compared else []
        return tops + (self.gradients(run) if self.gradient is not None else [])

    def gradients(self, run):
        """What a backward pass writes over the bottoms' diffs, and adds to those of the parameters."""
        for blob in run.bottom + run.blobs:
            blob.diff[...] = 3
        for top in run.top:
            top.diff[...] = np.linspace(0.5, 1.5, top.data.size).reshape(top.shape)
        run.backward(self.flags())
        return [run.bottom[i].diff for i in self.gradient] + [run.blobs[j].diff - 3 for j in self.learned()]

    def learned(self):
        """The indices of the parameters that have a gradient."""
        return range(len(self.blobs)) if self.row.parameters is None else self.row.parameters

    def flags(self):
        return [i in self.gradient for i in range(len(self.bottoms))]

    def check_gradient(self, **options):
        check_gradient(self.prototxt, *self.bottoms, kinks=self.row.kinks, **self.chosen(), **options)

    def check_flags(self, **options):
        check_flags(self.prototxt, *self.bottoms, **self.chosen(), **options)

    def chosen(self):
        return {**self.options, "check": self.gradient, "check_blobs": self.row.parameters, "blobs": self.blobs}


@pytest.fixture
def prepare(folders):
    """prepare(layer type, case, n=2): made once for all tests, unless it has files, which it may write to."""

    def make(layer_type, case, n=2):
        if isinstance(case.settings, str):
            return _prepared(layer_type, case, n)
        return Prepared(layer_type, case, case.settings(folders()), n)

    return make


@functools.cache
def _prepared(layer_type, case, n):
    return Prepared(layer_type, case, case.settings, n)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A function that makes a new folder: most cases need none."""
    numbers, root = count(), tmp_path_factory.mktemp("table")

    def make():
        folder = root / str(next(numbers))
        folder.mkdir()
        return folder

    return make


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


@pytest.mark.parametrize("layer_type, case", CASES)
def test_definition(prepare, layer_type, case):
    prepared = prepare(layer_type, case)
    run = prepared.run(order="c")
    if case.compared:
        assert_close([top.data for top in run.top], prepared.expected)


# (dtype, memory order of the bottoms, of the tops); the plain way is float64 and C order throughout. Orders are mixed
# where a Python layer, whose blobs lie in C order, stands beside.
WAYS = [
    ("float32", "c", "c"),
    ("float32", "batch_innermost", "batch_innermost"),
    ("float64", "batch_innermost", "batch_innermost"),
    ("float64", "c", "batch_innermost"),
    ("float64", "batch_innermost", "c"),
]


@pytest.mark.parametrize("layer_type, case", CASES)
def test_dtypes_and_memory_orders(prepare, layer_type, case):
    """Tops and gradients as in float64 and C order, which test_definition and test_gradient compare."""
    prepared = prepare(layer_type, case)
    for dtype, bottom_order, order in WAYS:
        orders = {"bottom_order": bottom_order, "order": order}
        # Random numbers are drawn along memory.
        expected = prepared.plain if case.compared else prepared.results(**orders)
        assert_close(prepared.results(dtype, **orders), expected, dtype)
    if prepared.gradient is not None:
        prepared.check_flags(order="batch_innermost")


@pytest.mark.parametrize("layer_type, case", CASES)
def test_devices_agree(gpu, prepare, layer_type, case):
    prepared = prepare(layer_type, case)
    for dtype in ("float32", "float64"):
        assert_close(prepared.results(dtype), prepared.plain, dtype)


@pytest.mark.parametrize("layer_type, case", CASES)
def test_other_batch_sizes(order, prepare, layer_type, case):
    for n in TABLE[layer_type].batches:
        check_sizes(prepare(layer_type, case, n))


def check_sizes(prepared):
    """The definition's tops, and gradients of the right shapes."""
    found = prepared.results()
    tops, gradients = (
        (found[: prepared.case.tops], found[prepared.case.tops :]) if prepared.case.compared else ([], found)
    )
    # Of empty tops there is no more to know than their shapes, which nested lists would not tell.
    if any(top.size for top in tops):
        assert_close(tops, prepared.expected)
    for found, index in zip(gradients, prepared.gradient or (), strict=False):
        assert found.shape == np.shape(prepared.bottoms[index])


@functools.cache
def narrowed(case, axis, size):
    """The case with an axis of its bottoms cut to `size`, in all that are as long there as the first."""

    def bottoms(rng, n):
        first, *others = case.bottoms(rng, n)
        alike = [b for b in others if np.ndim(b) > axis and np.shape(b)[axis] == first.shape[axis]]
        return tuple(
            np.take(b, range(size), axis) if any(b is one for one in (first, *alike)) else b for b in (first, *others)
        )

    return replace(case, bottoms=bottoms)


@pytest.mark.parametrize("layer_type, case", CASES)
def test_axes_of_size_one_and_zero(order, prepare, layer_type, case):
    """Of each bottom's axes but the first; or a refusal, by a layer that needs more of an axis."""
    axes = range(1, np.ndim(next(iter(case.bottoms(np.random.default_rng(0), 2)), 0)))
    for size, axis in product((1, 0), axes):
        try:
            check_sizes(prepare(layer_type, narrowed(case, axis, size)))
        except MinicaffeError as error:
            assert f'layer "the_layer" ({layer_type})' in str(error)


@pytest.mark.parametrize("layer_type, case", OFTEN)
def test_a_layer_follows_its_bottoms_to_another_batch_size(order, prepare, layer_type, case):
    run = None
    for n in (2, *TABLE[layer_type].batches, 2):
        prepared = prepare(layer_type, case, n)
        run = run or make_layer(prepared.prototxt, *prepared.bottoms, dtype="float64", **prepared.options)
        if case.prepare is not None:
            case.prepare(run)
        run.layer.restore(make_layer(prepared.prototxt, *prepared.bottoms, **prepared.options).layer.state())
        for blob, values in zip(run.blobs, prepared.blobs, strict=True):
            blob.data[...] = values
        run.feed(*prepared.bottoms).forward()
        if case.compared:
            assert_close([top.data for top in run.top], prepared.expected)


# --- backward ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_type, case", differentiable(CASES))
def test_gradient(prepare, layer_type, case):
    prepare(layer_type, case).check_gradient(order="c")


def check_that_breaking_is_caught(prepared, which, index):
    """Off by a hundred thousandth: too much."""

    def break_it(run):
        diff = getattr(run, which)[index].diff
        diff[...] = diff * (1 + 1e-5) + 1e-5

    with pytest.raises(AssertionError, match="backward says"):
        prepared.check_gradient(break_it=break_it)


@pytest.mark.parametrize("layer_type, case", differentiable(FIRST))
def test_a_broken_gradient_of_a_bottom_is_caught(prepare, layer_type, case):
    for index in prepare(layer_type, case).gradient:
        check_that_breaking_is_caught(prepare(layer_type, case), "bottom", index)


@pytest.mark.parametrize("layer_type, case", learning(FIRST))
def test_a_broken_gradient_of_a_parameter_is_caught(prepare, layer_type, case):
    prepared = prepare(layer_type, case)
    for index in prepared.learned():
        check_that_breaking_is_caught(prepared, "blobs", index)


@pytest.mark.parametrize("layer_type, case", in_place(CASES))
def test_in_place(order, prepare, layer_type, case):
    prepared = prepare(layer_type, case)
    apart, in_place = prepared.run(), prepared.run(in_place=True)
    assert_array_equal(in_place.bottom[0].data, apart.top[0].data)
    if prepared.gradient is not None and case.in_place_gradient:
        assert_close(prepared.gradients(in_place), prepared.gradients(apart))
        prepared.check_flags(in_place=True)


@pytest.mark.parametrize("layer_type, case", learning(FIRST))
def test_shared_parameters(order, prepare, layer_type, case):
    """Two layers with the same parameters add to one gradient."""
    prepared = prepare(layer_type, case)
    other = prepare(layer_type, replace(case, bottoms=lambda rng, n: case.bottoms(np.random.default_rng(2), n)))
    other.blobs = prepared.blobs
    expected = [a + b for a, b in zip(separate(prepared), separate(other), strict=True)]
    first, second = (p.run() for p in (prepared, other))
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
    return prepared.gradients(prepared.run())[len(prepared.gradient) :]


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_type, refusal", REFUSALS)
def test_refusals(folders, layer_type, refusal):
    settings = refusal.settings if isinstance(refusal.settings, str) else refusal.settings(folders())
    prototxt = f'type: "{layer_type}" {settings}'
    assert refusal.words and not isinstance(refusal.words, str), "say which words the text must hold"
    options = {"act": refusal.act, "tops": refusal.tops, "phase": refusal.phase, "in_place": refusal.in_place}
    check_rejected(prototxt, refusal.bottoms, refusal.kind, refusal.field, *refusal.words, **options)
