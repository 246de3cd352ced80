"""What all losses share: weights, batch sizes, where no gradient goes, divisors."""

import numpy as np
import pytest

from minicaffe.blob import Blob
from minicaffe.errors import GraphError, ShapeError
from minicaffe.layers.loss_layer import LossLayer, Normalization
from minicaffe.proto import caffe_pb2


class Loss(LossLayer):
    type, exact_top, min_top = "Loss", None, 1

    def forward(self, bottom, top):
        top[0].data[...] = 5


def loss(**settings):
    return Loss(caffe_pb2.LayerParameter(name="l", type="Loss", **settings))


def wired(layer, *shapes):
    bottom, top = [Blob(shape) for shape in shapes], [Blob()]
    layer.initialize(bottom, top)
    return bottom, top


@pytest.mark.parametrize("tops, weights", [(1, [1]), (2, [1, 0])])
def test_a_loss_counts_once_unless_told_otherwise(tops, weights):
    layer = loss()
    bottom, top = [Blob((2, 3)), Blob((2,))], [Blob(()) for _ in range(tops)]
    layer.initialize(bottom, top)
    assert list(layer.layer_param.loss_weight) == layer.loss_weights == weights
    assert layer.run_forward(bottom, top) == 5
    silent = loss(loss_weight=[0] * tops)
    silent.initialize(bottom, top)
    assert silent.loss_weights == [0] * tops


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((2, 3), ()), ((), ())])
def test_a_loss_needs_one_batch_size(shapes):
    with pytest.raises(ShapeError) as caught:
        wired(loss(), *shapes)
    assert "must have the same first axis, the batch size" in str(caught.value) and "bottom[1]" in str(caught.value)


def test_no_gradient_goes_to_labels():
    layer = loss()
    bottom, top = wired(layer, (2, 3), (2,))
    with pytest.raises(GraphError) as caught:
        layer.run_backward(top, [True, True], bottom)
    assert "bottom[1], the labels or targets" in str(caught.value)


# Nine of ten positions count, in two items.
@pytest.mark.parametrize("mode, divisor", [("FULL", 10), ("VALID", 9), ("BATCH_SIZE", 2), ("NONE", 1)])
def test_divisors(mode, divisor):
    param = caffe_pb2.LossParameter(normalization=mode)
    assert Normalization(param).divisor(2, 10, 9, np) == divisor
    assert Normalization(param).divisor(0, 0, 0, np) == 1
    assert Normalization(param).divisor(2, 10, np.float64(0), np) == (divisor if mode != "VALID" else 1)


@pytest.mark.parametrize("default", ["VALID", "BATCH_SIZE"])
def test_normalize_speaks_where_normalization_is_silent(default):
    def mode(**settings):
        return Normalization(caffe_pb2.LossParameter(**settings), default).mode

    assert mode() == default
    assert mode(normalize=True) == "VALID" and mode(normalize=False) == "BATCH_SIZE"
    assert mode(normalize=True, normalization="NONE") == "NONE"


def test_a_label_to_ignore_may_be_0():
    assert Normalization(caffe_pb2.LossParameter()).ignore is None
    assert Normalization(caffe_pb2.LossParameter(ignore_label=0)).ignore == 0
