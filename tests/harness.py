"""What every layer test needs: run a layer from a few words of prototxt, check its gradient, read its refusals.

run_layer('type: "ReLU"', x).top[0].data
check_gradient('type: "InnerProduct" inner_product_param { num_output: 3 }', x)
check_rejected('type: "Pooling" pooling_param { stride: 0 }', x, ParamError, "pooling_param.stride", "is 0")
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from minicaffe.backend import active
from minicaffe.blob import DIFF, Blob, HostBlob
from minicaffe.errors import MinicaffeError
from minicaffe.layers import layer_class
from minicaffe.layers.base import TRAIN, Context
from minicaffe.layers.loss_layer import LossLayer
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import parse_text

STEP = 1e-5  # of central differences, in float64
TOLERANCE = 1e-7
MOST_ELEMENTS = 200  # of one array that are checked
default_order = "auto"  # what the fixture `order` sets


class Run:
    """A layer with its blobs.  bottom, top, blobs: as scripts see them; loss: of the last forward pass."""

    def __init__(self, layer, bottom, top):
        self.layer, self.inner_bottom, self.inner_top = layer, bottom, top
        self.bottom = [HostBlob(blob) for blob in bottom]
        self.top = [HostBlob(blob) for blob in top]
        self.blobs = [HostBlob(blob) for blob in layer.blobs]
        self.loss = None

    def feed(self, *arrays):
        """Give the bottoms other shapes and values."""
        for blob, values in zip(self.bottom, arrays, strict=True):
            blob.reshape(*values.shape)
            blob.data[...] = values
        return self

    def forward(self):
        self.loss = float(self.layer.run_forward(self.inner_bottom, self.inner_top))
        return self

    def backward(self, propagate_down=None):
        """All bottoms but a loss's labels are flagged unless told otherwise."""
        forced = [index not in self.layer.not_forced for index in range(len(self.bottom))]
        self.layer.run_backward(self.inner_top, forced if propagate_down is None else propagate_down, self.inner_bottom)
        return self


def make_layer(prototxt, *bottoms, tops=1, in_place=False, order=None, bottom_order=None, **options):
    """A Run that is set up, but has not run.  bottoms: arrays, or shapes for blobs of zeros.

    order: of the blobs in memory; bottom_order: of the bottoms alone.
    """
    context, below = make_context(order, **options), make_context(bottom_order or order, **options)
    parsed = parse_text(prototxt if named(prototxt) else f'name: "the_layer" {prototxt}', caffe_pb2.LayerParameter)
    layer = layer_class(parsed.message.type)(parsed.message, context, parsed.origin())
    bottom = [make_blob(array, below) for array in bottoms]
    top = bottom[:1] if in_place else []
    top = top + [make_blob(None, context) for _ in range(tops - len(top))]
    layer.initialize(bottom, top)
    layer.fill_parameters()
    return Run(layer, bottom, top)


def named(prototxt):
    return re.search(r"(^|\s)name:", prototxt) is not None


def make_context(order=None, backend=None, dtype="float32", phase=TRAIN):
    device = backend or active()
    return Context(device, np.dtype(dtype), phase, seed=1, layout=device.layout(order or default_order))


def make_blob(array, context):
    blob = Blob(backend=context.backend, dtype=context.dtype, layout=context.layout)
    if array is not None:
        blob.reshape(*(array if isinstance(array, tuple) else np.shape(array)))
    if array is not None and not isinstance(array, tuple):
        HostBlob(blob).data[...] = array
    return blob


def run_layer(prototxt, *bottoms, blobs=(), prepare=None, **options):
    """One forward pass.

    blobs: values for the parameters, instead of what their fillers gave.  prepare: called with the Run before.
    """
    run = make_layer(prototxt, *bottoms, **options)
    if prepare is not None:
        prepare(run)
    for blob, values in zip(run.blobs, blobs, strict=False):
        blob.data[...] = values
    return run.forward()


# --- gradients ------------------------------------------------------------------------------------


def check_gradient(
    prototxt, *bottoms, check=None, check_blobs=None, kink=None, kinks=(), blobs=None, break_it=None, **options
):
    """Compare backward with central differences in float64, for bottoms and parameters.

    check, check_blobs: the indices of the bottoms and of the parameters to check (all that the layer differentiates).
    kink, kinks: values of bottom elements near which the layer has no derivative; elements there are left out.
    blobs: the parameters' values, normally distributed without it.
    break_it: called with the Run after its backward pass (tests of this harness).
    Also checked: bottoms' diffs are overwritten, parameters' added to, and none touched that is not asked for.
    """
    problem = make_problem(prototxt, bottoms, check, check_blobs, blobs, break_it, **options)
    problem.check_arrays(kinks if kink is None else (kink,))
    problem.check_flags()


def check_flags(prototxt, *bottoms, check=None, check_blobs=None, blobs=None, **options):
    """The part of check_gradient that takes no differences: what is not asked for is not touched."""
    make_problem(prototxt, bottoms, check, check_blobs, blobs, None, **options).check_flags()


def make_problem(prototxt, bottoms, check, check_blobs, blobs, break_it, **options):
    run = make_layer(prototxt, *bottoms, dtype="float64", **options)
    check = [i for i in range(len(bottoms)) if i not in run.layer.not_forced] if check is None else list(check)
    check_blobs = list(range(len(run.blobs)) if check_blobs is None else check_blobs)
    return Problem(run, bottoms, check, check_blobs, blobs, break_it)


class Problem:
    """sum of weight * top, as a function of the bottoms and the parameters."""

    def __init__(self, run, bottoms, check, check_blobs, blobs, break_it):
        self.run, self.check, self.check_blobs = run, check, check_blobs
        self.break_it = break_it or (lambda run: None)
        self.rng = np.random.default_rng(4)
        self.values = [np.array(array, np.float64) for array in bottoms]
        drawn = [self.rng.normal(size=blob.shape) for blob in run.blobs]
        self.params = drawn if blobs is None else [np.array(values, np.float64) for values in blobs]
        self.state = run.layer.state()
        self.forward()
        self.weights = [self.rng.normal(size=blob.shape) for blob in run.top]
        if isinstance(run.layer, LossLayer):
            # Its gradient follows top[0].diff alone; further tops have none.
            self.weights = [np.full(blob.shape, 0.7 if i == 0 else 0.0) for i, blob in enumerate(run.top)]

    def forward(self):
        """One pass with the same random numbers each time, on the values as given, whatever ran in place."""
        self.run.layer.restore(self.state)
        for blob, values in zip(self.run.bottom + self.run.blobs, self.values + self.params, strict=True):
            blob.data[...] = values
        self.run.forward()

    def objective(self):
        """The function of self.values and self.params that is differentiated."""
        self.forward()
        return sum(np.vdot(weight, top.data) for weight, top in zip(self.weights, self.run.top, strict=True))

    def backward(self, flags, bottom_diff, blob_diff):
        """One backward pass onto diffs that hold `bottom_diff` and `blob_diff` before."""
        self.forward()
        for blob in self.run.bottom:
            blob.diff[...] = bottom_diff
        for blob in self.run.blobs:
            blob.diff[...] = blob_diff
        for blob, weight in zip(self.run.top, self.weights, strict=True):
            blob.diff[...] = weight
        self.run.backward(flags)
        self.break_it(self.run)

    def is_aliased(self, index):
        """Whether the gradient of this bottom is a top's own memory: in place, and where only the shape changes."""
        return any(top.storage(DIFF) is self.run.inner_bottom[index].storage(DIFF) for top in self.run.inner_top)

    def flags(self):
        return [index in self.check for index in range(len(self.values))]

    def check_arrays(self, kinks):
        self.backward(self.flags(), bottom_diff=7, blob_diff=3)
        analytic = [np.array(self.run.bottom[index].diff) for index in self.check]
        analytic += [self.run.blobs[index].diff - 3 for index in self.check_blobs]
        arrays = [(f"bottom[{i}]", self.values[i]) for i in self.check]
        arrays += [(f"blobs[{j}]", self.params[j]) for j in self.check_blobs]
        for (name, array), gradient in zip(arrays, analytic, strict=True):
            smooth = np.ones(array.shape, bool)
            for kink in kinks if name.startswith("bottom") else ():
                smooth &= np.abs(array - kink) > 10 * STEP
            assert smooth.mean() >= 0.9, f"{name}: only {smooth.mean():.0%} of the elements are away from {kinks}"
            self.check_array(name, array, gradient, smooth)

    def check_array(self, name, array, gradient, smooth):
        places = list(zip(*np.nonzero(smooth), strict=True)) if array.ndim else [()]
        if len(places) > MOST_ELEMENTS:
            places = [places[i] for i in self.rng.choice(len(places), MOST_ELEMENTS, replace=False)]
        for place in places:
            numeric, found = self.slope(array, place), gradient[place]
            limit = TOLERANCE * max(1, abs(numeric), abs(found))
            assert abs(numeric - found) <= limit, f"{name}{list(place)}: backward says {found}, differences {numeric}"

    def slope(self, array, place):
        kept, sides = array[place], []
        for sign in (1, -1):
            array[place] = kept + sign * STEP
            sides.append(self.objective())
        array[place] = kept
        return (sides[0] - sides[1]) / (2 * STEP)

    def check_flags(self):
        """Without its flag a bottom's or a parameter's diff stays as it was."""
        for index in self.check:
            if not self.is_aliased(index):
                self.backward([flag and i != index for i, flag in enumerate(self.flags())], 7, 3)
                assert np.all(self.run.bottom[index].diff == 7), f"bottom[{index}].diff was touched without its flag"
        wanted = list(self.run.layer.param_propagate_down)
        for index in self.check_blobs:
            blob = self.run.blobs[index]
            self.run.layer.param_propagate_down[index] = False
            self.backward(self.flags(), 7, 3)
            assert np.all(blob.diff == 3), f"blobs[{index}].diff was touched without its flag"
            self.run.layer.param_propagate_down = list(wanted)


# --- refusals -------------------------------------------------------------------------------------


def check_rejected(prototxt, bottoms, kind, field, *words, act=None, **options):
    """The layer must refuse to be set up, or to do `act(run)`, by an error of `kind` that says where and what.

    Its text must hold the layer's name and type, the field, and each of `words`.  Returns the error.
    """
    with pytest.raises(MinicaffeError) as caught:
        run = make_layer(prototxt, *bottoms, **options)
        if act is not None:
            act(run)
    error, text = caught.value, str(caught.value)
    layer_type = parse_text(prototxt, caffe_pb2.LayerParameter).message.type
    assert type(error) is kind, f"{type(error).__name__}: {text}"
    for word in (f'layer "the_layer" ({layer_type})', field, *words):
        assert word in text, f"{word!r} is not in: {text}"
    assert error.field == field, f"the field is {error.field!r}: {text}"
    return error
