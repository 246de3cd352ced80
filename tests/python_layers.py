"""Layers as users write them, for tests: a module that `type: "Python"` can name."""

import numpy as np

import minicaffe as caffe


class Affine(caffe.Layer):
    """y = a * x + b; param_str is "a,b"."""

    def setup(self, bottom, top):
        self.a, self.b = map(float, self.param_str.split(","))

    def reshape(self, bottom, top):
        for x, y in zip(bottom, top, strict=True):
            y.reshape(*x.shape)

    def forward(self, bottom, top):
        for x, y in zip(bottom, top, strict=True):
            y.data[...] = self.a * x.data + self.b

    def backward(self, top, propagate_down, bottom):
        for x, y, wanted in zip(bottom, top, propagate_down, strict=True):
            if wanted:
                x.diff[...] = self.a * y.diff


class Weighted(caffe.Layer):
    """y = w * x, a learned w for each channel, 0.5 at first."""

    def setup(self, bottom, top):
        self.blobs.add_blob(bottom[0].channels)
        self.blobs[0].data[...] = 0.5

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.x = bottom[0].data.copy()
        top[0].data[...] = self.w() * self.x

    def backward(self, top, propagate_down, bottom):
        axes = tuple(axis for axis in range(self.x.ndim) if axis != 1)
        self.blobs[0].diff[...] += (top[0].diff * self.x).sum(axes)
        if propagate_down[0]:
            bottom[0].diff[...] = self.w() * top[0].diff

    def w(self):
        return self.blobs[0].data.reshape(-1, *[1] * (self.x.ndim - 2))


class SquaredDistance(caffe.Layer):
    """loss = sum of (a - b)^2 / 2N."""

    def reshape(self, bottom, top):
        top[0].reshape()

    def forward(self, bottom, top):
        self.difference = bottom[0].data - bottom[1].data
        top[0].data[...] = (self.difference**2).sum() / bottom[0].num / 2

    def backward(self, top, propagate_down, bottom):
        for sign, x, wanted in zip((1, -1), bottom, propagate_down, strict=True):
            if wanted:
                x.diff[...] = sign * top[0].diff * self.difference / x.num


class Counter(caffe.Layer):
    """Writes its phase and how often it has run; one row more each time."""

    def setup(self, bottom, top):
        self.count = 0

    def reshape(self, bottom, top):
        top[0].reshape(self.count + 1, 2)

    def forward(self, bottom, top):
        self.count += 1
        top[0].data[...] = [self.phase, self.count]

    def state(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


class Forgetful(caffe.Layer):
    """Calls a thing of its own `state`, and has no backward."""

    def setup(self, bottom, top):
        self.state = np.zeros(3)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data


class OwnFault(Exception):
    """What only the user's code knows of."""


class OwnKind(caffe.errors.MinicaffeError):
    """A kind of the user's own, made in another way than the house's kinds."""

    def __init__(self):
        super().__init__("it is the user's")


FAULTS = {kind.__name__: kind for kind in (OwnFault, OwnKind, MemoryError, KeyError)}


class Faulty(caffe.Layer):
    """Fails in the method that param_str names, as it says: "forward KeyError"."""

    def turn(self, name):
        method, kind = self.param_str.split()
        if name == method:
            raise FAULTS[kind]()

    def setup(self, bottom, top):
        self.turn("setup")

    def reshape(self, bottom, top):
        self.turn("reshape")
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.turn("forward")

    def backward(self, top, propagate_down, bottom):
        self.turn("backward")


class TooLarge(caffe.Layer):
    """Asks for a top that cannot be."""

    def reshape(self, bottom, top):
        top[0].reshape(1 << 20, 1 << 20)


class NoReshape(caffe.Layer):
    """Forgets to shape its top."""

    def forward(self, bottom, top):
        top[0].data[...] = 0


class NoLayer:
    """Not derived from caffe.Layer."""


def __getattr__(name):
    """Names that are made when someone asks for them."""
    if name == "Lazy":
        return Affine
    raise AttributeError(name)
