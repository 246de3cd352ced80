"""minicaffe.Layer: the class that users' own layers derive from. As pycaffe's caffe.Layer."""

from __future__ import annotations

from typing import Any

from minicaffe.blob import HostBlob
from minicaffe.blob_vec import BlobVec

HostBlobs = list[HostBlob]


class Layer:
    """A layer that a user writes, and a prototxt names by `type: "Python"`.

        class Times(caffe.Layer):                      # y = w * x
            def setup(self, bottom, top):
                self.blobs.add_blob(1)
                self.blobs[0].data[...] = float(self.param_str)

            def reshape(self, bottom, top):
                top[0].reshape(*bottom[0].shape)

            def forward(self, bottom, top):
                top[0].data[...] = self.blobs[0].data * bottom[0].data

            def backward(self, top, propagate_down, bottom):
                self.blobs[0].diff[...] += (top[0].diff * bottom[0].data).sum()
                if propagate_down[0]:
                    bottom[0].diff[...] = self.blobs[0].data * top[0].diff

    setup runs once, reshape then and before every forward. backward may be left out where no gradient is asked for;
    it overwrites the bottoms' diff and adds to the parameters'. A class that has both state() -> dict of plain
    values and restore(dict) goes on where it was when a solver resumes.

    bottom, top: any number of blobs (HostBlob), in C order; fetch .data and .diff anew in each call.
    propagate_down: a bool for each bottom.
    param_str: python_param.param_str; old scripts call it param_str_.  phase: TRAIN (0) or TEST (1).
    blobs: parameters; what setup adds is learned, shared, saved and loaded like those of any layer.
    """

    param_str: str = ""
    param_str_: str = ""
    phase: int = 0

    def __init__(self, layer_param: Any = None) -> None:
        """layer_param: the whole LayerParameter. A class need not write a constructor of its own."""

    # Read-only, as in pycaffe; the layer that runs this one has put it among the instance's own attributes.
    @property
    def blobs(self) -> BlobVec:
        """The layer's parameters, none before setup. AttributeError for an object that no net has made."""
        if "blobs" not in vars(self):
            raise AttributeError(
                f"this {type(self).__name__} has no blobs: a net gives them to the layers that it makes"
            )
        return vars(self)["blobs"]

    @property
    def type(self) -> str:
        """What a prototxt says."""
        return "Python"

    def setup(self, bottom: HostBlobs, top: HostBlobs) -> None:
        """Read param_str, add parameters. Runs once, when the net is built."""

    def reshape(self, bottom: HostBlobs, top: HostBlobs) -> None:
        """Give every top its shape; each class has to say how."""
        raise NotImplementedError(f"{type(self).__name__} has no reshape: give every top its shape there")
