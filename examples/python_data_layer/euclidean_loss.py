"""A loss layer in Python: what Caffe's EuclideanLoss computes, in six lines."""

import numpy as np

import minicaffe as caffe


class EuclideanLoss(caffe.Layer):
    """Half the mean squared distance.

        loss = sum((x - t)^2) / (2 * N)      dx = (x - t) / N      dt = -dx

    bottom: x and t, both (N, ...).  top: a number. A loss in Python needs `loss_weight: 1` in the prototxt.
    """

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise ValueError(f"EuclideanLoss compares 2 bottoms, not {len(bottom)}")

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise ValueError(f"the bottoms differ: {list(bottom[0].shape)} and {list(bottom[1].shape)}")
        top[0].reshape()  # a number: no axes

    def forward(self, bottom, top):
        self.away = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.away**2) / (2 * bottom[0].num)

    def backward(self, top, propagate_down, bottom):
        # top[0].diff is the loss weight.
        for blob, wanted, sign in zip(bottom, propagate_down, (1, -1), strict=True):
            if wanted:
                blob.diff[...] = sign * top[0].diff * self.away / bottom[0].num
